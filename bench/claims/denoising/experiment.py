"""All of it: classifiers, arms, strategies, over the processors that there are."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bench.claims.denoising.arms import ARMS, TOLD
from bench.claims.denoising.tasks import learn_arm, learn_classifier, learn_under
from bench.records import Arm, Curve, Denoising, StrategyResult
from bench.run.machine import physical_cores
from bench.workloads.digits import HELD_OUT
from strategies import ROSTER

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from bench.claims.denoising.freezing import UnderStrategy
    from bench.claims.denoising.learning import Trained
    from bench.claims.denoising.settings import Settings
    from bench.run.progress import Progress

    Task = tuple[Callable[..., Any], tuple[Any, ...]]
    Carry = Callable[[Mapping[Hashable, Task]], dict[Hashable, Any]]


def experiment(settings: Settings, progress: Progress) -> Denoising:
    """Carry the experiment out.

    Every figure depends on its seed alone: each task runs on one thread with random numbers of its
    own, so the number of processes changes nothing.
    """
    seeds = range(settings.seeds)
    arms = [
        (place, noise)
        for place, arm in enumerate(ARMS)
        for noise in settings.noises
        if arm.trained_at(noise)
    ]
    progress.begin("noisy digits", len(seeds) * (1 + len(arms) + len(ROSTER)))
    with (
        tempfile.TemporaryDirectory(prefix="freezebench-") as scratch,
        _workers(settings, progress) as carry,
    ):
        common = (settings, Path(scratch))
        clean = carry({seed: (learn_classifier, (seed, *common)) for seed in seeds})
        rest: dict[Hashable, Task] = {
            (place, noise, seed): (learn_arm, (place, noise, seed, *common))
            for place, noise in arms
            for seed in seeds
        }
        rest |= {(n, seed): (learn_under, (n, seed, *common)) for n in ROSTER for seed in seeds}
        found = carry(rest)
    return Denoising(
        noises=list(settings.noises),
        seeds=list(seeds),
        steps=settings.steps,
        batch=settings.batch,
        held_out=HELD_OUT,
        clean=[clean[seed] for seed in seeds],
        arms=[_arm(place, found, settings) for place in range(len(ARMS))],
        curves=[
            _curve(place, found, settings) for place, noise in arms if noise == settings.curve_noise
        ],
        strategy_noise=settings.strategy_noise,
        strategies=[_strategy(name, [found[name, seed] for seed in seeds]) for name in ROSTER],
        strategy_steps=settings.strategy_steps,
        strategy_batches=settings.strategy_batches,
    )


def _arm(place: int, found: Mapping[Hashable, Any], settings: Settings) -> Arm:
    plan = ARMS[place]
    return Arm(
        name=plan.name,
        layers=plan.layers,
        told=TOLD[plan.way],
        accuracy=[
            [found[place, noise, seed].accuracy for seed in range(settings.seeds)]
            if plan.trained_at(noise)
            else []
            for noise in settings.noises
        ],
    )


def _curve(place: int, found: Mapping[Hashable, Any], settings: Settings) -> Curve:
    each: list[Trained] = [
        found[place, settings.curve_noise, seed] for seed in range(settings.seeds)
    ]
    return Curve(
        arm=ARMS[place].name,
        noise=settings.curve_noise,
        steps=[step for step, _ in each[0].looks],
        accuracy=[[accuracy for _, accuracy in one.looks] for one in each],
    )


def _strategy(name: str, each: list[UnderStrategy]) -> StrategyResult:
    """The verdict of the first seed; it hangs on the strategy and not on the weights."""
    return StrategyResult(
        strategy=name,
        verdict=each[0].verdict,
        why=each[0].why,
        before=[one.before for one in each],
        after=[one.after for one in each],
    )


@contextmanager
def _workers(settings: Settings, progress: Progress) -> Iterator[Carry]:
    """Something that carries tasks out, in this process or in several."""
    count = settings.processes or physical_cores()
    if count == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)

        def here(tasks: Mapping[Hashable, Task]) -> dict[Hashable, Any]:
            found = {}
            for name, (function, arguments) in tasks.items():
                with torch.random.fork_rng(devices=[]):
                    found[name] = function(*arguments)
                progress.advance(1)
            return found

        try:
            yield here
        finally:
            torch.set_num_threads(threads)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin_worker)

    def there(tasks: Mapping[Hashable, Task]) -> dict[Hashable, Any]:
        waiting = {
            pool.submit(function, *arguments): name for name, (function, arguments) in tasks.items()
        }
        found = {}
        for future in as_completed(waiting):
            found[waiting[future]] = future.result()
            progress.advance(1)
        return found

    try:
        yield there
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """One thread; Ctrl-C is the parent's to answer, and a task ends within seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
