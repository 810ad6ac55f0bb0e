"""A run that does not agree with itself is refused in a sentence; a real one is not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from travel_stage import RESULTS, committed

from bench import store
from bench.collection import cells
from bench.collection.integrity import objections
from bench.measure import verdict
from bench.records import (
    Cell,
    Counters,
    Drift,
    Energy,
    Interval,
    Memory,
    Moved,
    Run,
    Split,
    Telemetry,
)

if TYPE_CHECKING:
    from collections.abc import Callable

replace = msgspec.structs.replace
MOVED = [Moved("a.weight", "parameter", 1.0, 1.0, 1.0)]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize(
    "file", sorted(RESULTS.glob("*/*/run.json")), ids=lambda file: file.parent.name
)
def test_nothing_is_said_against_a_committed_run(file: Any) -> None:
    assert objections(store.load(file)[1]).refusals == []


def with_cell(run: Run, place: int, **changes: Any) -> Run:
    cells = list(run.cells)
    cells[place] = replace(cells[place], **changes)
    return replace(run, cells=cells)


def with_times(run: Run, change: Callable[[list[float]], list[float]]) -> Run:
    samples = run.cells[1].samples
    return with_cell(run, 1, samples=replace(samples, total=change(samples.total)))


def with_ratio(run: Run, factor: float) -> Run:
    summary = run.cells[1].summary
    assert summary is not None
    total = summary.phases["total"]
    assert total.ratio is not None
    ratio = replace(total.ratio, value=total.ratio.value * factor)
    phases = {**summary.phases, "total": replace(total, ratio=ratio)}
    return with_cell(run, 1, summary=replace(summary, phases=phases))


def with_fill(run: Run, seconds: float | None) -> Run:
    place = next(i for i, cell in enumerate(run.cells) if cell.strategy == "feature_cache")
    summary = run.cells[place].summary
    assert summary is not None
    return with_cell(run, place, summary=replace(summary, fill_seconds=seconds))


def with_energy(
    run: Run,
    value: float = 5.0,
    low: float | None = None,
    high: float | None = None,
    steps: int = 100,
    seconds: float = 1.0,
) -> Run:
    energy = Energy(Interval(value, low, high), "cpu package", steps, seconds)
    return with_cell(run, 1, energy=energy)


def drift(cell: Cell) -> Drift:
    assert cell.drift is not None
    return cell.drift


REFUSED: dict[str, tuple[Callable[[Run], Run], str]] = {
    "made up": (lambda run: replace(run, synthetic=True), "made up"),
    "not done": (lambda run: replace(run, state="interrupted"), "is interrupted, not done"),
    "of no schema": (lambda run: replace(run, schema=0), "schema is 0"),
    "without cells": (lambda run: replace(run, cells=[]), "has no cell"),
    "with an id of its own": (lambda run: replace(run, id="../../x"), "is not of the form"),
    "with an id in other digits": (
        lambda run: replace(run, id="\uff120260131-235959-0a1b"),
        "form",
    ),
    "begun at no time": (lambda run: replace(run, started="soon"), "which is no time"),
    "begun in no zone": (
        lambda run: replace(run, started="2026-11-23T20:25:20"),
        "no time with its zone",
    ),
    "begun in another zone": (
        lambda run: replace(run, started="2026-11-23T20:25:20+01:00"),
        "no time with its zone",
    ),
    "begun at another time than its id says": (
        lambda run: replace(run, started="2026-11-23T21:25:21+00:00"),
        "is of another time",
    ),
    "with an id of no time": (lambda run: replace(run, id="20261399-202520-2110"), "another time"),
    "begun in a year to come": (
        lambda run: replace(run, id="99991231-235959-0a1b", started="9999-12-31T23:59:59+00:00"),
        "is yet to come",
    ),
    "with fewer than no bytes": (
        lambda run: with_cell(run, 1, memory=Memory(peak_bytes=-1)),
        "memory.peak_bytes is -1",
    ),
    "with fewer than no bytes of a part": (
        lambda run: with_cell(run, 1, memory=Memory(gradient_bytes=Split(-1, 2))),
        "memory.gradient_bytes.frozen is -1",
    ),
    "with fewer than no operations": (
        lambda run: with_cell(run, 1, counters=Counters(backward_flops=-1)),
        "counters.backward_flops is -1",
    ),
    "with an operator that ran less than never": (
        lambda run: with_cell(run, 1, counters=Counters(operators={"aten::mm": -1})),
        "counters.operators is -1",
    ),
    "with readings below nothing": (
        lambda run: with_cell(
            run, 1, telemetry=Telemetry(watts=[-1.0] * len(run.cells[1].interference))
        ),
        "telemetry.watts is -1.0",
    ),
    "with energy that it gave": (lambda run: with_energy(run, -5.0, -6.0, -4.0), "takes some"),
    "with energy outside of its interval": (
        lambda run: with_energy(run, 5.0, 6.0, 7.0),
        "outside of its own interval",
    ),
    "with an interval that is upside down": (
        lambda run: with_energy(run, 5.0, 6.0, 4.0),
        "outside of its own interval",
    ),
    "with energy of no steps": (lambda run: with_energy(run, steps=0), "from 0 steps"),
    "with energy in no time": (lambda run: with_energy(run, seconds=0.0), "from 0.0 s"),
    "with a drift of no steps": (
        lambda run: with_cell(run, 1, drift=replace(drift(run.cells[1]), steps=0)),
        "drift is of 0 steps",
    ),
    "with an error below nothing": (
        lambda run: with_cell(run, 1, drift=replace(drift(run.cells[1]), update_error=-1.0)),
        "drift.update_error is -1.0",
    ),
    "ok though its update is far off": (
        lambda run: with_cell(run, 1, drift=replace(drift(run.cells[1]), update_error=1000.0)),
        "its verdict is ok, and its update is off by 1000.0",
    ),
    "of negative length": (lambda run: replace(run, timed_seconds=-1.0), "timed_seconds is -1.0"),
    "with a cell twice": (
        lambda run: replace(run, cells=[*run.cells, run.cells[1]]),
        "there 2 times",
    ),
    "with a batch of 0": (lambda run: with_cell(run, 1, batch=0), "batch is 0"),
    "with a time of 0": (lambda run: with_times(run, lambda t: [0.0, *t[1:]]), "0.0 s"),
    "with a negative time": (lambda run: with_times(run, lambda t: [-t[0], *t[1:]]), "takes time"),
    "with an infinite time": (
        lambda run: with_times(run, lambda t: [float("inf"), *t[1:]]),
        "inf s",
    ),
    "with a time too few": (lambda run: with_times(run, lambda t: t[1:]), "samples."),
    "with a summary of other times": (
        lambda run: with_times(run, lambda t: [2 * s for s in t]),
        "its samples give",
    ),
    "with times that have no ratio": (
        lambda run: with_times(
            run, lambda t: [1e-300 if i % 8 < 4 else 1e300 for i, _ in enumerate(t)]
        ),
        "its samples give",
    ),
    "with a better ratio": (lambda run: with_ratio(run, 1 - 1e-5), "phases.total.ratio.value"),
    "without a summary": (lambda run: with_cell(run, 1, summary=None), "none, and its samples"),
    "with other fills": (lambda run: with_fill(run, 1.0), "fill_seconds"),
    "with origins too few": (
        lambda run: with_cell(run, 1, origin=replace(run.cells[1].origin, life=[1])),
        "origin.life has 1 entries",
    ),
    "with telemetry of other turns": (
        lambda run: with_cell(run, 1, telemetry=Telemetry(load=[1.0])),
        "telemetry.load has 1 entries",
    ),
    "with interference too few": (
        lambda run: with_cell(run, 1, interference=run.cells[1].interference[1:]),
        "other turns than the samples",
    ),
    "with a turn twice": (
        lambda run: with_cell(run, 1, interference=run.cells[1].interference[:1] * 2),
        "tells of a turn twice",
    ),
    "ok though something moved": (
        lambda run: with_cell(run, 1, drift=replace(drift(run.cells[1]), moved=MOVED)),
        "its verdict is ok, and 1 frozen tensors moved",
    ),
    "ok though something had no gradient": (
        lambda run: with_cell(run, 1, drift=replace(drift(run.cells[1]), without_gradient=["a"])),
        "never had a gradient",
    ),
    "ok though it diverged": (
        lambda run: with_cell(run, 1, drift=replace(drift(run.cells[1]), update_error=None)),
        "was not finite",
    ),
    "ok without a drift": (lambda run: with_cell(run, 1, drift=None), "there is no drift"),
    "leaking though nothing moved": (
        lambda run: with_cell(run, 1, verdict="leaks"),
        "nothing frozen",
    ),
    "severed though all had gradients": (
        lambda run: with_cell(run, 1, verdict="severed"),
        "every trainable tensor had a gradient",
    ),
    "of two references": (lambda run: with_cell(run, 1, verdict="reference"), "`full` alone"),
    "ok midway though something moved": (
        lambda run: with_cell(
            run,
            1,
            midway=replace(run.cells[1].midway, drift=replace(drift(run.cells[1]), moved=MOVED)),
        ),
        "its midway verdict is ok",
    ),
    "of a machine with a long name": (
        lambda run: replace(run, machine=replace(run.machine, name="x" * 301)),
        "run.machine.name has 301 characters",
    ),
    "with a name that turns the direction": (
        lambda run: with_cell(run, 1, strategy="no\u202egrad"),
        "turns the writing direction",
    ),
    "with a terminal's commands in its name": (
        lambda run: with_cell(run, 1, workload="\x1b[2Jpolicy"),
        "control characters",
    ),
    "with commands in the name of an operator": (
        lambda run: with_cell(
            run, 1, counters=replace(run.cells[1].counters, operators={"\x1b[2J": 1})
        ),
        "a key of run.cells[1].counters.operators",
    ),
    "with commands in a reason": (lambda run: with_cell(run, 1, why="\x1b[2J"), "control"),
}


@pytest.mark.parametrize(("change", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_run_is_refused(change: Callable[[Run], Run], sentence: str) -> None:
    refusals = objections(change(committed())).refusals
    assert any(sentence in refusal for refusal in refusals), refusals


@pytest.mark.parametrize(("change", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_fit_for_a_terminal(change: Callable[[Run], Run], sentence: str) -> None:
    assert all(refusal.isprintable() for refusal in objections(change(committed())).refusals)


NOTED: dict[str, tuple[Callable[[Run], Run], str]] = {
    "modified files": (
        lambda run: replace(run, project=replace(run.project, dirty=True)),
        "differ from the commit",
    ),
    "no commit": (
        lambda run: replace(run, project=replace(run.project, commit=None)),
        "which commit",
    ),
    "a failed cell": (lambda run: with_cell(run, 1, verdict="failed"), "1 of its 14 cells failed"),
    "a path": (
        lambda run: with_cell(run, 1, why="OSError: /home/somebody/data.bin"),
        "looks as if it held a path",
    ),
    "an address": (lambda run: with_cell(run, 1, why="no route to 10.0.0.7"), "host or an address"),
    "a host": (lambda run: with_cell(run, 1, why="gpu7.internal is down"), "host or an address"),
    "an update that is off": (
        lambda run: with_cell(run, 1, drift=replace(drift(run.cells[1]), update_error=0.5)),
        "is ok, and its update is off by 0.5",
    ),
    "an update that is hardly off": (
        lambda run: with_cell(
            run, 1, verdict="diverges", drift=replace(drift(run.cells[1]), update_error=1e-6)
        ),
        "is diverges, and its update is off by 1e-06",
    ),
    "another precision": (
        lambda run: replace(run, request=replace(run.request, precision=1e-9)),
        "precise is True",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), NOTED.values(), ids=NOTED)
def test_a_run_is_accepted_with_a_note(change: Callable[[Run], Run], sentence: str) -> None:
    found = objections(change(committed()))
    assert found.refusals == []
    assert any(sentence in note for note in found.notes), found.notes


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("cannot read /secret", "path"),
        ("cannot read '/secret'", "path"),
        ("see file:///home/me/x", "path"),
        ("no ../../home/me/x", "path"),
        ("no ~/x", "path"),
        ("gpu7.cs.uni.edu is down", "host"),
        ("no answer from https://git.cs.uni.de/x", "host"),
        ("node-3.cluster.example.com:29500", "host"),
        ("me@gpu7", "host"),
    ],
)
def test_what_could_reveal_a_place_or_a_host_is_noted(text: str, kind: str) -> None:
    notes = objections(with_cell(committed(), 1, why=text)).notes
    assert any("cells[1].why looks as if" in note and kind in note for note in notes), notes


@pytest.mark.parametrize(
    "text",
    [
        "torch.nn.Linear",
        "torch.nn.functional.relu",
        "conv1.weight",
        "layer1.0.conv1",
        "features.2.block.se",
        "layer4.1.bn",
        "aten.mm.default",
        "my.own.module.py and weights.v2.pt",
        "1/2 of them, 3 / 4, and/or, tokens/s, N/A",
        "strategies/mine.py",
        "unsupported operand type(s) for /: 'int' and 'str'",
        "torch 2.14.1+cu130, driver 550.54.14, version 9.1.0.70, 1.2.3.4.5",
        "Linux 6.18.44-fc-v595 x86_64",
        "see https://docs.pytorch.org/docs/stable/notes/cuda.html",
        "<b>bold</b>",
    ],
)
def test_ordinary_words_raise_no_alarm(text: str) -> None:
    notes = objections(with_cell(committed(), 1, why=text)).notes
    assert not [note for note in notes if "looks as if" in note]


def test_nothing_in_a_committed_run_looks_like_a_place_or_a_host() -> None:
    for file in RESULTS.glob("*/*/run.json"):
        notes = objections(store.load(file)[1]).notes
        assert not [note for note in notes if "looks as if" in note]


@pytest.mark.parametrize(("hours", "refused"), [(-24, False), (0, False), (-25, True)])
def test_a_run_may_be_a_day_ahead_of_the_clock_here_and_no_more(hours: int, refused: bool) -> None:
    run = committed()
    now = datetime.fromisoformat(run.started) + timedelta(hours=hours)
    assert bool(objections(run, now).refusals) is refused


def test_energy_without_an_interval_and_cold_are_no_objection() -> None:
    turns = len(committed().cells[1].interference)
    run = with_cell(with_energy(committed()), 1, telemetry=Telemetry(celsius=[-5.0] * turns))
    assert objections(run).refusals == []


def test_the_tolerance_of_updates_is_that_of_who_judges() -> None:
    assert cells.UPDATE_TOLERANCE == verdict.UPDATE_TOLERANCE
    assert cells.MOST_OK == 2 * verdict.NOISE_FACTOR


@pytest.mark.parametrize("name", ["مرحبا", "🧊 freeze", "x" * 300, "a|b`c*d", "<script>"])
def test_an_unusual_name_is_a_name(name: str) -> None:
    renamed = [replace(cell, workload=name) for cell in committed().cells]
    assert objections(replace(committed(), cells=renamed)).refusals == []


def test_a_failed_cell_keeps_the_summary_it_had() -> None:
    failed = with_cell(with_ratio(committed(), 2.0), 1, verdict="failed")
    stale = replace(failed.cells[1], summary=with_ratio(committed(), 2.0).cells[1].summary)
    assert objections(replace(failed, cells=[failed.cells[0], stale])).refusals == []
