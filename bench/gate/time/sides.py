"""The gate's end of the sides: forkers, and workers that stand in a checkout."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from bench.gate.time import forker
from bench.gate.time.sources import has_gate, is_freezebench, sources
from bench.gate.time.wire import PROTOCOL, Answer, Ask, Hello, SidePlan
from bench.run import interruption
from bench.run.messages import TurnReading, WarmUpReading
from bench.run.process import CellError, RefusedError, WorkerLostError, cause_of_death

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.time.checkout import Checkout
    from bench.records import Request

START_TIMEOUT = 300.0
"""Seconds for an interpreter to start and import torch, from a cold disk too."""

END_TIMEOUT = 2.0
"""Seconds for a worker that has closed its pipe, or a forker that was told to, to end."""

ANSWERS = {
    "warm_up": WarmUpReading,
    "turn": TurnReading,
    "slowed_turn": TurnReading,
    "modules_below": list[str],
}
"""What a worker's answers are, on this side of the wire; nothing, for the others."""


class SideError(Exception):
    """A side cannot take part; the message says which and why, and what to do.

    Attributes:
        head_alone: whether it is the head's own code that cannot run.
    """

    def __init__(self, sentence: str, *, head_alone: bool = False) -> None:
        super().__init__(sentence)
        self.head_alone = head_alone


@dataclass(frozen=True)
class Side:
    """A checkout with the interpreter that runs it."""

    checkout: Checkout
    python: Path


