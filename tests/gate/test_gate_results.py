"""Two stored runs: what may be said of them, and what may not."""

from __future__ import annotations

import math
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from bench import store
from bench.cli import main
from bench.gate.stored.comparable import ResultsError
from bench.gate.stored.gate import GATED, Comparison, Margins, Row, compare
from bench.multiplicity import holm
from bench.records import (
    PHASES,
    SCHEMA,
    Cell,
    Counters,
    Machine,
    Memory,
    Origin,
    Project,
    Request,
    Run,
    Samples,
)
from bench.report.gate.results import markdown, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

RATIOS = {"full": 1.0, "no_grad": 0.5, "detach": 0.6}
BETWEEN, WITHIN = 0.02, 0.01


def make_run(
    name: str,
    ratios: Mapping[str, float] = RATIOS,
    *,
    seed: int = 0,
    between: float = BETWEEN,
    within: float = WITHIN,
    lives: int = 4,
    rounds: int = 2,
    **more: Any,
) -> Run:
    """A run whose log ratios scatter by `between` from run to run and `within` from life to life.

    In a round full takes 6 ms, times that round's own mood, which the ratio cancels.
    """
    draw = np.random.default_rng([seed, *name.encode()])
    turns = [(life, number) for life in range(1, lives + 1) for number in range(rounds)]
    moods = draw.lognormal(0, 0.3, len(turns)).tolist()
    cells = []
    for strategy, ratio in ratios.items():
        luck = float(draw.normal(0, between)) if strategy != "full" else 0.0
        of_life = draw.normal(0, within, lives).tolist()
        phases = []
        for _ in range(4):
            logs = [luck + of_life[life - 1] + float(draw.normal(0, 0.002)) for life, _ in turns]
            phases.append(
                [
                    0.006 * mood * ratio * math.exp(log)
                    for mood, log in zip(moods, logs, strict=True)
                ]
            )
        cells.append(
            Cell(
                workload="policy",
                strategy=strategy,
                topology="front",
                device="cpu",
                dtype="float32",
                batch=64,
                threads=1,
                optimizer="adam",
                verdict="reference" if strategy == "full" else "ok",
                why="",
                samples=Samples(*phases),
                origin=Origin(
                    [life for life, _ in turns], [number for _, number in turns], [0] * len(turns)
                ),
                memory=Memory(peak_bytes=1000),
                counters=Counters(200, 400, {"forward": 3}, 7),
                fingerprint="f00d",
            )
        )
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "id": name,
        "started": "2026-01-02T03:04:05+00:00",
        "state": "done",
        "stopped_by": "precision",
        "surveyed_seconds": 1.0,
        "timed_seconds": 2.0,
        "request": Request(
            workloads=("policy",),
            strategies=(),
            device="cpu",
            dtype="float32",
            batch=None,
            threads=None,
            optimizer="adam",
            seed=0,
            steps=5,
            precision=0.05,
            budget=60.0,
            cell_timeout=60.0,
            freeze=(),
            weights=None,
            compile=False,
            channels_last=False,
        ),
        "machine": Machine(
            "A Server 2 cores",
            "A CPU",
            2,
            2**33,
            "Linux 6.1 x86_64",
            "3.11.9",
            "2.9",
            "0.24",
            "mkl",
        ),
        "project": Project("0.1.0", "b8baa1712345", False),
        "cells": cells,
    }
    return Run(**{**fields, **more})


@cache
def past(count: int = 8, between: float = BETWEEN) -> tuple[Run, ...]:
    return tuple(make_run(f"past{number}", between=between) for number in range(count))


def with_cells(run: Run, **changes: Any) -> Run:
    return replace(run, cells=[replace(cell, **changes) for cell in run.cells])


def gated(comparison: Comparison) -> list[Row]:
    return [row for row in comparison.rows if row.phase in GATED]


def slower(factor: float) -> dict[str, float]:
    return {**RATIOS, "no_grad": RATIOS["no_grad"] * factor}


# --- what it answers -----------------------------------------------------------------------------


def test_a_large_slowdown_beyond_the_noise_between_runs_fails() -> None:
    found = compare(make_run("base"), make_run("head", slower(1.5)), past())
    answers = {(row.strategy, row.phase): row.answer for row in gated(found)}
    assert answers["no_grad", "total"] == answers["no_grad", "backward"] == "FAIL"
    assert "FAIL" not in (answers["detach", "total"], answers["detach", "backward"])
    assert found.answer == "FAIL"


