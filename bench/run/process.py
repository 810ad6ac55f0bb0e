"""The conductor's end of a worker: start one, ask it, notice when it dies or hangs, end it.

Nothing here imports torch: that happens once, in the fork server, and every worker begins with it
there.
"""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from bench.run import interruption
from bench.run.messages import Done, Failed, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence


class CellError(Exception):
    """The cell that was asked for cannot go on. The worker can, unless `worker_lost`."""

    worker_lost = False


class RefusedError(CellError):
    """The request cannot be run at all: there is no such thing, or it cannot be built."""


class WorkerLostError(CellError):
    """The worker died, or was ended because it did not answer in time."""

    worker_lost = True


class WorkerHandle(Protocol):
    """A worker, as the conductor sees it."""

    def ask(self, name: str, *arguments: Any, timeout: float | None = None) -> Any:
        """The answer to a request.

        Raises:
            RefusedError: the request cannot be run at all.
            CellError: the cell raised; the worker lives.
            WorkerLostError: the worker died, or gave no answer within `timeout` seconds.
        """

    def end(self) -> None:
        """End the worker at once; asking twice does no harm."""


_children = Lock()
"""Starting a child, and asking after one, looks at all: two threads would take exit codes away."""


class ForkedWorker:
    """A worker process from the fork server.

    Args:
        context: made by `fork_server`.
    """

    def __init__(self, context: multiprocessing.context.ForkServerContext) -> None:
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        # The first worker starts the server, and both get their Ctrl-C blocked: the conductor
        # decides what becomes of it.
        # The tracker would unblock it again when it starts, so it comes first.
        resource_tracker.ensure_running()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            # Half started, the worker would end with a traceback.
            with interruption.held_back(), _children:
                self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()

    def ask(self, name: str, *arguments: Any, timeout: float | None = None) -> Any:
        """See `WorkerHandle.ask`."""
        interruption.check()
        try:
            self._connection.send((name, arguments))
            wait([self._connection, self._process.sentinel], timeout)
            if self._connection.poll():
                return _value_of(self._connection.recv())
        except (EOFError, ConnectionError):
            pass
        if not self._ended_within(1.0):
            self.end()
            raise WorkerLostError(f"no answer within {timeout:.0f} s (--cell-timeout)")
        with _children:
            raise WorkerLostError(cause_of_death(self._process.exitcode))

    def end(self) -> None:
        """Kill the process and close the pipe."""
        with _children:
            self._process.kill()
            self._process.join()
            self._connection.close()

    def _ended_within(self, seconds: float) -> bool:
        # Between the end of its pipe and its own end a dying process still counts as alive.
        return bool(self._connection.closed or wait([self._process.sentinel], seconds))


def fork_server(preload: Sequence[str]) -> multiprocessing.context.ForkServerContext:
    """A server that has imported `preload` once and forks workers from there.

    Importing must not start threads or touch a GPU: workers forked after that would hang.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.run.worker", "torch._dynamo", *preload])
    return context


def _serve(connection: Any) -> None:
    from bench.run.worker import serve  # noqa: PLC0415  torch, on the worker's side alone

    serve(connection)


def _value_of(answer: Done | Refused | Failed) -> Any:
    if isinstance(answer, Refused):
        raise RefusedError(answer.sentence)
    if isinstance(answer, Failed):
        raise CellError(answer.why)
    return answer.value


def cause_of_death(exitcode: int | None) -> str:
    """What ended a worker, from its exit code as `multiprocessing` has it."""
    if exitcode is None or exitcode >= 0:
        return f"the worker ended by itself with exit code {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    hint = "; mostly the kernel, out of memory" if name == "SIGKILL" else ""
    return f"the worker was killed by {name}{hint}"