class Forker:
    """A process with torch imported, that forks workers for the sides of one interpreter.

    Args:
        python: the interpreter.
        threads: of torch's, fixed from the start.
        preload: further packages to import; none may start a thread or touch a GPU.
        scratch: a folder for compiled modules, the same for all sides.

    Raises:
        SideError: the interpreter does not start.
    """

    def __init__(self, python: Path, threads: int, preload: Sequence[str], scratch: Path) -> None:
        self._scratch = scratch
        self._python = python
        # Appended to: whoever reads it must not move the place where the others write.
        self._said = tempfile.TemporaryFile("a+b")  # noqa: SIM115  closed in `end`
        ours, theirs = socket.socketpair()
        script = str(Path(forker.__file__).resolve())
        modules = ["torch", "torch._dynamo", *preload]
        try:
            self._process = subprocess.Popen(
                [str(python), "-P", script, str(theirs.fileno()), *modules],
                env=_environment(threads),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is the gate's business
            )
        except OSError as error:
            ours.close()
            self._said.close()
            raise SideError(f"{python} does not start: {error.strerror}") from error
        finally:
            theirs.close()
        self._control = ours
        self._answers = ours.makefile("r")
        self._ready = False

    def wait(self) -> None:
        """Until it has imported what it was told to.

        Raises:
            SideError: it ended instead.
        """
        self._control.settimeout(START_TIMEOUT)
        try:
            ready = self._answers.readline() == "ready\n"
        except OSError as error:
            raise SideError(
                f"{self._python} has not imported torch after {START_TIMEOUT:.0f} s"
            ) from error
        if not ready:
            raise SideError(
                f"{self._python} cannot start ({self.last_words()}); give an interpreter that "
                "freezebench is installed in"
            )
        self._ready = True

    def fork(self, checkout: Checkout) -> SideWorker:
        """A worker that stands in a checkout."""
        ours, theirs = socket.socketpair()
        order = {
            "folder": str(checkout.folder),
            **sources(checkout),
            "pycache": str(self._scratch),
        }
        socket.send_fds(self._control, [json.dumps(order).encode()], [theirs.fileno()])
        theirs.close()
        worker = self._answers.readline()
        if not worker:
            raise OSError(self.last_words())
        return SideWorker(self, int(worker), Connection(ours.detach()))

    def end_worker(self, worker: int, patience: float = 0.0) -> int:
        """Kill a worker; the exit code of one that ends by itself in `patience` seconds, else 0."""
        try:
            self._control.sendall(json.dumps({"end": worker, "patience": patience}).encode())
            return int(self._answers.readline() or 0)
        except (OSError, ValueError):
            return 0

    def ended_with(self) -> int | None:
        """The exit code, as `subprocess` has it; nothing while it lives."""
        return self._process.poll()

    def last_words(self) -> str:
        """The last line that it or one of its workers has said."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def end(self) -> None:
        """End it and all its workers, and whatever these have started."""
        self._answers.close()
        self._control.close()  # which ends it; it reaps its workers, as nobody else could
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_TIMEOUT if self._ready else 0)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._said.close()


class Stable:
    """The forkers of a gate, one for each interpreter; a context that ends them.

    Args:
        pythons: interpreters of the sides.
        threads: of torch's.
        preload: packages to import before any worker is forked.
        scratch: a folder for compiled modules.
    """

    def __init__(
        self, pythons: Sequence[Path], threads: int, preload: Sequence[str], scratch: Path
    ) -> None:
        self._start = partial(Forker, threads=threads, preload=preload, scratch=scratch)
        self._pythons = tuple(dict.fromkeys(pythons))
        self._forkers: dict[Path, Forker] = {}

    def renew(self) -> None:
        """Fresh forkers, ready to fork: other addresses, other pages, other luck.

        Raises:
            SideError: one does not start.
        """
        self.end()
        for python in self._pythons:
            self._forkers[python] = self._start(python)
        for one in self._forkers.values():
            one.wait()

    def fork(self, side: Side) -> SideWorker:
        """A worker that stands in a side's checkout.

        Raises:
            SideError: the forker is gone.
        """
        try:
            return self._forkers[side.python].fork(side.checkout)
        except (OSError, ValueError) as error:
            raise SideError(f"{side.checkout}: no worker can be forked ({error})") from error

    def end(self) -> None:
        """End all forkers and their workers."""
        while self._forkers:
            self._forkers.popitem()[1].end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class SideWorker:
    """A worker of a side, asked like any other (`bench.run.process.WorkerHandle`)."""

    def __init__(self, parent: Forker, worker: int, connection: Connection) -> None:
        self._forker = parent
        self._worker = worker
        self._connection = connection
        self._ended = False

    def ask(self, name: str, *arguments: Any, timeout: float | None = None) -> Any:
        """See `WorkerHandle.ask`."""
        interruption.check()
        try:
            self._connection.send_bytes(msgspec.json.encode(Ask(name, arguments)))
            if not wait([self._connection], timeout):
                self.end()
                raise WorkerLostError(f"no answer within {timeout:.0f} s (--cell-timeout)")
            answer = msgspec.json.decode(self._connection.recv_bytes(), type=Answer)
        except (EOFError, OSError) as error:
            raise WorkerLostError(self._cause_of_death()) from error
        if answer.refused is not None:
            raise RefusedError(answer.refused)
        if answer.failed is not None:
            raise CellError(answer.failed)
        try:
            return msgspec.json.decode(answer.value, type=ANSWERS.get(name, Any))
        except msgspec.ValidationError as error:
            raise CellError(f"its answer is not of this freezebench's form: {error}") from error

    def hello(self, checkout: Checkout) -> Hello:
        """Who the side is.

        Raises:
            SideError: it has no harness, or one with another protocol.
        """
        if is_freezebench(checkout.root) and not has_gate(checkout.root):
            # An installed one might step in for it otherwise, unseen.
            raise SideError(
                f"{checkout} cannot take part: its freezebench is from before the gate; choose a "
                "later commit"
            )
        try:
            said = self.ask("hello", timeout=START_TIMEOUT)
            spoken = msgspec.convert(said, type=dict[str, Any])
            if spoken.get("protocol") == PROTOCOL:
                return msgspec.convert(said, type=Hello)
        except (CellError, msgspec.MsgspecError) as error:
            raise SideError(f"{checkout} cannot take part: {_why(error)}") from error
        raise SideError(
            f"{checkout} brings a freezebench ({spoken.get('version')}) whose gate speaks protocol "
            f"{spoken.get('protocol')}, and this one speaks {PROTOCOL}; compare commits between "
            "which it did not change"
        )

    def plan(self, checkout: Checkout, request: Request) -> SidePlan:
        """The cells that the side makes of a request.

        Raises:
            SideError: the side refuses; there is no such workload in it, or it doesn't build.
        """
        try:
            asked = msgspec.to_builtins(request)
            plan = self.ask("plan", asked, timeout=request.cell_timeout)
            return msgspec.convert(plan, type=SidePlan)
        except CellError as error:
            alone = checkout.label == "head"  # the base has planned the same before
            raise SideError(f"{checkout}: {error}", head_alone=alone) from error
        except msgspec.ValidationError as error:
            raise SideError(
                f"{checkout} has a freezebench of another schema ({error}); compare commits "
                "between which it did not change"
            ) from error

    def end(self) -> None:
        """End it; asking twice does no harm."""
        if not self._ended:
            self._ended = True
            self._connection.close()
            self._forker.end_worker(self._worker)

    def _cause_of_death(self) -> str:
        if self._ended:
            return "the worker was ended"
        self._ended = True
        with contextlib.suppress(OSError):
            self._connection.close()
        code = self._forker.end_worker(self._worker, END_TIMEOUT)
        if (forker_code := self._forker.ended_with()) is not None:
            return f"the process it was forked from ended: {cause_of_death(forker_code)}"
        if code == forker.COULD_NOT_SERVE:
            return self._forker.last_words()
        return cause_of_death(code)


def _why(error: Exception) -> str:
    """Why a side says no hello: at that moment it has imported the harness and nothing else."""
    missing = re.search(r"No module named '([^']+)'", str(error))
    if missing is None:
        return str(error)
    return f"its interpreter has no module {missing[1]}; install freezebench there"


def _environment(threads: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