def test_equal_runs_with_little_noise_between_them_pass() -> None:
    quiet = {"between": 0.001, "within": 0.001}
    history = [make_run(f"past{number}", **quiet) for number in range(8)]
    found = compare(make_run("base", **quiet), make_run("head", **quiet), history)
    assert {row.answer for row in gated(found)} == {"PASS"}
    assert found.answer == "PASS"


def test_a_change_that_the_noise_could_hide_is_no_pass_and_no_fail() -> None:
    found = compare(make_run("base"), make_run("head", slower(1.04)), past(), Margins(0.04, 0.04))
    row = next(row for row in gated(found) if row.strategy == "no_grad")
    assert row.answer == "CAN'T TELL"
    assert row.why == "the bounds lie on both sides of the margin"
    assert row.low < 1.04 < row.high
    assert row.detectable > 1.04


def test_a_head_that_is_faster_passes() -> None:
    found = compare(make_run("base"), make_run("head", slower(0.5)), past())
    assert {row.answer for row in gated(found) if row.strategy == "no_grad"} == {"PASS"}


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_without_three_runs_of_history_there_is_no_answer_however_large_the_change(
    runs: int,
) -> None:
    found = compare(make_run("base"), make_run("head", slower(9.0)), past()[:runs])
    assert {row.answer for row in gated(found)} == {"CAN'T TELL"}
    assert all("noise between runs is unknown" in row.why for row in gated(found))
    assert all(row.change is not None and row.low is None for row in gated(found))
    assert compare(make_run("base"), make_run("head", slower(9.0)), past()[:3]).answer == "FAIL"


def test_forward_and_update_are_shown_and_never_answered() -> None:
    found = compare(make_run("base"), make_run("head", slower(5.0)), past())
    shown = [row for row in found.rows if row.phase not in GATED]
    assert {row.phase for row in shown} == {"forward", "update"}
    assert all(row.answer is None and row.low is not None for row in shown)


def test_full_itself_has_no_row() -> None:
    found = compare(make_run("base"), make_run("head"), past())
    assert {row.strategy for row in found.rows} == {"no_grad", "detach"}


def test_a_machine_that_is_slower_as_a_whole_changes_nothing() -> None:
    head = make_run("head")
    slow = replace(
        head,
        cells=[
            replace(
                cell,
                samples=Samples(
                    *([3 * seconds for seconds in getattr(cell.samples, name)] for name in PHASES)
                ),
            )
            for cell in head.cells
        ],
    )
    mine, other = (compare(make_run("base"), run, past()) for run in (head, slow))
    for row, same in zip(mine.rows, other.rows, strict=True):
        assert row.change == pytest.approx(same.change)
        assert row.answer == same.answer


def test_more_noise_between_runs_widens_the_bounds_and_what_could_be_seen() -> None:
    base, head = make_run("base"), make_run("head")
    calm, wild = (compare(base, head, past(between=noise)) for noise in (0.005, 0.08))
    for row, wider in zip(gated(calm), gated(wild), strict=True):
        assert wider.low < row.low < row.high < wider.high
        assert row.detectable < wider.detectable


def test_the_error_is_that_of_both_runs_and_twice_the_variance_between_runs() -> None:
    base, head = make_run("base"), make_run("head")
    history = past(5)
    row = next(
        r for r in compare(base, head, history).rows if (r.strategy, r.phase) == ("detach", "total")
    )
    logs = []
    for run in history:
        full, cell = (
            next(c for c in run.cells if c.strategy == name) for name in ("full", "detach")
        )
        each = np.log(np.array(cell.samples.total) / np.array(full.samples.total))
        logs.append(each.mean())
    assert row.between == pytest.approx(np.std(logs, ddof=1))
    assert row.error == pytest.approx(math.sqrt(row.within**2 + 2 * row.between**2))
    assert row.degrees <= len(history) - 1


# --- false alarms --------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [3, 6])
def test_runs_that_differ_by_the_noise_between_runs_alone_hardly_ever_fail(runs: int) -> None:
    failed = 0
    for trial in range(300):
        base, head, *history = (
            make_run(str(number), seed=trial + 1, lives=3, rounds=1) for number in range(runs + 2)
        )
        failed += compare(base, head, history, Margins(0.0, 0.0)).answer == "FAIL"
    # Designed for 1% at the margin itself; with 0 margin equal runs lie just there.
    assert failed <= 8


def test_a_slowdown_of_the_detectable_size_is_mostly_found() -> None:
    found = 0
    for trial in range(40):
        quiet = {"seed": trial + 1, "between": 0.004, "within": 0.004, "lives": 3, "rounds": 1}
        base, *history = (make_run(str(number), **quiet) for number in range(9))
        size = max(row.detectable for row in gated(compare(base, history[0], history[1:])))
        head = make_run("head", slower(size), **quiet)
        found += compare(base, head, history).answer == "FAIL"
    assert found >= 30


