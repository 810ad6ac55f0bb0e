"""The collection's README is what its runs say, and shows nothing that a name smuggles in."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from travel_stage import COMMITTED, RESULTS, committed, keep

from bench.cli import main
from bench.cli.collection import README
from bench.collection.find import FindError, find_runs, tracked_by_git
from bench.collection.readme import readme
from bench.collection.shelf import shelved
from bench.collection.side_by_side import Kept, groups
from bench.records import Gpu

if TYPE_CHECKING:
    from pathlib import Path

    from bench.records import Run

replace = msgspec.structs.replace
LATER = {"id": "20261124-101112-0a1b", "started": "2026-11-24T10:11:12+00:00"}


def rendered(*runs: Run) -> str:
    return readme([Kept(f"machine/{run.id}", run) for run in runs]).decode()


def on(run: Run, **machine: Any) -> Run:
    return replace(run, machine=replace(run.machine, **machine), **LATER)


def rows(text: str) -> list[list[str]]:
    """Cells of the tables' lines."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [re.split(r"(?<!\\) \| ", line) for line in lines]


def test_the_committed_readme_is_what_the_committed_runs_say() -> None:
    files = find_runs([RESULTS])
    try:
        files = tracked_by_git(RESULTS, files)
    except FindError:
        pytest.skip("this is no checkout, so nothing says which runs are committed")
    kept, left_out = shelved(files, RESULTS)
    assert left_out == []
    assert readme(kept).decode() == (RESULTS / README).read_text(), (
        "render it again: freezebench collection --tracked"
    )


@pytest.mark.parametrize(
    "path", re.findall(r"\]\(((?!http)[^)#]+)\)", (RESULTS / README).read_text())
)
def test_everything_the_committed_readme_points_to_is_there(path: str) -> None:
    assert (RESULTS / path).exists()


def test_a_row_tells_how_many_runs_there_are_and_leads_to_the_latest() -> None:
    text = rendered(committed("full"), replace(committed("full"), **LATER))
    row = next(row for row in rows(text) if row[1] == "2.15.0+cu132")
    assert row[3:] == ["2", f"[2026-11-24](machine/{LATER['id']}/table.md)"]


def test_a_strategy_shows_its_ratio_with_its_interval_and_its_verdict() -> None:
    assert ["`no_grad`", "0.63 ±0.01 ✓"] in rows(rendered(committed("full", "no_grad")))


def test_the_reference_is_1() -> None:
    assert ["`full`", "1 ="] in rows(rendered(committed("no_grad", "full")))


def test_another_torch_is_a_column_of_the_same_table() -> None:
    run = committed("full", "no_grad")
    (group,) = groups([Kept("a", run), Kept("b", on(run, torch="2.9.0"))])
    assert [column.label for column in group.columns] == [
        "Intel Xeon Processor 2 cores, torch 2.15.0+cu132",
        "Intel Xeon Processor 2 cores, torch 2.9.0",
    ]


def test_columns_of_one_machine_and_torch_tell_what_else_differs() -> None:
    run = committed("full")
    gpus = [on(run, gpu=Gpu(power_limit_watts=watts)) for watts in (300.0, 700.0)]
    (group,) = groups([Kept(str(place), one) for place, one in enumerate((run, *gpus))])
    endings = {column.label.split(", ", 2)[2] for column in group.columns}
    assert endings == {"gpu not recorded", "power_limit_watts 300.0", "power_limit_watts 700.0"}


def test_a_later_run_of_the_same_machine_takes_the_column() -> None:
    run = committed("full")
    (group,) = groups([Kept("later", replace(run, **LATER)), Kept("earlier", run)])
    assert [column.kept.place for column in group.columns] == ["later"]


@pytest.mark.parametrize(
    "changes",
    [
        {"batch": 8},
        {"dtype": "bfloat16"},
        {"optimizer": "sgd"},
        {"threads": 1},
        {"fingerprint": "f"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_work_has_another_table(changes: dict[str, Any]) -> None:
    run = committed("full")
    other = replace(run, cells=[replace(run.cells[0], **changes)], **LATER)
    assert len(groups([Kept("a", run), Kept("b", other)])) == 2


@pytest.mark.parametrize("setting", ["compile", "channels_last"])
def test_other_requests_have_another_table_that_says_so(setting: str) -> None:
    run = committed("full")
    other = replace(run, request=replace(run.request, **{setting: True}), **LATER)
    assert len(groups([Kept("a", run), Kept("b", other)])) == 2
    assert setting.replace("_", "-") in rendered(other)


def test_threads_of_the_host_are_no_work_of_an_accelerator() -> None:
    run = committed("full")
    sides = [
        replace(run, cells=[replace(run.cells[0], device="cuda", threads=threads)])
        for threads in (1, 2)
    ]
    assert len(groups([Kept(str(place), side) for place, side in enumerate(sides)])) == 1


def test_a_strategy_that_a_machine_lacks_is_absent_there() -> None:
    one, other = committed("full", "no_grad"), on(committed("full"), torch="2.9.0")
    assert ["`no_grad`", "0.63 ±0.01 ✓", "–"] in rows(rendered(one, other))


def test_the_order_of_the_runs_leaves_no_trace() -> None:
    runs = [
        committed("full"),
        on(committed("full"), torch="2.9.0"),
        on(committed("full"), name="A"),
    ]
    assert rendered(*runs) == rendered(*reversed(runs))


def test_an_empty_collection_says_so() -> None:
    assert "No run yet." in rendered()


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(max_size=40))
def test_names_add_no_markup_and_no_row(machine: str, workload: str) -> None:
    run = committed("full")
    named = on(replace(run, cells=[replace(run.cells[0], workload=workload)]), name=machine)
    text, usual = rendered(named), rendered(run)
    assert len(text.splitlines()) == len(usual.splitlines())
    assert [len(row) for row in rows(text)] == [len(row) for row in rows(usual)]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "[x](http://y)", "a|b", "**bold**"])
def test_a_hostile_name_is_text(name: str) -> None:
    text = rendered(on(committed("full"), name=name))
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
    assert '"bench.collection" = ["*.jinja"]' in declared
