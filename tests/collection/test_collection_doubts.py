"""An edited figure is told where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collection_runs import run, stored
from msgspec.structs import replace
from travel_stage import committed, keep

from bench.collection import doubts as module
from bench.collection.asked import Asked
from bench.collection.comparison import compare
from bench.collection.doubts import MOST_RUNS, doubts
from bench.collection.gathering import gather
from bench.collection.integrity import Objections, objections

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from bench.records import Run


def told(folder: Path) -> list[str]:
    gathered = gather([folder])
    return list(doubts(gathered.entries, [compare(gathered, Asked())]).values())


def edited() -> Run:
    whole = committed("full", "no_grad")
    cell = next(cell for cell in whole.cells if cell.strategy == "no_grad")
    total = cell.summary.phases["total"]
    faster = replace(total, ratio=replace(total.ratio, value=0.01, low=0.009, high=0.011))
    summary = replace(cell.summary, phases={**cell.summary.phases, "total": faster})
    others = [each for each in whole.cells if each is not cell]
    return replace(whole, cells=[*others, replace(cell, summary=summary)])


def test_a_run_as_it_was_measured_raises_no_doubt(tmp_path: Path) -> None:
    keep(tmp_path, committed("full", "no_grad"))
    assert told(tmp_path) == []


def test_a_ratio_that_does_not_follow_from_the_samples_is_told(tmp_path: Path) -> None:
    keep(tmp_path, edited())
    (sentence,) = told(tmp_path)
    assert "disagrees with itself" in sentence


def test_an_interrupted_run_is_asked_for_its_figures_all_the_same(tmp_path: Path) -> None:
    keep(tmp_path, edited(), state="interrupted")
    (sentence,) = told(tmp_path)
    assert "not done" not in sentence


def test_a_run_in_several_comparisons_is_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, edited())
    gathered = gather([tmp_path])
    asked: list[str] = []

    def counted(run: Run) -> Objections:
        asked.append(run.id)
        return objections(run)

    monkeypatch.setattr(module, "objections", counted)
    doubts(gathered.entries, [compare(gathered, Asked())] * 3)
    assert len(asked) == 1


def test_a_run_that_was_made_up_is_not_asked(tmp_path: Path) -> None:
    keep(tmp_path, edited(), synthetic=True)
    assert told(tmp_path) == []


def test_of_many_runs_none_is_computed_again(tmp_path: Path) -> None:
    for place in range(MOST_RUNS + 1):
        machine = replace(edited().machine, cpu=f"processor {place}")
        keep(tmp_path, edited(), id=f"20261124-10111{place}-0a1b", machine=machine)
    assert told(tmp_path) == []


def test_a_run_that_has_vanished_since_is_no_doubt(tmp_path: Path) -> None:
    keep(tmp_path, edited())
    gathered = gather([tmp_path])
    comparison = compare(gathered, Asked())
    gathered.entries[0].file.unlink()
    assert doubts(gathered.entries, [comparison]) == {}


def test_made_up_runs_alone_are_fine(tmp_path: Path) -> None:
    stored(tmp_path, run())
    assert told(tmp_path) == []
