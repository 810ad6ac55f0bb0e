"""A side of the gate, in a worker that stands in its checkout: asks come in, answers go out."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import bench
from bench.cells import CellPlan
from bench.gate.time.wire import PROTOCOL, Answer, Ask, Hello, PlannedCell, SidePlan
from bench.measure.clock import StepTimes
from bench.records import Request
from bench.run.messages import Done, Refused
from bench.run.worker import Worker, answer, settle

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Side:
    """Answers the gate, with a worker of the checkout's own code."""

    def __init__(self) -> None:
        self._worker = Worker()

    def answer(self, ask: Ask) -> Answer:
        """The answer to one request; whatever goes wrong is an answer too."""
        if ask.name == "hello":
            harness = str(Path(bench.__file__).resolve().parents[1])
            return _said(Hello(PROTOCOL, bench.__version__, platform.python_version(), harness))
        found = answer(self._worker, ask.name, *_arguments(ask))
        if isinstance(found, Done):
            return _said(_plan(found.value, ask) if ask.name == "plan" else found.value)
        if isinstance(found, Refused):
            return Answer(refused=found.sentence)
        return Answer(failed=found.why)


def _arguments(ask: Ask) -> tuple[Any, ...]:
    """The arguments as the worker takes them."""
    types = {"plan": (Request,), "ready": (int, CellPlan), "slow_down": (int, dict, StepTimes)}
    if ask.name not in types:
        return ask.arguments
    pairs = zip(ask.arguments, types[ask.name], strict=True)
    return tuple(msgspec.convert(value, wanted) for value, wanted in pairs)


def _plan(plan: Any, ask: Ask) -> SidePlan:
    """Without `full`, which is in every plan, unless it was asked for."""
    wanted = ask.arguments[0]["strategies"]
    return SidePlan(
        machine=plan.machine,
        cells=tuple(
            PlannedCell(
                workload=cell.workload,
                strategy=cell.strategy,
                topology=cell.topology,
                device=cell.device,
                dtype=cell.dtype,
                batch=cell.batch,
                threads=cell.threads,
                optimizer=cell.optimizer,
                plan=msgspec.to_builtins(cell),
            )
            for cell in plan.cells
            if cell.strategy != "full" or "full" in wanted
        ),
    )


def _said(value: Any) -> Answer:
    return Answer(value=msgspec.Raw(msgspec.json.encode(value)))


def serve(connection: Connection) -> None:
    """Answer until the other end is closed."""
    sys.stdout = sys.stderr  # what a workload prints is not for the gate's reader
    settle()
    side = Side()
    while True:
        try:
            asked = msgspec.json.decode(connection.recv_bytes(), type=Ask)
            connection.send_bytes(msgspec.json.encode(side.answer(asked)))
        except (EOFError, OSError):
            return