# --- history -------------------------------------------------------------------------------------


def test_base_and_head_themselves_are_no_history() -> None:
    base, head = make_run("base"), make_run("head")
    assert compare(base, head, [base, head, *past(3)]).history == [run.id for run in past(3)]


def test_a_run_that_is_named_twice_counts_once() -> None:
    found = compare(make_run("base"), make_run("head"), [*past(2), *past(2)])
    assert {row.runs for row in found.rows} == {2}


@pytest.mark.parametrize(
    "make_unlike",
    [
        lambda run: replace(run, machine=replace(run.machine, torch="2.10")),
        lambda run: replace(run, request=replace(run.request, compile=True)),
        lambda run: with_cells(run, batch=32),
        lambda run: with_cells(run, threads=2),
        lambda run: with_cells(run, fingerprint="beef"),
        lambda run: with_cells(run, samples=Samples([], [], [], []), origin=Origin([], [], [])),
        lambda run: replace(run, cells=run.cells[:1]),
        lambda run: replace(run, cells=run.cells[1:]),
    ],
    ids=["machine", "compile", "batch", "threads", "files", "no samples", "no cell", "no full"],
)
def test_a_run_of_other_work_or_another_machine_is_no_history(
    make_unlike: Callable[[Run], Run],
) -> None:
    unlike = make_unlike(past()[3])
    found = compare(make_run("base"), make_run("head"), [*past(2), unlike])
    assert {row.runs for row in found.rows} == {2}
    assert found.answer == "CAN'T TELL"


# --- what cannot be compared ---------------------------------------------------------------------


def refused(base: Run, head: Run) -> str:
    with pytest.raises(ResultsError) as error:
        compare(base, head, past())
    return str(error.value)


def test_different_machines_are_refused_with_the_fields_that_differ() -> None:
    head = make_run("head")
    head = replace(head, machine=replace(head.machine, torch="2.10", cores=4))
    said = refused(make_run("base"), head)
    assert "different machines" in said
    assert "torch (2.9 and 2.10)" in said
    assert "cores (2 and 4)" in said
    assert "python" not in said


@pytest.mark.parametrize(
    ("field", "other", "told"),
    [
        ("dtype", "bfloat16", "dtype (float32 and bfloat16)"),
        ("batch", 32, "batch (64 and 32)"),
        ("optimizer", "sgd", "optimizer (adam and sgd)"),
        ("threads", 2, "threads (1 and 2)"),
        ("device", "cuda", "device (cpu and cuda)"),
    ],
)
def test_cells_of_other_work_are_refused_with_what_differs(
    field: str, other: Any, told: str
) -> None:
    said = refused(make_run("base"), with_cells(make_run("head"), **{field: other}))
    assert f"did different work: {told} of policy × full" in said


def test_a_request_that_compiled_is_not_compared_with_one_that_did_not() -> None:
    head = make_run("head")
    head = replace(head, request=replace(head.request, compile=True))
    assert "compile (False and True)" in refused(make_run("base"), head)


def test_runs_without_a_cell_in_common_are_refused_with_what_each_has() -> None:
    base = make_run("base", {"full": 1.0, "no_grad": 0.5})
    head = make_run("head", {"full": 1.0, "detach": 0.5})
    said = refused(base, head)
    assert "no cell in common" in said
    assert "policy × no_grad" in said
    assert "policy × detach" in said


@pytest.mark.parametrize("label", ["BASE", "HEAD"])
def test_an_interrupted_run_without_samples_is_refused_by_name(label: str) -> None:
    empty = with_cells(
        make_run("cut", state="interrupted"),
        samples=Samples([], [], [], []),
        origin=Origin([], [], []),
    )
    pair = (empty, make_run("head")) if label == "BASE" else (make_run("base"), empty)
    said = refused(*pair)
    assert said.startswith(f"{label} (cut, interrupted) holds no samples")
    assert "--resume" in said


def test_a_run_without_full_is_refused_by_name() -> None:
    head = make_run("head")
    said = refused(make_run("base"), replace(head, cells=head.cells[1:]))
    assert said.startswith("HEAD (head) has no strategy timed beside `full`")


def test_a_run_is_not_compared_with_itself() -> None:
    assert "are the same run" in refused(make_run("base"), make_run("base"))


def test_samples_that_are_not_parallel_are_refused() -> None:
    head = make_run("head")
    broken = replace(head.cells[1], origin=Origin([1], [0], [0]))
    said = refused(make_run("base"), replace(head, cells=[head.cells[0], broken]))
    assert "policy × no_grad in run head differ in length" in said


