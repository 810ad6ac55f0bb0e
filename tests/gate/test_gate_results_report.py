"""What is said beside the answer: why there is none, what else differs, and what would help."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from results_runs import gated, make_run, past, slower, with_cells
from rich.console import Console

from bench.gate.stored.gate import Comparison, compare
from bench.records import Counters, Memory, Origin, Samples
from bench.report.gate.results import markdown, show

if TYPE_CHECKING:
    from collections.abc import Callable


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
