"""Made-up time gates: every answer, every reason that none can be given, and names that hurt."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from requested import requested
from rich.console import Console

from bench.gate.time.record import SCHEMA, Bounds, Gate, Life, Row, SideRecord, Terms
from bench.records import Machine
from bench.report.gate.time_text import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.time.record import Answer

SHARES = {"forward": 0.3, "backward": 0.6, "update": 0.1, "total": 1.0}
HOSTILE = ("a|b`c", "<b>x</b>", "[red]y", "z\x1b[2J\u202e", "::error::%0A", "w" * 120)


def bounds(value: float, half: float = 0.01) -> Bounds:
    return Bounds(value=value, low=value - half, high=value + half)


def row(phase: str = "total", ratio: float = 1.0, **changes: Any) -> Row:
    """As the gate judges it: PASS, unless the changes say otherwise."""
    plain: dict[str, Any] = {
        "workload": "policy",
        "strategy": "requires_grad",
        "phase": phase,
        "clock": "cpu",
        "share": SHARES[phase],
        "judged": SHARES[phase] >= Terms().least_share,
        "margin": 0.03 if phase == "total" else 0.05,
        "head": bounds(ratio),
        "again": bounds(0.997),
        "slowed": bounds(1.098),
        "fail_bound": ratio - 0.02,
        "pass_bound": ratio + 0.02,
        "p": 1.0,
        "answer": "PASS",
    }
    return Row(**{**plain, **changes})


def cell(**phases: Row) -> list[Row]:
    return [phases.get(phase, row(phase)) for phase in SHARES]


def life(number: int, purpose: Any = "trial", **changes: Any) -> Life:
    plain: dict[str, Any] = {"others": 0.02, "stolen": 0.0}
    return Life(number, purpose, 5.0, 0.5, [], **{**plain, **changes})


REQUEST = requested(
    strategies=("requires_grad",),
    threads=1,
    steps=1,
    precision=0.03,
    budget=150.0,
    cell_timeout=300.0,
)


def side(spec: str, commit: str | None = "1a2b3c4d" * 5, *, dirty: bool = False) -> SideRecord:
    return SideRecord(spec, commit, dirty, "0.1.0", "3.12.4", "2.15.0")


def gate(answer: Answer = "PASS", rows: Sequence[Row] | None = None, **changes: Any) -> Gate:
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "id": "gate-20260101-000000-abcd",
        "started": "2026-01-01T00:00:00+00:00",
        "answer": answer,
        "why": "every ratio is below its margin, after 5 lives",
        "notes": [],
        "seconds": 30.0,
        "looks": 1,
        "base": side("origin/main"),
        "head": side(".", "5e6f7a8b" * 5, dirty=True),
        "machine": Machine("box", "EPYC", 2, 2**34, "Linux", "3.12.4", "2.15.0", "0.30.0", "MKL"),
        "request": REQUEST,
        "terms": Terms(),
        "rows": cell() if rows is None else list(rows),
        "lives": [life(number) for number in range(1, 6)],
    }
    return Gate(**{**plain, **changes})


def failed(**changes: Any) -> Gate:
    plain: dict[str, Any] = {
        "rows": cell(
            backward=row("backward", 1.12, answer="FAIL", p=0.0001, confirmed=bounds(1.13)),
            total=row("total", 1.08, answer="FAIL", p=0.0001, confirmed=bounds(1.09)),
        ),
        "why": "slower, and confirmed by fresh processes: policy × requires_grad, total +8.0%",
        "lives": [life(n, "trial" if n < 6 else "confirmation") for n in range(1, 11)],
    }
    return gate("FAIL", **{**plain, **changes})


def unsure(why: str, **changes: Any) -> Gate:
    """It can't tell about the whole step, for the reason given."""
    plain: dict[str, Any] = {
        "rows": cell(total=row(answer="CAN'T TELL", why=why)),
        "why": f"policy × requires_grad, total: {why}",
    }
    return gate("CAN'T TELL", **{**plain, **changes})


DIFFERED = "the base differed from itself by +4.1%, more than the margin"
UNSEEN = "the base with a known slow-down could not be told from the base (+9.0%, +1.0% to +17.0%)"
WIDE = "the ratio lies between -1.0% and +4.0%, and the margin of +3.0% within or too near"
UNCONFIRMED = "it looked slower, and fresh processes did not confirm it: +0.4% there"
NO_LIFE = gate("CAN'T TELL", [], why="the clock of this machine went backwards", lives=[], looks=0)
ONE_LIFE = gate(
    "CAN'T TELL",
    [
        replace(one, head=Bounds(1.3, 0.0, 1e304), again=Bounds(1.0, 0.0, 1e304))
        for one in cell(total=row(answer="CAN'T TELL", why=WIDE))
    ],
    lives=[life(1, others=None, stolen=None)],
)
ALL = {
    "pass": gate(),
    "fail": failed(),
    "base differs from itself": unsure(DIFFERED),
    "slow-down unseen": unsure(UNSEEN),
    "too wide": unsure(WIDE),
    "not confirmed": unsure(UNCONFIRMED),
    "no life": NO_LIFE,
    "one life": ONE_LIFE,
}
every = pytest.mark.parametrize("found", ALL.values(), ids=ALL.keys())
unanswered = pytest.mark.parametrize("why", [DIFFERED, UNSEEN, WIDE, UNCONFIRMED])


def text_of(found: Gate, width: int = 80, **options: Any) -> str:
    stream = io.StringIO()
    show(found, Console(file=stream, width=width, **options))
    return stream.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())
