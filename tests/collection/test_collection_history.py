"""A history holds the same work on the same machine, and says what differs where it changed."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from travel_stage import COMMITTED, committed, keep

from bench.cli import main
from bench.collection.history import History, HistoryError, history
from bench.records import Cell, Gpu, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.records import Run

replace = msgspec.structs.replace
FIRST_DAY = datetime(2026, 1, 1, 12, tzinfo=UTC)


def with_ratio(cell: Cell, value: float) -> Cell:
    assert cell.summary is not None
    if cell.strategy == "full":
        return cell
    ratio = Interval(value, value * 0.99, value * 1.01)
    phases = {name: replace(phase, ratio=ratio) for name, phase in cell.summary.phases.items()}
    return replace(cell, summary=replace(cell.summary, phases=phases))


def day(number: int, ratio: float = 0.6, **changes: Any) -> Run:
    """A made-up run of one strategy on a day; `machine` and `project` change parts of these."""
    run = committed("full", "no_grad")
    began = FIRST_DAY + timedelta(days=number)
    for part in ("machine", "project", "request"):
        changes[part] = replace(getattr(run, part), **changes.get(part, {}))
    fields = {
        "id": f"{began:%Y%m%d-%H%M%S}-{number:04x}",
        "started": began.isoformat(),
        "synthetic": True,
        "cells": [with_ratio(cell, ratio) for cell in run.cells],
    }
    return replace(run, **{**fields, **changes})


def days(count: int, change_at: int, factor: float, **after: Any) -> list[Run]:
    """Runs with noise of 1%, slower by a factor from one of them on."""
    draw = np.random.default_rng(0)
    return [
        day(n, 0.6 * float(draw.lognormal(0, 0.01)) * (factor if n >= change_at else 1.0),
            **(after if n >= change_at else {}))
        for n in range(count)
    ]  # fmt: skip


def only(found: History) -> Any:
    (series,) = found.series
    return series


def test_runs_are_in_order_of_time() -> None:
    series = only(history([day(2), day(0), day(1)], "total"))
    assert [point.started[:10] for point in series.points] == [
        "2026-01-01",
        "2026-01-02",
        "2026-01-03",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": {"torch": "2.9.0"}},
        {"machine": {"driver": "575.1"}},
        {"machine": {"python": "3.12.1"}},
        {"machine": {"memory_bytes": 1}},
        {"machine": {"gpu": Gpu(power_limit_watts=300.0)}},
        {"project": {"commit": "0" * 40}},
        {"project": {"version": "0.2.0"}},
    ],
    ids=str,
)
def test_what_may_explain_a_change_belongs_to_one_history(changes: dict[str, Any]) -> None:
    assert len(only(history([day(0), day(1, **changes)], "total")).points) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": {"name": "another"}},
        {"machine": {"cores": 64}},
        {"machine": {"accelerator": "a GPU"}},
        {"request": {"compile": True}},
        {"request": {"channels_last": True}},
    ],
    ids=str,
)
def test_other_machines_and_requests_have_histories_of_their_own(changes: dict[str, Any]) -> None:
    assert len(history([day(0), day(1, **changes)], "total").series) == 2


@pytest.mark.parametrize(
    "changes", [{"batch": 8}, {"dtype": "bfloat16"}, {"threads": 1}, {"fingerprint": "f"}], ids=str
)
def test_other_work_has_a_history_of_its_own(changes: dict[str, Any]) -> None:
    other = [replace(cell, **changes) for cell in day(1).cells]
    assert len(history([day(0), day(1, cells=other)], "total").series) == 2


def on_gpu(number: int, device: str, memory_bytes: int) -> Run:
    run = day(number, machine={"accelerator": "a GPU", "accelerator_memory_bytes": memory_bytes})
    return replace(run, cells=[replace(cell, device=device) for cell in run.cells])


def test_some_bytes_that_a_driver_keeps_are_no_other_machine() -> None:
    runs = [on_gpu(n, "cuda:0", 80 * 2**30 - n * 2**22) for n in range(2)]
    assert len(only(history(runs, "total")).points) == 2


def test_which_of_several_equal_gpus_it_was_has_no_bearing() -> None:
    runs = [on_gpu(n, f"cuda:{n}", 80 * 2**30) for n in range(2)]
    assert len(only(history(runs, "total")).points) == 2


def test_a_change_is_told_with_its_runs_and_size() -> None:
    (change,) = only(history(days(20, 12, 1.1), "total")).changes
    assert (change.before, change.after) == ("20260112-120000-000b", "20260113-120000-000c")
    assert change.factor.low < 1.1 < change.factor.high


def test_a_change_tells_what_else_was_another_there() -> None:
    after = {"machine": {"torch": "2.9.0", "driver": "575.1"}, "project": {"version": "0.2.0"}}
    (change,) = only(history(days(20, 12, 1.1, **after), "total")).changes
    assert change.differs == [
        "freezebench 0.1.0 → 0.2.0",
        "torch 2.15.0+cu132 → 2.9.0",
        "driver ? → 575.1",
    ]


def test_a_change_of_a_setting_of_the_gpu_is_told() -> None:
    gpus = [Gpu(power_limit_watts=watts) for watts in (700.0, 300.0)]
    runs = [replace(run, machine=replace(run.machine, gpu=gpus[place >= 12]))
            for place, run in enumerate(days(20, 12, 1.1))]  # fmt: skip
    (change,) = only(history(runs, "total")).changes
    assert change.differs == ["power_limit_watts 700.0 → 300.0"]


def test_a_history_of_noise_has_no_change() -> None:
    assert only(history(days(20, 12, 1.0), "total")).changes == []


def test_a_run_that_is_named_twice_counts_once_with_a_note() -> None:
    found = history([day(0), day(0)], "total")
    assert len(only(found).points) == 1
    assert any("named twice" in note for note in found.notes)


def test_a_run_that_is_not_done_is_left_out_with_a_note() -> None:
    found = history([day(0), day(1, state="interrupted")], "total")
    assert len(only(found).points) == 1
    assert any("is interrupted, not done" in note for note in found.notes)


def test_made_up_runs_are_told() -> None:
    assert "2 of the runs were made up for a test" in history([day(0), day(1)], "total").notes


def test_what_was_not_timed_has_no_history() -> None:
    with pytest.raises(HistoryError, match="no run that is done has a strategy timed"):
        history([committed("full")], "total")


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(HistoryError, match="no run of any × nograd; there are policy × no_grad"):
        history([day(0)], "total", strategies=["nograd"])


def kept(folder: Path, runs: Sequence[Run]) -> Path:
    for run in runs:
        keep(folder, run)
    return folder


def typed(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["history", *map(str, arguments)], env={"COLUMNS": "100"})


def test_the_command_tells_a_change_in_a_sentence(tmp_path: Path) -> None:
    done = typed(kept(tmp_path, days(20, 12, 1.1, machine={"torch": "2.9.0"})))
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "between 20260112-120000-000b and 20260113-120000-000c" in said
    assert "torch 2.15.0+cu132 → 2.9.0" in said


def test_a_single_series_is_shown_run_by_run(tmp_path: Path) -> None:
    runs = days(8, 8, 1.0)
    output = typed(kept(tmp_path, runs)).output
    assert all(run.id in output for run in runs)


def test_few_runs_are_shown_with_how_many_are_needed(tmp_path: Path) -> None:
    done = typed(kept(tmp_path, [day(0), day(1)]))
    assert done.exit_code == 0
    assert "This history has 2 runs; change points need at least 6." in done.output


def test_quiet_runs_are_said_to_be_quiet(tmp_path: Path) -> None:
    assert "No change is beyond doubt." in typed(kept(tmp_path, days(10, 10, 1.0))).output


@pytest.mark.parametrize(
    ("form", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")], ids=["png", "svg"]
)
def test_a_picture_is_written_in_the_form_of_its_name(
    tmp_path: Path, form: str, begins: bytes
) -> None:
    file = tmp_path / f"history.{form}"
    assert typed(kept(tmp_path, days(20, 12, 1.1)), "--plot", file).exit_code == 0
    assert file.read_bytes().startswith(begins)


def test_the_same_runs_give_the_same_picture(tmp_path: Path) -> None:
    kept(tmp_path, days(20, 12, 1.1))
    for name in ("one.svg", "other.svg"):
        typed(tmp_path, "--plot", tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()


def test_a_picture_of_another_form_is_refused(tmp_path: Path) -> None:
    refused = typed(kept(tmp_path, [day(0)]), "--plot", tmp_path / "history.gif")
    assert refused.exit_code == 2
    assert "end it in .png or .svg" in refused.output


def test_more_series_than_a_picture_holds_are_refused(tmp_path: Path) -> None:
    run = day(0)
    many = [replace(run.cells[1], strategy=f"s{number}") for number in range(41)]
    kept(tmp_path, [replace(run, cells=[run.cells[0], *many])])
    refused = typed(tmp_path, "--plot", tmp_path / "history.png")
    assert refused.exit_code == 2
    assert "choose with --workload and --strategy" in refused.output


def test_json_holds_every_point_and_change(tmp_path: Path) -> None:
    kept(tmp_path, days(20, 12, 1.1))
    typed(tmp_path, "--json", tmp_path / "history.json")
    (series,) = json.loads((tmp_path / "history.json").read_text())["series"]
    assert len(series["points"]) == 20
    assert [change["at"] for change in series["changes"]] == [12]


def test_the_committed_run_has_a_history_of_one(tmp_path: Path) -> None:
    done = typed(COMMITTED, "-w", "policy", "-s", "no_grad")
    assert done.exit_code == 0
    assert "This history has 1 run;" in done.output


def test_a_run_that_cannot_be_read_is_left_out_among_others(tmp_path: Path) -> None:
    kept(tmp_path, [day(0), day(1)])
    keep(tmp_path, day(2)).write_text("{")
    done = typed(tmp_path)
    assert done.exit_code == 0
    assert "left out: " in done.output


def test_names_from_elsewhere_command_no_terminal(tmp_path: Path) -> None:
    run = day(0)
    kept(tmp_path, [replace(run, cells=[replace(c, workload="\x1b[2Jpolicy") for c in run.cells])])
    assert "\x1b" not in typed(tmp_path).output


def test_without_ruptures_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, days(6, 6, 1.0))
    monkeypatch.setitem(sys.modules, "ruptures", None)
    refused = typed(tmp_path)
    assert refused.exit_code == 2
    assert "pip install 'freezebench[history]'" in refused.output
