"""Made-up outcomes, figures and records of claims."""

from __future__ import annotations

from bench.claims import ROSTER
from bench.claims.cost_of_run import Versus
from bench.claims.denoising.arms import ARMS, TOLD
from bench.records import (
    CLAIMS_SCHEMA,
    Answer,
    Arm,
    Claims,
    Cost,
    Curve,
    Denoising,
    Figure,
    Interval,
    Machine,
    Project,
    StrategyResult,
)
from strategies import ROSTER as STRATEGIES

NOISES = (0.0, 1.0, 4.0)
SEEDS = (0, 1, 2, 3, 4)
_SCATTER = (0.0, 0.01, -0.01, 0.005, -0.005)


def denoising(gain=(0.1, 0.1), clean=0.98, better=None):
    """Arms read 0.5 of the noisy digits, adapters by `gain` more; `better` names one that wins."""
    arms = []
    for arm in ARMS:
        levels = []
        for place, noise in enumerate(NOISES):
            extra = gain[place - 1] if arm.way != "alone" and noise else 0.0
            extra += 0.1 if arm.name == better and noise else 0.0
            # The scatter differs from arm to arm, so that paired differences scatter, too.
            scatter = [one * (1 + len(arms) / 10) for one in _SCATTER]
            levels.append([0.5 + extra + one for one in scatter] if arm.trained_at(noise) else [])
        arms.append(Arm(arm.name, arm.layers, TOLD[arm.way], levels))
    curves = [Curve(arm.name, 4.0, [0, 10], [[0.3, 0.6]] * len(SEEDS)) for arm in ARMS]
    strategies = [
        StrategyResult(name, "severed", "cut", [0.5] * 5, [0.5] * 5)
        if name == "no_grad"
        else StrategyResult(name, "ok", "", [0.5] * 5, [0.6, 0.61, 0.62, 0.6, 0.6])
        for name in STRATEGIES
    ]
    return Denoising(
        noises=list(NOISES),
        seeds=list(SEEDS),
        steps=10,
        batch=4,
        held_out=360,
        clean=[clean] * 5,
        arms=arms,
        curves=curves,
        strategy_noise=4.0,
        strategies=strategies,
    )


def cost(workload="policy", strategy="requires_grad", **figures):
    """A cell's cost; what isn't given is 100."""
    usual = {
        "backward_flops": 100,
        "autograd_nodes": 100,
        "saved_bytes": 100,
        "frozen_gradient_bytes": 100,
    }
    return Cost(workload=workload, topology="front", strategy=strategy, **{**usual, **figures})


def versus(low=0.4, high=0.6, workload="policy", **mine):
    """A pair whose time ratio has these bounds (`None`: not timed)."""
    ratio = None if low is None else Interval((low + high) / 2, low, high)
    figures = {"backward_flops": 50, "autograd_nodes": 50, "frozen_gradient_bytes": 0, **mine}
    return Versus(
        workload, "front", cost(workload, **figures), cost(workload, "full"), ratio, ratio
    )


def claims(**changes):
    """A whole record; every verdict there is among its answers, and one that broke."""
    verdicts = ("holds", "holds only when", "false", "can't tell", None)
    answers = [
        Answer(
            number=number,
            source=claim.source,
            claim=claim.said,
            question=claim.question,
            verdict=verdicts[number % len(verdicts)],
            condition="the moon | is full" if number % len(verdicts) == 1 else "",
            answer=[f"Sentence of {number}."],
            figures=[
                Figure("ratio", 0.391, "×", 0.371, 0.411),
                Figure("share", 0.963, "%", 0.951, 0.974),
                Figure("gain", -0.048, "points", -0.102, 0.007),
                Figure("bytes", 1234567, "bytes"),
                Figure("gone", None),
                Figure("moved", 0.00497),
            ],
            rule=claim.rule,
            how=claim.how,
            command=f"freezebench claims {number}",
            seconds=1.0,
            short=claim.short,
            headline="2 → 1 | nodes" if number == 1 else "",
            why="it broke" if verdicts[number % len(verdicts)] is None else "",
        )
        for number, claim in ROSTER.items()
    ]
    ratio = Interval(0.5, 0.4, 0.6)
    whole = {
        "schema": CLAIMS_SCHEMA,
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 200.0,
        "machine": Machine(
            name="cpu", cpu="A CPU", cores=2, memory_bytes=2**34, os="Linux", python="3.12.1",
            torch="2.14.1", torchvision="0.29", blas="mkl",
        ),
        "project": Project("0.1.0", "0123456789abcdef", dirty=False),
        "seeds": 5,
        "answers": answers,
        "costs": [
            cost(workload, strategy, total=ratio, backward=ratio, allowed_total=0.3)
            for workload in ("policy", "adapter")
            for strategy in ("requires_grad", "lr_zero")
        ],
        "denoising": denoising(),
    }  # fmt: skip
    return Claims(**{**whole, **changes})
