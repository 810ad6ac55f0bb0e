from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from threading import Condition, Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from stage import make_plan, make_run

from bench.run.conductor import LEAST_LIVES, Conductor

if TYPE_CHECKING:
    from pathlib import Path

    from stage import ScriptedWorker, Stage

    from bench.records import Run
    from bench.run.process import CellError, WorkerLostError

STRATEGIES = ("full", "requires_grad", "lr_zero")


class Watched:
    """A conductor with every state of the run that it saved."""

    def __init__(self, stage: Stage, scratch: Path, *strategies: str, **asked: Any) -> None:
        self.saved: list[Run] = []
        self.plan = make_plan(*(strategies or STRATEGIES))
        self.stage, self.scratch = stage, scratch
        self.run = make_run(**asked)

    def carry_out(self) -> Run:
        conductor = Conductor(
            self.run,
            self.plan,
            self.stage.start_worker,
            self.saved.append,
            self.scratch,
            now=self.stage.clock,
        )
        return conductor.carry_out()


def every_worker_has_its_own_luck(stage: Stage) -> None:
    start_worker, lucks = stage.start_worker, itertools.cycle((1.0, 1.3, 1.1, 1.6))

    def start_a_lucky_worker() -> Any:
        stage.seconds["requires_grad"] = 0.005 * next(lucks)
        return start_worker()

    stage.start_worker = start_a_lucky_worker  # type: ignore[method-assign]


def verdicts(run: Run) -> dict[str, str]:
    return {cell.strategy: cell.verdict for cell in run.cells}


def test_a_run_surveys_every_cell_and_then_times_them_together(
    stage: Stage, tmp_path: Path
) -> None:
    run = Watched(stage, tmp_path).carry_out()
    assert verdicts(run) == {"full": "reference", "requires_grad": "ok", "lr_zero": "ok"}
    assert all(cell.samples.total and cell.summary for cell in run.cells)
    surveyed = stage.heard.index("midway lr_zero")
    assert surveyed < stage.heard.index("ready full")
    assert run.state == "done"


def test_each_cell_is_surveyed_by_a_worker_of_its_own_memory_first(
    stage: Stage, tmp_path: Path
) -> None:
    Watched(stage, tmp_path).carry_out()
    begin = stage.heard.index("measure_memory lr_zero") - 1
    assert stage.heard[begin : begin + 4] == [
        "start", "measure_memory lr_zero", "fresh lr_zero", "midway lr_zero",
    ]  # fmt: skip


def test_the_run_is_saved_after_every_cell_and_every_life(stage: Stage, tmp_path: Path) -> None:
    watched = Watched(stage, tmp_path)
    watched.carry_out()
    assert [len(run.cells) for run in watched.saved[:3]] == [1, 2, 3]
    lives = [max(run.cells[0].origin.life, default=0) for run in watched.saved[2:-1]]
    assert lives == list(range(len(lives)))


def test_timing_stops_when_every_ratio_is_precise(stage: Stage, tmp_path: Path) -> None:
    run = Watched(stage, tmp_path, precision=0.05, budget=1000.0).carry_out()
    assert run.stopped_by == "precision"
    assert run.timed_seconds < 1000.0
    assert {cell.summary.lives for cell in run.cells if cell.summary} == {LEAST_LIVES}


def test_timing_stops_when_the_budget_is_spent(stage: Stage, tmp_path: Path) -> None:
    every_worker_has_its_own_luck(stage)
    run = Watched(stage, tmp_path, budget=8.0, precision=1e-9).carry_out()
    assert run.stopped_by == "budget"
    assert run.timed_seconds == pytest.approx(8.0, rel=0.2)
    assert not any(c.summary.precise for c in run.cells if c.strategy == "requires_grad")  # type: ignore[union-attr]


def test_the_ratio_is_what_the_steps_took(stage: Stage, tmp_path: Path) -> None:
    run = Watched(stage, tmp_path).carry_out()
    summary = run.cells[1].summary
    assert summary is not None
    assert summary.phases["total"].ratio is not None
    assert math.isclose(summary.phases["total"].ratio.value, 0.5)


def test_a_cell_that_fails_in_its_survey_is_not_timed(
    stage: Stage, tmp_path: Path, raises: CellError
) -> None:
    stage.on["fresh requires_grad"] = raises
    run = Watched(stage, tmp_path).carry_out()
    assert verdicts(run)["requires_grad"] == "failed"
    assert run.cells[1].why == "RuntimeError: no"
    assert "ready requires_grad" not in stage.heard
    assert run.cells[2].summary is not None


