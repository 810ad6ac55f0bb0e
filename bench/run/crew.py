"""Tasks side by side, each with workers of its own. Not for times: those need turns."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from bench.run import interruption
from bench.run.process import CellError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence
    from typing import Any

    from bench.run.process import WorkerHandle

    StartWorker = Callable[[], WorkerHandle]

AT_ONCE = 2
"""Tasks side by side. Each may hold a large model, so more cores do not mean more of them."""

LOOK_SECONDS = 0.5
"""Between two looks at whether the run was asked to stop."""

Result = TypeVar("Result")


class GivenUpError(Exception):
    """Another task ended all of them."""


class Crew:
    """Starts workers, and ends all that live when the work is given up."""

    def __init__(self, start_worker: StartWorker) -> None:
        self._start_worker = start_worker
        self._alive: list[WorkerHandle] = []
        self._given_up = False
        self._lock = Lock()

    def start(self) -> WorkerHandle:
        """A fresh worker.

        Raises:
            GivenUpError: the work was given up meanwhile.
        """
        with self._lock:
            if self._given_up:
                raise GivenUpError
            worker = self._start_worker()
            self._alive.append(worker)
            return worker

    def end(self, worker: WorkerHandle) -> None:
        """End a worker."""
        with self._lock:
            worker.end()
            if worker in self._alive:
                self._alive.remove(worker)

    def give_up(self) -> None:
        """End all workers; those who ask them find out."""
        with self._lock:
            self._given_up = True
            for worker in self._alive:
                worker.end()
            self._alive.clear()


class Member:
    """A worker of a crew, and its successor where it is lost.

    Args:
        crew: it belongs to.
        timeout: seconds for an answer.
    """

    def __init__(self, crew: Crew, timeout: float) -> None:
        self._crew = crew
        self._timeout = timeout
        self._worker = crew.start()

    def ask(self, name: str, *arguments: Any) -> Any:
        """An answer; after a `CellError` the next request finds a living worker in any case."""
        try:
            return self._worker.ask(name, *arguments, timeout=self._timeout)
        except CellError as error:
            if error.worker_lost:
                self._crew.end(self._worker)
                self._worker = self._crew.start()
            raise

    def end(self) -> None:
        """End the worker."""
        self._crew.end(self._worker)


def abreast(
    tasks: Sequence[Callable[[Crew], Result]], start_worker: StartWorker, at_once: int = AT_ONCE
) -> list[Result]:
    """The results of all tasks, in order. The first exception ends all workers, and is raised."""
    with closing(as_done(tasks, start_worker, at_once)) as results:
        found = dict(results)
    return [found[number] for number in range(len(tasks))]


def as_done(
    tasks: Sequence[Callable[[Crew], Result]], start_worker: StartWorker, at_once: int = AT_ONCE
) -> Generator[tuple[int, Result], None, None]:
    """The number and the result of each task, as it is done.

    The first exception ends all workers, and is raised once every result that was there by then
    has been given. To be closed where it is not read to its end.
    """
    crew = Crew(start_worker)
    with ThreadPoolExecutor(at_once, thread_name_prefix="crew") as pool:
        numbers = {pool.submit(task, crew): number for number, task in enumerate(tasks)}
        waiting = set(numbers)
        try:
            while waiting:
                wait(waiting, LOOK_SECONDS, FIRST_COMPLETED)
                for future in _done(waiting):
                    waiting.discard(future)
                    yield numbers[future], future.result()
                interruption.check()
        except BaseException as error:
            left = _done(waiting)
            with interruption.held_back():
                pool.shutdown(wait=False, cancel_futures=True)
                crew.give_up()
            if not isinstance(error, GeneratorExit):
                yield from ((numbers[future], future.result()) for future in left if _has(future))
            raise


def _done(waiting: Collection[Future[Result]]) -> list[Future[Result]]:
    """Those that are done, results first."""
    return sorted((future for future in waiting if future.done()), key=lambda f: not _has(f))


def _has(future: Future[Result]) -> bool:
    return future.exception() is None
