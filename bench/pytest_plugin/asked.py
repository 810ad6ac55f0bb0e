"""What a test asks for, checked: a request like the command line's."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from bench.records import PHASES, Dtype, Optimizer, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = 5
"""Training steps after which drift is read, as on the command line."""
CELL_TIMEOUT = 300.0
"""Seconds after which a worker that gives no answer is ended, as on the command line."""
MOST_SEED = 2**32 - 1


class MistakeError(ValueError):
    """A test asks for what there is not; the message says what there is."""


def asked(
    strategy: str,
    workload: str,
    phase: str,
    *,
    device: str,
    batch: int | None,
    threads: int,
    dtype: str,
    optimizer: str,
    freeze: str | Sequence[str],
    seed: int,
) -> Request:
    """The request for one cell.

    Raises:
        MistakeError: a phase, dtype or optimizer that there is not, or a figure out of range.
            Names of strategies, workloads and devices are looked up by the worker.
    """
    _known("phase", phase, PHASES)
    _known("dtype", dtype, get_args(Dtype))
    _known("optimizer", optimizer, get_args(Optimizer))
    at_least_one("batch", batch)
    at_least_one("threads", threads)
    if not 0 <= seed <= MOST_SEED:
        raise MistakeError(f"seed must be from 0 to {MOST_SEED}, not {seed}")
    return Request(
        workloads=(workload,),
        strategies=(strategy,),
        device=device,
        dtype=cast("Dtype", dtype),
        batch=batch,
        threads=threads,
        optimizer=cast("Optimizer", optimizer),
        seed=seed,
        steps=STEPS,
        precision=0.05,  # pytest-benchmark decides how long to measure: neither this
        budget=90.0,  # nor this is looked at
        cell_timeout=CELL_TIMEOUT,
        freeze=(freeze,) if isinstance(freeze, str) else tuple(freeze),
        weights=None,
        compile=False,
        channels_last=False,
    )


def at_least_one(name: str, value: int | None) -> None:
    """Refuse a count below 1; `None` leaves it open.

    Raises:
        MistakeError: it is less than 1.
    """
    if value is not None and value < 1:
        raise MistakeError(f"{name} must be at least 1, not {value}")


def _known(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        from strategies.suggest import suggest  # noqa: PLC0415  brings torch along

        raise MistakeError(f"there is no {what} {name!r}; {suggest(str(name), list(known))}")