def test_a_cell_cut_off_from_the_loss_is_severed_and_not_timed(
    stage: Stage, tmp_path: Path
) -> None:
    stage.cut = frozenset({"requires_grad"})
    run = Watched(stage, tmp_path).carry_out()
    assert verdicts(run)["requires_grad"] == "severed"
    assert "ready requires_grad" not in stage.heard


def test_a_worker_lost_in_a_turn_fails_that_cell_and_the_others_live_on(
    stage: Stage, tmp_path: Path, dies: WorkerLostError
) -> None:
    stage.on["turn requires_grad"] = dies
    run = Watched(stage, tmp_path).carry_out()
    assert verdicts(run) == {"full": "reference", "requires_grad": "failed", "lr_zero": "ok"}
    assert run.cells[1].why == "the worker was killed by SIGKILL"
    assert run.cells[2].summary is not None
    assert run.cells[2].summary.lives >= LEAST_LIVES


def test_without_full_nothing_is_timed_and_everything_is_kept(
    stage: Stage, tmp_path: Path, dies: WorkerLostError
) -> None:
    stage.on["ready full"] = dies
    run = Watched(stage, tmp_path).carry_out()
    assert verdicts(run)["full"] == "failed"
    assert run.state == "done"
    assert run.cells[2].memory.peak_bytes == 100


def test_full_alone_is_timed_too(stage: Stage, tmp_path: Path) -> None:
    run = Watched(stage, tmp_path, "full").carry_out()
    summary = run.cells[0].summary
    assert summary is not None
    assert summary.lives == LEAST_LIVES
    assert run.stopped_by == "precision"


def test_a_run_of_failures_alone_was_not_stopped_by_precision(
    stage: Stage, tmp_path: Path, raises: CellError
) -> None:
    for name in STRATEGIES:
        stage.on[f"fresh {name}"] = raises
    assert Watched(stage, tmp_path).carry_out().stopped_by is None


@pytest.mark.parametrize("when", ["fresh", "measure_memory"])
def test_no_other_strategy_becomes_the_reference_when_full_fails(
    stage: Stage, tmp_path: Path, raises: CellError, when: str
) -> None:
    stage.on[f"{when} full"] = raises
    run = Watched(stage, tmp_path).carry_out()
    assert verdicts(run)["full"] == "failed"
    assert not any(cell.samples.total or cell.summary for cell in run.cells)
    assert run.stopped_by is None


def test_a_reference_that_fails_costs_its_workload_alone(
    stage: Stage, tmp_path: Path, raises: CellError
) -> None:
    watched = Watched(stage, tmp_path)
    watched.plan = make_plan("full", "lr_zero", workloads=("a", "b"))
    stage.on["measure_reference full of a"] = raises
    run = watched.carry_out()
    assert {(cell.workload, cell.verdict) for cell in run.cells} == {
        ("a", "failed"), ("b", "reference"), ("b", "ok"),
    }  # fmt: skip
    assert run.cells[0].why == "the reference training failed: RuntimeError: no"


def test_what_failed_is_tried_again_when_the_run_is_taken_up(
    stage: Stage, tmp_path: Path, raises: CellError
) -> None:
    stage.on["fresh requires_grad"] = raises
    watched = Watched(stage, tmp_path)
    watched.run = watched.carry_out()
    stage.on.clear()
    run = watched.carry_out()
    assert verdicts(run)["requires_grad"] == "ok"
    assert run.cells[1].summary is not None


def test_a_prediction_that_kills_its_worker_costs_the_prediction_alone(
    stage: Stage, tmp_path: Path, dies: WorkerLostError
) -> None:
    stage.on["predict requires_grad"] = dies
    run = Watched(stage, tmp_path).carry_out()
    assert verdicts(run)["requires_grad"] == "ok"


