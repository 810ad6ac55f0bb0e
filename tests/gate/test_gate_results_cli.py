"""`freezebench gate results`: where it finds the runs, what it prints, and how it exits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from results_runs import make_run, past, slower

from bench import store
from bench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.records import Run


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with base, head and a history of four."""
    quiet = {"between": 0.002, "within": 0.002}
    runs = [make_run("base", **quiet), make_run("head", **quiet)]
    runs += [make_run(f"past{number}", **quiet) for number in range(4)]
    for run in runs:
        put(tmp_path / "machine", run)
    return tmp_path / "machine"


def put(folder: Path, run: Run) -> Path:
    (folder / run.id).mkdir(parents=True, exist_ok=True)
    store.RunFolder(folder / run.id).save(run)
    return folder / run.id


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(main, ["gate", "results", *map(str, arguments)])


def test_the_history_is_found_beside_base(results: Path) -> None:
    told = invoke(results / "base", results / "head")
    assert (told.exit_code, told.stderr) == (0, "")
    assert "PASS: head against base" in told.stdout
    assert "history of 4 runs" in told.stdout


def test_a_history_that_is_given_takes_the_place_of_the_one_that_is_found(
    results: Path, tmp_path: Path
) -> None:
    one = invoke(results / "base", results / "head", "--history", results / "past0")
    assert one.exit_code == 4
    assert "history of 1 run)" in one.stdout
    for run in past(5):
        put(tmp_path / "elsewhere", run)
    folder = invoke(results / "base", results / "head", "--history", tmp_path / "elsewhere")
    assert "history of 5 runs" in folder.stdout


def test_a_slowdown_exits_with_1(results: Path) -> None:
    put(results, make_run("worse", slower(1.5), between=0.002, within=0.002))
    told = invoke(results / "base", results / "worse" / "run.json")
    assert told.exit_code == 1
    assert "FAIL: worse against base" in told.stdout


def test_a_wider_margin_lets_a_slowdown_pass(results: Path) -> None:
    put(results, make_run("worse", slower(1.2), between=0.002, within=0.002))
    options = ("--margin", "40%", "--phase-margin", "0.4")
    assert invoke(results / "base", results / "worse").exit_code == 1
    assert invoke(results / "base", results / "worse", *options).exit_code == 0


def test_can_t_tell_exits_with_4_and_with_1_where_that_is_strict(tmp_path: Path) -> None:
    base, head = (put(tmp_path, make_run(name)) for name in ("base", "head"))
    lenient, strict = invoke(base, head), invoke(base, head, "--strict")
    assert (lenient.exit_code, strict.exit_code) == (4, 1)
    assert "noise between runs is unknown" in lenient.stdout


def test_markdown_is_written_beside_the_table(results: Path, tmp_path: Path) -> None:
    told = invoke(results / "base", results / "head", "--markdown", tmp_path / "gate.md")
    assert told.exit_code == 0
    assert (tmp_path / "gate.md").read_text().startswith("## PASS: head against base")


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda file: os.truncate(file, 300), "is truncated or no JSON"),
        (lambda file: file.write_text('{"schema": 99}'), "has schema 99, and this freezebench"),
        (lambda file: file.unlink(), "no such file or directory"),
    ],
    ids=["truncated", "newer schema", "missing"],
)
@pytest.mark.parametrize("name", ["base", "head"])
def test_a_run_that_cannot_be_read_is_refused_in_a_sentence(
    results: Path, name: str, break_it: Callable[[Path], Any], said: str
) -> None:
    break_it(results / name / "run.json")
    told = invoke(results / "base", results / "head")
    assert told.exit_code == 2
    assert said in told.stderr
    assert "Traceback" not in told.output


def test_different_machines_exit_with_2(results: Path) -> None:
    other = make_run("other")
    put(results, replace(other, machine=replace(other.machine, cpu="Another CPU")))
    told = invoke(results / "base", results / "other")
    assert told.exit_code == 2
    assert "cpu (A CPU and Another CPU)" in told.stderr


def test_a_broken_run_in_the_history_that_was_found_is_told_and_left_out(results: Path) -> None:
    os.truncate(results / "past0" / "run.json", 100)
    told = invoke(results / "base", results / "head")
    assert "left out of the history" in told.stderr
    assert "history of 3 runs" in told.stdout


def test_a_broken_run_in_the_history_that_was_named_is_refused(results: Path) -> None:
    os.truncate(results / "past0" / "run.json", 100)
    told = invoke(results / "base", results / "head", "--history", results / "past0")
    assert told.exit_code == 2


def test_a_history_without_a_run_is_refused(results: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    told = invoke(results / "base", results / "head", "--history", tmp_path / "empty")
    assert told.exit_code == 2
    assert "there is no run in" in told.stderr


@pytest.mark.parametrize("margin", ["-1%", "100%", "nan", "much"])
def test_a_margin_that_is_none_is_refused(results: Path, margin: str) -> None:
    told = invoke(results / "base", results / "head", f"--margin={margin}")
    assert told.exit_code == 2
    assert "is no margin" in told.stderr
