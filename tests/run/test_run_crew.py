"""Tasks side by side: their results, and what becomes of their workers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from bench.run import crew, interruption
from bench.run.crew import Crew, GivenUpError, Member, abreast, as_done
from bench.run.process import WorkerLostError

if TYPE_CHECKING:
    from collections.abc import Callable


class Scripted:
    """A worker that answers with the name of the request, or dies, or waits until it is ended."""

    def __init__(self, on: dict[str, Callable[[Scripted], Any]]) -> None:
        self.ended = threading.Event()
        self._on = on

    def ask(self, name: str, *_: Any, timeout: float | None = None) -> Any:
        return self._on[name](self) if name in self._on else name

    def end(self) -> None:
        self.ended.set()


def dies(_: Scripted) -> None:
    raise WorkerLostError("killed")


def waits(worker: Scripted) -> None:
    assert worker.ended.wait(60)
    raise WorkerLostError("ended")


def test_results_come_in_the_order_of_the_tasks() -> None:
    def task(name: str) -> Callable[[Crew], str]:
        return lambda crew: str(Member(crew, 1.0).ask(name))

    assert abreast([task(name) for name in "abcde"], lambda: Scripted({})) == list("abcde")


def test_a_lost_worker_has_a_successor() -> None:
    started: list[Scripted] = []

    def start() -> Scripted:
        started.append(Scripted({"die": dies}))
        return started[-1]

    member = Member(Crew(start), 1.0)
    with pytest.raises(WorkerLostError):
        member.ask("die")
    assert member.ask("count") == "count"
    assert [worker.ended.is_set() for worker in started] == [True, False]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_of_one_task_ends_the_workers_of_all(error: type[BaseException]) -> None:
    started: list[Scripted] = []
    waiting = threading.Event()

    def start() -> Scripted:
        started.append(Scripted({"wait": waits}))
        return started[-1]

    def patient(crew: Crew) -> None:
        member = Member(crew, 1.0)
        waiting.set()
        member.ask("wait")

    def hasty(crew: Crew) -> None:
        assert waiting.wait(60)
        raise error

    with pytest.raises(error):
        abreast([patient, hasty], start)
    assert [worker.ended.is_set() for worker in started] == [True]


class Started:
    """Workers that wait where they are asked to, and a way to know that all have begun."""

    def __init__(self) -> None:
        self.workers: list[Scripted] = []
        self.patient = threading.Event()

    def start(self) -> Scripted:
        self.workers.append(Scripted({"wait": waits}))
        return self.workers[-1]

    def waiting(self, crew: Crew) -> str:
        """A task that only the end of its worker ends."""
        worker = crew.start()
        self.patient.set()
        return str(worker.ask("wait"))

    def quick(self, _: Crew) -> str:
        """A task that is done once the other waits."""
        assert self.patient.wait(60)
        return "quick"


@pytest.fixture
def started() -> Started:
    return Started()


def test_a_result_is_given_as_soon_as_it_is_there(started: Started) -> None:
    results = as_done([started.waiting, started.quick], started.start)

    assert next(results) == (1, "quick")

    results.close()
    assert [worker.ended.is_set() for worker in started.workers] == [True]


def test_what_is_done_is_given_before_a_stop_that_was_asked_for(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked_to_stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(interruption, "check", asked_to_stop)
    monkeypatch.setattr(crew, "LOOK_SECONDS", 60)
    results = as_done([started.waiting, started.quick], started.start)

    assert next(results) == (1, "quick")
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert [worker.ended.is_set() for worker in started.workers] == [True]


def test_a_worker_that_starts_after_the_end_is_refused(started: Started) -> None:
    given_up = Crew(started.start)
    given_up.give_up()
    with pytest.raises(GivenUpError):
        given_up.start()
    assert started.workers == []