@pytest.mark.parametrize("moment", ["fresh lr_zero", "measure_memory full", "turn requires_grad"])
def test_an_interruption_keeps_what_was_measured(stage: Stage, tmp_path: Path, moment: str) -> None:
    stage.on[moment] = KeyboardInterrupt()
    watched = Watched(stage, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        watched.carry_out()
    kept = watched.saved[-1]
    assert kept.state == "interrupted"
    assert stage.alive == 0
    heard = Counter(line.split()[1] for line in stage.heard[:-1] if line.startswith("turn"))
    assert {cell.strategy: len(cell.samples.total) for cell in kept.cells} == {
        cell.strategy: 4 * heard[cell.strategy] for cell in kept.cells
    }
    finished = {line.split()[1] for line in stage.heard[:-1] if line.startswith("midway")}
    assert {cell.strategy for cell in kept.cells} == finished


def test_an_interrupted_life_counts_as_time_spent(stage: Stage, tmp_path: Path) -> None:
    stage.on["turn requires_grad"] = KeyboardInterrupt()
    watched = Watched(stage, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        watched.carry_out()
    assert watched.saved[-1].timed_seconds == pytest.approx(stage.now)


@pytest.mark.parametrize("moment", ["fresh lr_zero", "measure_memory full", "turn requires_grad"])
def test_a_run_taken_up_again_does_only_what_is_left(
    stage: Stage, tmp_path: Path, moment: str
) -> None:
    stage.on[moment] = KeyboardInterrupt()
    watched = Watched(stage, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        watched.carry_out()
    kept = watched.saved[-1]
    stage.heard.clear()
    watched.run = kept
    run = watched.carry_out()
    again = {line.split()[1] for line in stage.story("fresh")}
    assert again == set(STRATEGIES) - {cell.strategy for cell in kept.cells}
    assert verdicts(run) == {"full": "reference", "requires_grad": "ok", "lr_zero": "ok"}
    assert run.state == "done"


def test_a_finished_run_taken_up_again_measures_nothing(stage: Stage, tmp_path: Path) -> None:
    watched = Watched(stage, tmp_path)
    watched.run = watched.carry_out()
    stage.heard.clear()
    watched.carry_out()
    assert not stage.story("fresh", "turn")


def test_lives_are_numbered_on_after_an_interruption(stage: Stage, tmp_path: Path) -> None:
    every_worker_has_its_own_luck(stage)
    watched = Watched(stage, tmp_path, budget=4.0, precision=1e-9)
    first = watched.carry_out()
    watched.run = replace(first, request=replace(first.request, budget=8.0))
    lives = watched.carry_out().cells[0].origin.life
    assert lives == sorted(lives)
    assert max(lives) > max(first.cells[0].origin.life)


def test_groups_of_two_workloads_share_the_budget(stage: Stage, tmp_path: Path) -> None:
    every_worker_has_its_own_luck(stage)
    watched = Watched(stage, tmp_path, budget=20.0, precision=1e-9)
    watched.plan = make_plan("full", "requires_grad", workloads=("a", "b"))
    run = watched.carry_out()
    lives = {cell.workload: len(set(cell.origin.life)) for cell in run.cells}
    assert abs(lives["a"] - lives["b"]) <= 1


@pytest.mark.parametrize(("surveyed", "timing"), [(4.0, 16.0), (19.0, 10.0)])
def test_the_survey_counts_against_the_budget_and_leaves_half_of_it(
    stage: Stage, tmp_path: Path, surveyed: float, timing: float
) -> None:
    every_worker_has_its_own_luck(stage)
    watched = Watched(stage, tmp_path, budget=20.0, precision=1e-9)
    watched.run = replace(watched.run, surveyed_seconds=surveyed)
    assert watched.carry_out().timed_seconds == pytest.approx(timing, rel=0.2)


def with_energy(watched: Watched) -> Watched:
    watched.plan = replace(watched.plan, energy=True)
    return watched


def test_energy_is_read_after_drift_in_a_worker_of_its_own(stage: Stage, tmp_path: Path) -> None:
    run = with_energy(Watched(stage, tmp_path)).carry_out()
    after = stage.heard.index("midway lr_zero")
    assert stage.heard[after + 1 : after + 3] == ["start", "measure_energy lr_zero"]
    assert all(cell.energy is not None for cell in run.cells)


def test_energy_is_not_read_unless_it_is_asked_for(stage: Stage, tmp_path: Path) -> None:
    run = Watched(stage, tmp_path).carry_out()
    assert not stage.story("measure_energy")
    assert all(cell.energy is None for cell in run.cells)


@pytest.mark.parametrize("loss", ["raises", "dies"])
def test_a_cell_whose_energy_fails_keeps_its_verdict_and_is_timed(
    stage: Stage, tmp_path: Path, loss: str, request: pytest.FixtureRequest
) -> None:
    stage.on["measure_energy requires_grad"] = request.getfixturevalue(loss)
    run = with_energy(Watched(stage, tmp_path)).carry_out()
    cell = run.cells[1]
    assert (cell.verdict, cell.energy) == ("ok", None)
    assert cell.samples.total
    assert stage.alive == 0


def side_by_side(watched: Watched, at_once: int = 3) -> Watched:
    watched.plan = replace(watched.plan, surveyed_at_once=at_once)
    return watched


@dataclass
class Company:
    """Holds up whoever asks for bytes until so many do at the same time, or nobody else comes."""

    wanted: int
    seconds: float = 5.0
    now: int = 0
    most: int = 0
    refuses: CellError | None = None
    refused: int = 0
    changed: Condition = field(default_factory=Condition)

    def of(self, worker: ScriptedWorker) -> ScriptedWorker:
        ask = worker.ask

        def asked(name: str, *arguments: Any, timeout: float | None = None) -> Any:
            if name != "measure_memory":
                return ask(name, *arguments, timeout=timeout)
            with self.changed:
                self.now += 1
                self.most = max(self.most, self.now)
                self.changed.notify_all()
                crowded = self.now > 1
                self.changed.wait_for(lambda: self.most >= self.wanted, self.seconds)
                self.now -= 1
            if crowded and self.refuses is not None:
                self.refused += 1
                raise self.refuses
            return ask(name, *arguments, timeout=timeout)

        worker.ask = asked  # type: ignore[method-assign]
        return worker


def in_company(stage: Stage, monkeypatch: pytest.MonkeyPatch, company: Company) -> None:
    start = stage.start_worker
    monkeypatch.setattr(stage, "start_worker", lambda: company.of(start()))


def test_cells_are_surveyed_side_by_side_where_the_plan_allows_it(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = Company(3)
    in_company(stage, monkeypatch, company)
    run = side_by_side(Watched(stage, tmp_path)).carry_out()
    assert company.most == 3
    assert [cell.strategy for cell in run.cells] == ["full", "requires_grad", "lr_zero"]
    assert {cell.verdict for cell in run.cells} == {"reference", "ok"}
    assert stage.alive == 0


@pytest.mark.parametrize(
    "changes", [{"memory_bytes": 2**30}, {"memory_bytes": None}, {"energy": True}]
)
def test_one_cell_at_a_time_is_surveyed_where_two_may_not_fit_or_would_share_a_meter(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    company = Company(2, seconds=0.05)
    in_company(stage, monkeypatch, company)
    watched = side_by_side(Watched(stage, tmp_path))
    watched.plan = replace(watched.plan, **changes)
    watched.carry_out()
    assert company.most == 1


def test_a_cell_that_fails_beside_others_is_tried_again_alone_and_leaves_them_alone(
    stage: Stage, tmp_path: Path, dies: CellError
) -> None:
    stage.on["measure_memory requires_grad"] = dies
    run = side_by_side(Watched(stage, tmp_path)).carry_out()
    assert [cell.verdict for cell in run.cells] == ["reference", "failed", "ok"]
    assert stage.heard.count("measure_memory requires_grad") == 2
    assert stage.heard.count("measure_memory lr_zero") == 1
    assert stage.alive == 0


def test_a_cell_that_only_fails_beside_others_is_measured(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: CellError
) -> None:
    company = Company(3, refuses=dies)
    in_company(stage, monkeypatch, company)
    run = side_by_side(Watched(stage, tmp_path)).carry_out()
    assert company.refused == 2
    assert {cell.verdict for cell in run.cells} == {"reference", "ok"}


@dataclass
class Waiting:
    """Workers whose first cell waits in its drift until the worker is ended."""

    begun: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)

    def of(self, worker: ScriptedWorker) -> ScriptedWorker:
        ask, end, mine = worker.ask, worker.end, Event()

        def asked(name: str, *arguments: Any, timeout: float | None = None) -> Any:
            answer = ask(name, *arguments, timeout=timeout)
            if name == "measure_drift" and arguments[0].strategy == "full":
                self.begun.set()
                if not mine.wait(60):
                    raise TimeoutError
                self.ended.set()
            elif name == "measure_drift":
                assert self.begun.wait(60)
            return answer

        def ending() -> None:
            mine.set()
            end()

        worker.ask, worker.end = asked, ending  # type: ignore[method-assign]
        return worker


def test_an_interruption_of_cells_side_by_side_ends_all_workers(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, start = Waiting(), stage.start_worker
    monkeypatch.setattr(stage, "start_worker", lambda: waiting.of(start()))
    stage.on["midway requires_grad"] = KeyboardInterrupt()
    watched = side_by_side(Watched(stage, tmp_path))
    with pytest.raises(KeyboardInterrupt):
        watched.carry_out()
    assert waiting.ended.is_set()
    assert stage.alive == 0
    assert watched.saved[-1].state == "interrupted"


def test_what_cannot_be_saved_ends_all_workers(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, start = Waiting(), stage.start_worker
    monkeypatch.setattr(stage, "start_worker", lambda: waiting.of(start()))
    watched = side_by_side(Watched(stage, tmp_path))

    def full_disk(_: Run) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(watched, "saved", SimpleNamespace(append=full_disk))
    with pytest.raises(OSError, match="No space left"):
        watched.carry_out()
    assert waiting.ended.is_set()
    assert stage.alive == 0


def test_a_cell_that_has_no_step_has_no_energy(stage: Stage, tmp_path: Path) -> None:
    stage.cut = frozenset({"requires_grad"})
    with_energy(Watched(stage, tmp_path)).carry_out()
    assert "measure_energy requires_grad" not in stage.heard
    assert "measure_energy lr_zero" in stage.heard
