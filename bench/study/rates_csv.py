"""Every rate of the study, one a row."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.study.findings import Findings
    from bench.study.rates import Rate

COLUMNS = (
    "kind", "judge", "scenario", "neighbours", "fault", "slow_down", "margin", "outcome", "count",
    "of", "rate", "low", "high",
)  # fmt: skip


def rates_csv(found: Findings) -> bytes:
    """UTF-8 CSV. Rates, slow-downs and margins are fractions; the interval is of 95%.

    `kind` is `real`, `lives` or `forkers` (drawn gates), `rival` or `coverage`. What a row has
    nothing to say about is empty.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(found))
    return stream.getvalue().encode()


def _rows(found: Findings) -> Iterator[tuple[object, ...]]:
    for gate, tally in found.real.values():
        about = (gate.scenario, gate.neighbours, gate.fault, gate.nominal, gate.margin)
        for answer, one in tally.rates.items():
            yield ("real", "gate", *about, answer, *_figures(one))
    for scene in found.scenes:
        where = (scene.scenario, scene.neighbours, scene.fault, scene.nominal)
        for (margin, kind), tally in scene.tallies.items():
            for answer, one in tally.rates.items():
                yield (kind, "gate", *where, margin, answer, *_figures(one))
        for name, (one, _) in scene.rivals.items():
            yield ("rival", name, *where, "", "alarm", *_figures(one))
        for case in scene.covered:
            judge = f"interval of {case.lives} lives, {case.phase}"
            yield ("coverage", judge, *where, "", f"holds {case.truth}", *_figures(case.found))


def _figures(one: Rate) -> tuple[object, ...]:
    return one.count, one.of, *(f"{value:.6g}" for value in (one.value, one.low, one.high))
