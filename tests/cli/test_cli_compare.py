"""`freezebench compare` from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from requested import requested

from bench.cli import main
from bench.records import Cell, Interval, Machine, Memory, Phase, Project, Run, Summary

ROOT = Path(__file__).parents[2]


def made_up(id: str, dtype: str = "float32") -> Run:
    """A run of two cells."""

    def phase(ratio: float | None) -> Phase:
        seconds = Interval(0.01 * (ratio or 1), None, None)
        return Phase(seconds, None if ratio is None else Interval(ratio, ratio / 1.1, ratio * 1.1))

    cells = [
        Cell(
            workload="policy", strategy=name, topology="front", device="cpu", dtype=dtype, batch=64,
            threads=1, optimizer="adam", verdict="reference" if ratio is None else "ok", why="",
            summary=Summary(5, 5, {"total": phase(ratio), "backward": phase(ratio)}, {}),
            memory=Memory(peak_bytes=2**20), fingerprint="f00d",
        )
        for name, ratio in (("full", None), ("no_grad", 0.5))
    ]  # fmt: skip
    request = requested(workloads=(), dtype=dtype, budget=90.0, cell_timeout=300.0)
    machine = Machine(
        name="a server", cpu="AMD EPYC", cores=2, memory_bytes=2**33, os="Linux", python="3.12",
        torch="2.14.1", torchvision="0.29", blas="MKL",
    )  # fmt: skip
    return Run(
        schema=2, id=id, started=id, state="done", stopped_by="budget", surveyed_seconds=1.0,
        timed_seconds=1.0, request=request, machine=machine,
        project=Project("0.1.0", "c0ffee", False), cells=cells, synthetic=True,
    )  # fmt: skip


@pytest.fixture(name="results")
def results_fixture(tmp_path):
    results = tmp_path / "results"
    for run in (made_up("r0"), made_up("r1", "bfloat16")):
        folder = results / "m" / run.id
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(msgspec.json.encode(run))
    return results


def compare(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_runs_are_compared_by_an_axis(results):
    done = compare(results, "--by", "dtype")
    assert done.exit_code == 0
    assert "float32" in done.output
    assert "bfloat16" in done.output


def test_runs_may_be_named_one_by_one(results):
    done = compare(results / "m" / "r0", results / "m" / "r1" / "run.json", "--by", "dtype")
    assert done.exit_code == 0


def test_runs_that_may_not_lie_side_by_side_are_a_wrong_request(results):
    done = compare(results)
    assert done.exit_code == 2
    assert done.stderr.startswith("freezebench: these runs may not lie side by side: dtype")
    assert done.stdout == ""


def test_what_is_allowed_becomes_part_of_a_label(results):
    done = compare(results, "--allow", "dtype")
    assert done.exit_code == 0
    assert "· bfloat16" in done.output


def test_only_keeps_what_it_names(results):
    done = compare(results, "--only", "dtype=float32")
    assert done.exit_code == 0
    assert "nothing to compare with" in " ".join(done.output.split())


WRONG = {
    "an axis": (["--by", "dtyp"], "did you mean 'dtype'"),
    "a setting that may differ": (["--allow", "dtyp"], "did you mean 'dtype'"),
    "a setting to keep": (["--only", "workloud=policy"], "did you mean 'workload'"),
    "a value to keep": (["--only", "dtype=float23"], "did you mean 'float32'"),
    "a workload to keep": (["--only", "workload=polcy"], "did you mean 'policy'"),
    "a strategy to keep": (
        ["--only", "dtype=float32", "--only", "strategy=nograd"], "did you mean 'no_grad'",
    ),
    "a value without a setting": (["--only", "float32"], "write SETTING=VALUE"),
    "a kind of picture": (["--plot", "x.gif"], ".png or .svg"),
    "a folder to write to": (["--csv", "/nowhere/at/all.csv"], "there is no folder"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_there_is_not_is_refused_in_a_sentence(results, what):
    arguments, told = WRONG[what]
    done = compare(results, *arguments)
    assert done.exit_code == 2
    assert told in done.stderr
    assert "Traceback" not in done.output


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(results):
    compare(results, "--by", "dtype", "--csv", "/nowhere/at/all.csv")
    assert not list(results.glob(".index*"))


def test_every_form_is_written(results, tmp_path):
    files = {form: tmp_path / f"it.{form}" for form in ("markdown", "csv", "json")}
    options = [text for form, file in files.items() for text in (f"--{form}", file)]
    plot = tmp_path / "it.svg"
    done = compare(results, "--by", "dtype", *options, "--plot", plot)
    assert done.exit_code == 0
    assert files["markdown"].read_text().startswith("# Runs side by side")
    assert files["csv"].read_text().startswith("workload,strategy,column")
    assert json.loads(files["json"].read_text())["axis"] == "dtype"
    assert "<svg" in plot.read_text()


def test_a_comparison_imports_no_torch(results):
    code = (
        "import sys\nfrom bench.cli import main\n"
        "main(['compare', sys.argv[1], '--by', 'dtype'], standalone_mode=False)\n"
        "print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, results], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False False"


def test_every_comparison_is_shown_that_the_runs_allow(results):
    done = compare(results, "--every")
    assert (done.exit_code, "=== by dtype ===" in done.output) == (0, True)
    assert "bfloat16" in done.output


def test_without_a_pair_of_runs_it_says_so(results):
    done = compare(results / "m" / "r0", "--every")
    assert (done.exit_code, "No two of these runs differ in one setting" in done.output) == (
        0,
        True,
    )


@pytest.mark.parametrize(
    "option", [["--by", "dtype"], ["--only", "dtype=float32"], ["--csv", "file.csv"]]
)
def test_every_is_not_one_comparison(results, option):
    done = compare(results, "--every", *option)
    assert (done.exit_code, option[0] in done.output) == (2, True)


@pytest.mark.parametrize("name", ["run.json", "table.md"])
def test_no_output_takes_the_place_of_what_was_measured(results, name):
    file = results / "m" / "r0" / name
    file.touch()
    before = file.read_bytes()
    refused = compare(results, "--by", "dtype", "--markdown", file)
    assert (refused.exit_code, "nothing may take its place" in refused.output) == (2, True)
    assert file.read_bytes() == before


def test_a_refusal_names_all_that_differs_and_what_can_be_seen_all_the_same(results):
    refused = compare(results)
    assert "--allow dtype" in refused.output
    assert "--every" in refused.output
