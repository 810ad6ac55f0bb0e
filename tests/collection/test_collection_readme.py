"""The collection's README is what its runs say, and shows nothing that a name smuggles in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner
from collection_runs import MACHINE, cell, cells, run, stored
from hypothesis import given, settings
from hypothesis import strategies as st
from travel_stage import COMMITTED, RESULTS, committed, keep

from bench.cli import main
from bench.cli.collection import README
from bench.collection.find import FindError, tracked_by_git
from bench.collection.gathering import gather
from bench.report.collection.readme import readme, side_by_side

if TYPE_CHECKING:
    from bench.records import Run

replace = msgspec.structs.replace
LATER = {"id": "20261124-101112-0a1b", "started": "2026-11-24T10:11:12+00:00"}


def rendered(*runs: Run) -> str:
    """The README of these runs, made one after the other."""
    with TemporaryDirectory() as name:
        results = Path(name).resolve()
        for place, each in enumerate(runs):
            made = f"2026010{place + 1}-000000-aaaa"
            stored(results, replace(each, id=made, started=f"2026-01-0{place + 1}"))
        entries = gather([results]).entries
        return readme(entries, results, side_by_side(entries)).decode()


def on(run: Run, **machine: Any) -> Run:
    return replace(run, machine=replace(run.machine, **machine))


def rows(text: str) -> list[list[str]]:
    """Cells of the tables' lines."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [line.split(" | ") for line in lines]  # a bar inside a cell has a backslash before it


def test_the_committed_readme_is_what_the_committed_runs_say() -> None:
    files = sorted(RESULTS.glob("*/*/run.json"))
    try:
        files = tracked_by_git(RESULTS, files)
    except FindError:
        pytest.skip("this is no checkout, so nothing says which runs are committed")
    gathered = gather(files)
    assert gathered.notes == []
    text = readme(gathered.entries, RESULTS, side_by_side(gathered.entries)).decode()
    assert text == (RESULTS / README).read_text(), (
        "render it again: freezebench collection --tracked"
    )


@pytest.mark.parametrize(
    "path", re.findall(r"\]\(((?!http)[^)#]+)\)", (RESULTS / README).read_text())
)
def test_everything_the_committed_readme_points_to_is_there(path: str) -> None:
    assert (RESULTS / path).exists()


def test_every_run_has_a_row_that_leads_to_its_table_the_latest_first() -> None:
    links = re.findall(r"^\| (\[2026.*?\)) \|", rendered(run(), run()), re.MULTILINE)
    assert links == [
        "[2026-01-02](m/20260102-000000-aaaa/table.md)",
        "[2026-01-01](m/20260101-000000-aaaa/table.md)",
    ]


def test_a_row_tells_machine_torch_settings_and_workloads() -> None:
    row = next(row for row in rows(rendered(run())) if row[0].startswith("[2026"))
    assert row[1:] == ["AMD EPYC", "2.14", "cpu, float32, batch 64, 1 thread, adam", "`policy`"]


def test_a_setting_that_its_workloads_have_in_several_is_left_out_of_a_row() -> None:
    made = run(cells() + cells(workload="vit", batch=8))
    row = next(row for row in rows(rendered(made)) if row[0].startswith("[2026"))
    assert "batch" not in row[3]


def test_runs_that_differ_in_one_setting_have_a_table_below_its_heading() -> None:
    text = rendered(run(), run(cells(threads=2)))
    (heading,) = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert heading == "More threads"
    assert ["`no_grad`", "0.50 ±0.01 ✓", "0.50 ±0.01 ✓"] in rows(text)


def test_a_column_leads_to_the_table_of_its_run() -> None:
    text = rendered(run(), run(cells(threads=2)))
    assert "[2 threads](m/20260102-000000-aaaa/table.md)" in text


def test_a_later_run_of_the_same_kind_takes_the_column() -> None:
    text = rendered(run(), run(cells(threads=2)), run())
    assert "[1 thread](m/20260103-000000-aaaa/table.md)" in text


def test_below_a_table_stands_what_it_says() -> None:
    text = rendered(run(), run(cells({"requires_grad": 0.3, "no_grad": 0.5}, threads=2)))
    assert "The ranking changes: " in text


def test_a_strategy_that_a_run_lacks_is_absent_there() -> None:
    text = rendered(run([cell(), cell("no_grad")]), run([cell(threads=2)]))
    assert ["`no_grad`", "0.50 ±0.01 ✓", "–"] in rows(text)


