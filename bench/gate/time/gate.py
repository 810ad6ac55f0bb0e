"""The gate by time, from two revisions to a record: wires checkouts, sides and the trial."""

from __future__ import annotations

import contextlib
import random
import secrets
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.gate.time.checkout import CheckoutError, checked_out
from bench.gate.time.comparison import Outcome, compare
from bench.gate.time.record import SCHEMA, Gate, SideRecord, Terms
from bench.gate.time.sides import Side, SideError, Stable
from bench.gate.time.trial import Trial
from bench.run.session import preload_for, without_folders

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.gate.time.checkout import Checkout
    from bench.gate.time.wire import Hello, PlannedCell, SidePlan
    from bench.records import Request

LEAST_SECONDS = 1.0
"""Of racing, for each cell in a life."""

GROWTH = 2**26
"""Bytes by which the head's process may grow more than the base's within a life, unsaid."""


@dataclass(frozen=True)
class Asked:
    """What a time gate is asked for.

    Attributes:
        base, head: revisions or folders.
        base_python, head_python: interpreters.
        request: workloads, strategies and how to train them.
        terms: margins, errors, budget.
        here: the folder that the gate is called from.
    """

    base: str
    head: str
    base_python: Path
    head_python: Path
    request: Request
    terms: Terms
    here: Path


def gate(
    asked: Asked,
    *,
    told: Callable[[str, float], None] = lambda _what, _spent: None,
    now: Callable[[], float] = time.monotonic,
    head_slow_down: dict[str, float] | None = None,
) -> Gate:
    """Carry out a time gate.

    Args:
        asked: what is asked for.
        told: hears what goes on, with the seconds spent racing.
        now: monotonic seconds.
        head_slow_down: fractions by which the head's phases are slowed, to study the gate itself.

    Raises:
        CheckoutError, SideError: a side is not there, or cannot take part.
        BudgetError: the budget does not hold the fewest lives that tell anything.
        SideFailedError: a cell of one side cannot run.
    """
    begin = now()
    started = datetime.now(UTC)
    threads = asked.request.threads or 1
    request = replace(asked.request, threads=threads)
    with contextlib.ExitStack() as stack:
        told("checking out", 0.0)
        base_tree = stack.enter_context(checked_out("base", asked.base, asked.here))
        head_tree = stack.enter_context(checked_out("head", asked.head, asked.here))
        told("starting both sides", 0.0)
        if base_tree.root == head_tree.root and base_tree.folder != head_tree.folder:
            raise CheckoutError(
                f"base and head are two folders of one checkout ({base_tree.spec}, "
                f"{head_tree.spec}), which would find each other's packages; give a revision, or "
                "a folder outside of this repository"
            )
        base, head = Side(base_tree, asked.base_python), Side(head_tree, asked.head_python)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="freezebench-")))
        preload = [name for name in preload_for(request) if not name.startswith("bench")]
        pythons = (base.python, head.python)
        stable = stack.enter_context(Stable(pythons, threads, preload, scratch))
        hellos, plans = introduced((base, head), request, stable)
        cells = shared_cells(*plans)
        terms = replace(asked.terms, life_seconds=racing_seconds(asked.terms, cells=len(cells)))
        trial = Trial(
            base=base,
            head=head,
            cells=cells,
            harnesses={"base": hellos[0].harness, "head": hellos[1].harness},
            stable=stable,
            terms=terms,
            timeout=request.cell_timeout,
            shuffler=random.Random(request.seed),
            now=now,
            head_slow_down=head_slow_down,
        )
        outcome = Outcome()
        compare(trial, terms, threads, outcome, now=now, told=told)
        base_side = _side(base.checkout, hellos[0], plans[0])
        head_side = _side(head.checkout, hellos[1], plans[1])
        return Gate(
            schema=SCHEMA,
            id=f"gate-{started.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}",
            started=started.isoformat(timespec="seconds"),
            answer=outcome.answer,
            why=outcome.why,
            notes=_notes(outcome, base.checkout, head.checkout, (base_side, head_side)),
            seconds=now() - begin,
            looks=outcome.looks,
            base=base_side,
            head=head_side,
            machine=plans[1].machine,
            request=without_folders(request),
            terms=terms,
            rows=outcome.rows,
            lives=outcome.lives,
        )


def racing_seconds(terms: Terms, *, cells: int) -> float:
    """For how long a life races: what the terms say for each cell, as far as the budget goes.

    A tenth of it is one life's at most, so that there are enough lives to tell something; but a
    cell has a second at least.
    """
    return min(cells * terms.life_seconds, max(cells * LEAST_SECONDS, terms.budget / 10))


def introduced(
    sides: tuple[Side, Side], request: Request, stable: Stable
) -> tuple[list[Hello], list[SidePlan]]:
    """Who the sides are, and what they plan: base, then head.

    Raises:
        SideError: one cannot take part, or refuses the request.
    """
    hellos, plans = [], []
    stable.renew()
    for side in sides:
        worker = stable.fork(side)
        hellos.append(worker.hello(side.checkout))
        plans.append(worker.plan(side.checkout, request))
        worker.end()
    return hellos, plans


def shared_cells(base: SidePlan, head: SidePlan) -> list[tuple[PlannedCell, PlannedCell]]:
    """The head's cells, each with the base's of the same name.

    Raises:
        SideError: the sides would train something different under the same name.
    """
    of_base = {(cell.workload, cell.strategy): cell for cell in base.cells}
    shared = []
    for cell in head.cells:
        other = of_base.get((cell.workload, cell.strategy))
        if other is None:
            raise SideError(f"the base has no {cell.name}, so there is nothing to compare with")
        for field in ("batch", "topology", "device", "dtype", "optimizer", "threads"):
            then, now = getattr(other, field), getattr(cell, field)
            if then != now:
                raise SideError(
                    f"{cell.name} has {field} {then} in the base and {now} in the head; times of "
                    "the two say nothing about each other"
                    + ("; fix it with --batch" if field == "batch" else "")
                )
        shared.append((other, cell))
    return shared


def _side(checkout: Checkout, hello: Hello, plan: SidePlan) -> SideRecord:
    spec = checkout.spec
    return SideRecord(
        spec=Path(spec).name if spec.startswith(("/", "~", "..")) else spec,
        commit=checkout.commit,
        dirty=checkout.dirty,
        freezebench=hello.version,
        python=hello.python,
        torch=plan.machine.torch,
    )


def _notes(
    outcome: Outcome, base: Checkout, head: Checkout, records: tuple[SideRecord, SideRecord]
) -> list[str]:
    notes = []
    for side in (base, head):
        if side.dirty:
            notes.append(
                f"the {side.label} has changes that are not committed, and was measured with them"
            )
    if base.commit == head.commit is not None and not (base.dirty or head.dirty):
        notes.append("base and head are the same commit")
    then_side, now_side = records
    for what, then, now in (
        ("torch", then_side.torch, now_side.torch),
        ("Python", then_side.python, now_side.python),
    ):
        if then != now:
            notes.append(f"the base has {what} {then}, the head {now}")
    grown = [life.grown_bytes for life in outcome.lives if life.grown_bytes]
    more = [g.get("head", 0) - max(g.get("base", 0), g.get("again", 0)) for g in grown]
    if more and sum(extra > GROWTH for extra in more) > len(more) / 2:
        notes.append(
            f"the head's process grew by {max(more) / 2**20:.0f} MiB more than the base's within a "
            "life of some seconds: it keeps something of every step"
        )
    repeated = sum(life.repeated for life in outcome.lives)
    if repeated:
        notes.append(f"{repeated} turns were taken again because the device was throttled")
    return notes
