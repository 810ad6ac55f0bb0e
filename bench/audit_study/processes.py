"""Set-ups observed by several processes at once, each with one thread."""

from __future__ import annotations

import signal
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

import torch

from bench.audit_study import SEED
from bench.audit_study.observe import PROCESSOR, observe, why_not_on
from bench.audit_study.roster import set_ups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.audit_study.outcome import Outcome


class Observed(NamedTuple):
    """The outcome of a set-up, or why it cannot run on the device."""

    name: str
    outcome: Outcome | None
    why_not: str | None = None


def observed(names: Sequence[str], device: str, jobs: int, seed: int = SEED) -> Iterator[Observed]:
    """Observe the set-ups of these names, in their order.

    Args:
        names: of set-ups.
        device: on which they make their tensors.
        jobs: how many processes; with one, this process.
        seed: of the random numbers that each begins with.
    """
    one = partial(_observed, device=device, seed=seed)
    if jobs == 1:
        _one_thread()
        yield from map(one, names)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin) as pool:
        try:
            yield from pool.map(one, names)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides about Ctrl-C
    _one_thread()


def _one_thread() -> None:
    torch.set_num_threads(1)  # tiny models: more threads would only wait for each other


def _observed(name: str, device: str, seed: int) -> Observed:
    (set_up,) = [one for one in set_ups() if one.name == name]
    if device != PROCESSOR and (why_not := why_not_on(device, set_up, seed)):
        return Observed(name, None, why_not)
    return Observed(name, observe(set_up, device=device, seed=seed))