def test_a_cell_that_is_not_ok_shows_the_sign_of_its_verdict() -> None:
    severed = [cell(threads=2), cell("no_grad", verdict="severed", threads=2)]
    text = rendered(run([cell(), cell("no_grad")]), run(severed))
    assert ["`no_grad`", "0.50 ±0.01 ✓", "– ×"] in rows(text)


def test_runs_without_a_partner_have_no_table() -> None:
    text = rendered(run(), run(cells(threads=2, dtype="bfloat16")))
    assert "No two runs differ in one setting alone yet." in text


def test_an_empty_collection_says_so(tmp_path: Path) -> None:
    assert "No run yet." in readme([], tmp_path, {}).decode()


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(max_size=40))
def test_names_add_no_markup_and_no_row(machine: str, workload: str) -> None:
    def pair(machine: str, workload: str) -> str:
        made = [run(cells(workload=workload)), run(cells(workload=workload, threads=2))]
        return rendered(*(on(each, cpu=machine) for each in made))

    text, usual = pair(machine, workload), pair(MACHINE.cpu, "policy")
    assert len(text.splitlines()) == len(usual.splitlines())
    assert [len(row) for row in rows(text)] == [len(row) for row in rows(usual)]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "[x](http://y)", "a|b", "**bold**"])
def test_a_hostile_name_is_text(name: str) -> None:
    text = rendered(on(run(), cpu=name))
    assert f"| {name} |" not in text
    assert f"[{name}" not in text


def typed(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["collection", *map(str, arguments)])


def test_what_is_no_finished_run_is_left_out_and_named(tmp_path: Path) -> None:
    keep(tmp_path, committed("full"))
    keep(tmp_path, committed("full"), id="20261124-101112-0a1b", synthetic=True)
    keep(tmp_path, committed("full"), id="20261124-101112-0a1c", state="running")
    keep(tmp_path, committed("full"), id="20261124-101112-0a1d").write_text("{")
    done = typed(tmp_path)
    assert done.exit_code == 0
    assert done.output.count("left out: ") == 3
    assert "tells of 1 run\n" in done.output


def test_every_comparison_has_a_heat_map_that_the_readme_leads_to(tmp_path: Path) -> None:
    for place, threads in enumerate((1, 2)):
        stored(tmp_path, run(cells(threads=threads), id=f"{place}", synthetic=False))
    assert typed(tmp_path).exit_code == 0
    assert (tmp_path / "by-threads.png").read_bytes().startswith(b"\x89PNG")
    assert "[As a heat map](by-threads.png)" in (tmp_path / README).read_text()


def test_the_heat_map_of_a_comparison_that_is_no_more_goes(tmp_path: Path) -> None:
    both = [run(cells(threads=threads), id=f"{threads}", synthetic=False) for threads in (1, 2)]
    files = [stored(tmp_path, each) for each in both]
    typed(tmp_path)
    files[1].unlink()
    typed(tmp_path)
    assert not (tmp_path / "by-threads.png").exists()


def test_a_picture_of_ones_own_stays(tmp_path: Path) -> None:
    keep(tmp_path, committed("full"))
    (tmp_path / "by-hand.png").write_bytes(b"mine")
    typed(tmp_path)
    assert (tmp_path / "by-hand.png").read_bytes() == b"mine"


def test_a_readme_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    keep(tmp_path, committed("full"))
    (tmp_path / README).write_text("# Mine")
    refused = typed(tmp_path)
    assert (refused.exit_code, "was not written by this command" in refused.output) == (2, True)
    assert (tmp_path / README).read_text() == "# Mine"


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    assert typed(tmp_path).exit_code == 2


def test_runs_that_git_does_not_keep_are_left_out_if_asked(tmp_path: Path) -> None:
    kept = keep(tmp_path, committed("full"))
    keep(tmp_path, committed("full"), **LATER)
    for command in (["init", "-q"], ["add", "-f", str(kept)]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    done = typed(tmp_path, "--tracked")
    assert "tells of 1 run\n" in done.output


def test_without_jinja2_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path, committed("full"))
    monkeypatch.setitem(sys.modules, "jinja2", None)
    refused = typed(tmp_path)
    assert refused.exit_code == 2
    assert "pip install 'freezebench[page]'" in refused.output


def test_the_template_travels_with_the_package() -> None:
    declared = (COMMITTED.parents[2] / "pyproject.toml").read_text()
    assert '"bench.report.collection" = ["*.jinja"]' in declared
