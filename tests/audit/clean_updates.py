"""Small trainings with nothing wrong, of many kinds of optimizer, schedule, and update."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import SGD, lr_scheduler
from trainings import Mlp, freeze, inputs_of, plain, warmed

from bench.audit import Subject


def fresh_freeze(opt: Any) -> Any:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        keys = {"weight_decay": 0.1} if opt not in (torch.optim.Rprop, torch.optim.LBFGS) else {}
        return plain(model, opt(model.parameters(), lr=0.01, **keys))

    make.__name__ = f"fresh_freeze_{opt.__name__}"
    return make


def lbfgs() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.LBFGS([*model.stem.parameters(), *model.head.parameters()], max_iter=3)
    x = inputs_of(model)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        return loss

    return Subject(model, [optimizer], lambda: optimizer.step(closure))


def warmed_then_frozen() -> Subject:
    model = Mlp()
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    warmed(model, optimizer)
    freeze(model.body)
    return plain(model, optimizer)


def zeros_of_a_fresh_freeze() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(model, SGD(model.parameters(), 0.1, momentum=0.9), set_to_none=False)


def lr_zero(make_scheduler: Any) -> Any:
    def make() -> Subject:
        model = Mlp()
        groups = [
            {"params": model.body.parameters(), "lr": 0.0},
            {"params": [*model.stem.parameters(), *model.head.parameters()], "lr": 0.1},
        ]
        optimizer = torch.optim.Adam(groups, weight_decay=0.1)
        scheduler = make_scheduler(optimizer)
        return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])

    return make


def warm_up() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = SGD(model.parameters(), 0.1)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])


def warm_up_of_one_group() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = SGD([{"params": model.stem.parameters()}, {"params": model.head.parameters()}], 0.1)
    scheduler = lr_scheduler.LambdaLR(optimizer, [lambda step: step / 10, lambda _: 1.0])
    return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])


def one_cycle_of_the_rest() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=50)
    return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])


def accumulation(every: int) -> Any:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        optimizer = SGD(model.parameters(), 0.1)
        x = inputs_of(model)
        count = [0]

        def step() -> None:
            model(x).square().mean().backward()
            count[0] += 1
            if count[0] % every == 0:
                optimizer.step()
                optimizer.zero_grad()

        return Subject(model, [optimizer], step)

    return make


def skipped_by_the_scaler() -> Subject:
    model = Mlp()
    freeze(model.body)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=1)
    optimizer = SGD(model.parameters(), 0.1)
    x = inputs_of(model).mul(1e3)
    count = [0]

    def step() -> None:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        count[0] += 1
        scaler.scale(loss * (torch.inf if count[0] == 2 else 1)).backward()
        scaler.step(optimizer)
        scaler.update()

    return Subject(model, [optimizer], step, stateful=[scaler])


def optimizer_subset() -> Subject:
    model = Mlp()
    optimizer = SGD([*model.stem.parameters(), *model.head.parameters()], 0.1)
    # Whose zero_grad() would let the body's gradients pile up, and that is something wrong.
    return plain(model, optimizer, ("body",), after=model.zero_grad)


def clipped() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(
        model,
        SGD(model.parameters(), 0.1),
        between=lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.01),
    )


def restored_each_step() -> Subject:
    model = Mlp()
    optimizer = SGD(model.parameters(), 0.1)
    before = [p.detach().clone() for p in model.body.parameters()]

    @torch.no_grad()
    def restore() -> None:
        for parameter, value in zip(model.body.parameters(), before, strict=True):
            parameter.copy_(value)

    return plain(model, optimizer, ("body",), after=restore)