# --- what it says beside -------------------------------------------------------------------------


def test_a_cell_that_lost_its_times_has_no_answer_and_says_why() -> None:
    head = make_run("head")
    failed = replace(
        head.cells[1],
        verdict="failed",
        why="RuntimeError: no",
        samples=Samples([], [], [], []),
        origin=Origin([], [], []),
    )
    found = compare(
        make_run("base"), replace(head, cells=[head.cells[0], failed, head.cells[2]]), past()
    )
    rows = [row for row in gated(found) if row.strategy == "no_grad"]
    assert {row.answer for row in rows} == {"CAN'T TELL"}
    assert "HEAD has no ratio of it to `full`: failed, RuntimeError: no" in rows[0].why
    assert "policy × no_grad is ok in BASE and failed in HEAD" in found.notes


def test_a_run_of_one_life_has_no_error_and_no_answer() -> None:
    found = compare(make_run("base"), make_run("head", lives=1), past())
    assert {row.why for row in gated(found)} == {
        "HEAD has one life alone, so its own noise is unknown"
    }


def test_exact_counts_that_differ_are_noted_and_decide_nothing() -> None:
    head = with_cells(
        make_run("head"),
        memory=Memory(peak_bytes=2000),
        counters=Counters(200, 500, {"forward": 4}, 7),
    )
    found, plain = (compare(make_run("base"), run, past()) for run in (head, make_run("head")))
    assert plain.notes == []
    for note in (
        "peak_bytes differs: policy × full was 1000 and is 2000, and 2 more",
        "backward_flops differs: policy × full was 400 and is 500, and 2 more",
        "operators differs: policy × full was forward 3 and is forward 4, and 2 more",
    ):
        assert any(told.startswith(note) for told in found.notes)
    assert [row.answer for row in found.rows] == [row.answer for row in plain.rows]


def test_an_interrupted_run_with_samples_is_compared_and_noted() -> None:
    found = compare(make_run("base"), make_run("head", state="interrupted"), past())
    assert any(note.startswith("HEAD is interrupted") for note in found.notes)
    assert all(row.low is not None for row in found.rows)


def test_what_only_one_run_has_is_noted() -> None:
    found = compare(make_run("base", {"full": 1.0, "no_grad": 0.5}), make_run("head"), past())
    assert "only in HEAD: policy × detach" in found.notes


def shown(comparison: Comparison, width: int = 120) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    show(comparison, console)
    return console.export_text()


@pytest.mark.parametrize("form", [shown, lambda found: markdown(found).decode()])
def test_a_report_has_the_answer_every_row_and_what_could_be_seen(
    form: Callable[[Comparison], str],
) -> None:
    found = compare(make_run("base"), make_run("head", slower(1.5)), past())
    text = form(found)
    assert "FAIL" in text
    assert "history of 8 runs" in text
    for row in found.rows:
        assert f"{row.change:.3f}" in text
        assert f"{row.detectable:.2f}×" in text


@pytest.mark.parametrize("form", [shown, lambda found: markdown(found).decode()])
def test_a_report_without_an_answer_says_what_would_help(
    form: Callable[[Comparison], str],
) -> None:
    few = form(compare(make_run("base"), make_run("head"), past(1)))
    assert "2 more times" in few
    assert "--history" in few
    noisy = form(compare(make_run("base"), make_run("head"), past(between=0.1)))
    assert "between runs" in noisy
    within = {"within": 0.2}
    history = [make_run(f"past{number}", between=0.0, within=0.01) for number in range(4)]
    text = form(compare(make_run("base", **within), make_run("head", **within), history))
    assert "within" in text
    assert "--budget" in text


# --- the command ---------------------------------------------------------------------------------


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


# --- Holm ----------------------------------------------------------------------------------------

p_values = st.lists(st.floats(0, 1), max_size=12)


def test_holm_s_adjustment_is_the_one_worked_out_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(p_values)
def test_holm_rejects_what_the_step_down_procedure_rejects(values: list[float]) -> None:
    level, rejected = 0.05, set()
    order = sorted(range(len(values)), key=values.__getitem__)
    for rank, place in enumerate(order):
        if (len(values) - rank) * values[place] > level:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(values)) if p <= level} == rejected


@settings(max_examples=50)
@given(p_values, st.randoms())
def test_holm_does_not_depend_on_the_order(values: list[float], random: Any) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    adjusted = holm(values)
    assert holm([values[place] for place in order]) == [adjusted[place] for place in order]
    assert all(value <= result <= 1 for value, result in zip(values, adjusted, strict=True))
