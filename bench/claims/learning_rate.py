"""A learning rate of 0 as a way of freezing: what revives it, and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import lr_scheduler as schedules

from bench.claims.claim import Claim, Judged, figure, listed
from bench.claims.laboratory import training
from bench.measure.counters import read_counters
from bench.measure.memory import read_memory
from bench.workloads.seeding import seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.claims.laboratory import Laboratory

STEPS = 20
_LR = 0.01

# As their users make them, with the frozen group at 0; each for 20 steps.
SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, max_lr=0.1, total_steps=STEPS + 1),
    "CyclicLR": lambda o: schedules.CyclicLR(
        o, base_lr=0.001, max_lr=0.1, step_size_up=5, cycle_momentum=False
    ),
    "CosineAnnealingLR(eta_min=1e-3)": lambda o: schedules.CosineAnnealingLR(
        o, T_max=STEPS, eta_min=1e-3
    ),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, T_max=STEPS),
    "StepLR": lambda o: schedules.StepLR(o, step_size=5),
    "ExponentialLR": lambda o: schedules.ExponentialLR(o, gamma=0.9),
    "LinearLR": lambda o: schedules.LinearLR(o, total_iters=STEPS),
    "ConstantLR": lambda o: schedules.ConstantLR(o, total_iters=STEPS),
    "PolynomialLR": lambda o: schedules.PolynomialLR(o, total_iters=STEPS),
    "LambdaLR": lambda o: schedules.LambdaLR(o, lambda step: 1 / (1 + step)),
    "CosineAnnealingWarmRestarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, T_0=5),
}

# torch's own that take dense gradients without a closure.
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.01},
    "Adam": {"weight_decay": 0.01},
    "AdamW": {"weight_decay": 0.01},
    "NAdam": {},
    "RAdam": {},
    "Adamax": {},
    "Adagrad": {},
    "Adadelta": {},
    "RMSprop": {"momentum": 0.9},
    "ASGD": {},
    "Adafactor": {},
    "Rprop": {},
}


@dataclass(frozen=True)
class Revived:
    """The largest change of what has learning rate 0; NaN where it became no number.

    `cost` has, of `policy`, the frozen part's backward FLOPs, gradients and optimizer state with
    learning rate 0, beside what the flag leaves of each (`flag`).
    """

    steps: int
    by_optimizer: dict[str, float]
    by_scheduler: dict[str, float]
    infinite_gradient: float
    cost: dict[str, int]
    flag: dict[str, int]


class LearningRateZero(Claim[Revived]):
    """A learning rate of 0 and the flag, compared."""

    number = 13
    source = "article"
    said = "A learning rate of 0 for the frozen group achieves the same as requires_grad = False."
    short = "a learning rate of 0 does what the flag does"
    question = "Is a learning rate of 0 the same as freezing?"
    rule = (
        "false if the group moves with plain SGD, Adam or AdamW and no scheduler; holds only when "
        "nothing revives it, if it moves with some scheduler, other optimizer or gradient; holds "
        "if it never moves."
    )
    how = (
        f"{STEPS} steps of a small network whose first layer has learning rate 0: with "
        f"{len(OPTIMIZERS)} optimizers of torch, with {len(SCHEDULERS)} schedulers over SGD, and "
        "one step with an infinite gradient; FLOPs and bytes of `policy`, exact."
    )
    _PLAIN = ("SGD", "Adam", "AdamW")

    def measure(self, laboratory: Laboratory) -> Revived:
        """Every optimizer, every scheduler, an infinite gradient, and the cost."""
        return Revived(
            steps=STEPS,
            by_optimizer={name: _drift(name) for name in OPTIMIZERS},
            by_scheduler={name: _drift("SGD", make) for name, make in SCHEDULERS.items()},
            infinite_gradient=_drift("SGD", infinite=True),
            cost=_cost("lr_zero"),
            flag=_cost("requires_grad"),
        )

    def headline(self, outcome: Revived) -> str:
        """Schedulers under which the weight moves."""
        moved = sum(size != 0 for size in outcome.by_scheduler.values())
        return f"{moved} of {len(outcome.by_scheduler)} schedulers move it"

    def judge(self, outcome: Revived) -> Judged:
        """Plain training first, then what revives it."""
        optimizers = _that_moved(outcome.by_optimizer)
        schedulers = _that_moved(outcome.by_scheduler)
        infinite = outcome.infinite_gradient != 0  # NaN is not 0 either
        said = []
        if schedulers:
            safe = len(outcome.by_scheduler) - len(schedulers)
            said.append(
                f"The weight at learning rate 0 moves under {_sizes(schedulers)}, which write a "
                f"rate of their own over the 0; {safe} other schedulers keep it."
            )
        if optimizers:
            said.append(f"Without a scheduler it moves under {_sizes(optimizers)}.")
        if infinite:
            said.append(
                "An infinite gradient makes it "
                + ("NaN (0 × ∞)." if math.isnan(outcome.infinite_gradient) else "move.")
            )
        cost, flag = outcome.cost, outcome.flag
        said.append(
            f"And it costs what training costs: {cost['FLOPs']:,} backward FLOPs instead of "
            f"{flag['FLOPs']:,}, {cost['gradients']:,} bytes of gradients and "
            f"{cost['state']:,} bytes of optimizer state for the frozen part instead of "
            f"{flag['gradients']:,} and {flag['state']:,}."
        )
        figures = [figure(f"moved, {n}", size) for n, size in outcome.by_scheduler.items()]
        figures += [figure(f"moved, {n}", size) for n, size in outcome.by_optimizer.items()]
        figures.append(figure("moved by an infinite gradient", outcome.infinite_gradient))
        for name, unit in (("FLOPs", "FLOPs"), ("gradients", "bytes"), ("state", "bytes")):
            figures.append(figure(f"{name}, learning rate 0", cost[name], unit))
            figures.append(figure(f"{name}, flag off", flag[name], unit))
        if any(name in optimizers for name in self._PLAIN):
            return Judged("false", said, figures)
        conditions = []
        if schedulers:
            conditions.append("no scheduler writes the rate")
        if optimizers:
            conditions.append(f"the optimizer is not {' or '.join(optimizers)}")
        if infinite:
            conditions.append("every gradient is finite")
        if conditions:
            return Judged("holds only when", said, figures, listed(conditions))
        return Judged("holds", said, figures)


def _that_moved(sizes: dict[str, float]) -> dict[str, float]:
    return {name: size for name, size in sizes.items() if size != 0}


def _sizes(moved: dict[str, float]) -> str:
    return listed([f"{name} (by {size:.2g})" for name, size in moved.items()])


def _drift(
    optimizer: str, scheduler: Callable[[Any], Any] | None = None, *, infinite: bool = False
) -> float:
    with seeded(0):
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        images, labels = torch.randn(16, 6), torch.randint(3, (16,))
    frozen, trainable = list(model[0].parameters()), list(model[2].parameters())
    groups = [{"params": trainable, "lr": _LR}, {"params": frozen, "lr": 0.0}]
    made = getattr(torch.optim, optimizer)(groups, lr=_LR, **OPTIMIZERS[optimizer])
    schedule = scheduler(made) if scheduler else None
    start = [tensor.detach().clone() for tensor in frozen]
    for _ in range(STEPS):
        nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        if infinite and frozen[0].grad is not None:
            frozen[0].grad[0, 0] = math.inf
        made.step()
        made.zero_grad()
        if schedule is not None:
            schedule.step()
        if infinite:
            break
    sizes = [(now.detach() - then).abs() for now, then in zip(frozen, start, strict=True)]
    if any(bool(size.isnan().any()) for size in sizes):
        return math.nan
    return max(float(size.max()) for size in sizes)


def _cost(strategy: str) -> dict[str, int]:
    trained = training("policy", strategy)
    memory = read_memory(trained).memory
    if memory.gradient_bytes is None or memory.optimizer_bytes is None:
        raise RuntimeError("the bytes of a training on the CPU are always there")
    return {
        "FLOPs": read_counters(trained).backward_flops or 0,
        "gradients": memory.gradient_bytes.frozen,
        "state": memory.optimizer_bytes.frozen,
    }
