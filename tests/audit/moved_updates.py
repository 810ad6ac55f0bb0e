"""Small trainings whose updates move what is frozen: old gradients, decay, momentum, and rates."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import lr_scheduler
from trainings import Conv, Mlp, freeze, inputs_of, plain, warmed

from bench.audit import Subject


def stale_gradient(opt: Any = torch.optim.SGD) -> Subject:
    model = Mlp()
    warmed(model, torch.optim.SGD(model.parameters(), 0.1))
    freeze(model.body)
    optimizer = opt(model.parameters(), lr=0.01)
    x = inputs_of(model)

    def step() -> None:
        model.head.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def stale_gradient_once() -> Subject:
    """Applied in the first step alone: zero_grad comes after it."""
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    warmed(model, optimizer)
    freeze(model.body)
    x = inputs_of(model)

    def step() -> None:
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return Subject(model, [optimizer], step)


def zeroed_not_none() -> Subject:
    model = Mlp()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    warmed(model, optimizer)
    freeze(model.body)
    return plain(model, optimizer, set_to_none=False)


def zeroed_with_decay() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, weight_decay=0.1)
    warmed(model, optimizer)
    freeze(model.body)
    return plain(model, optimizer, set_to_none=False)


def decay_on_masked() -> Subject:
    model = Mlp()
    for parameter in model.body.parameters():
        parameter.register_hook(torch.zeros_like)
    return plain(model, torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.1), ("body",))


def decay_on_masked_by_hand() -> Subject:
    model = Conv()
    model.backbone.eval()

    def mask() -> None:
        for parameter in model.backbone.parameters():
            assert parameter.grad is not None
            parameter.grad.zero_()

    optimizer = torch.optim.SGD(model.parameters(), 0.01, weight_decay=0.1)
    return plain(model, optimizer, ("backbone",), between=mask)


def momentum_coasts() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    warmed(model, optimizer)
    for parameter in model.body.parameters():
        parameter.register_hook(torch.zeros_like)
    return plain(model, optimizer, ("body",))


class Decaying:
    """An optimizer of one's own that decays everything."""

    def __init__(self, parameters: Any) -> None:
        self.param_groups = [{"params": list(parameters), "lr": 0.01}]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.mul_(0.999)
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.01)


def third_party_decay() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(model, Decaying(model.parameters()))


class Listing(Decaying):
    """One that goes by a list of its own."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self.parameters = list(self.param_groups[0]["params"])

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self.parameters:
            parameter.mul_(0.999)
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.01)


def third_party_list() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(model, Listing(model.parameters()))


class Around:
    """Decays first, and lets another optimizer do the rest."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.inner = inner
        self.param_groups = inner.param_groups
        self.zero_grad = inner.zero_grad

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(0.999)
        self.inner.step()


def third_party_wrapper() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(model, Around(torch.optim.Adam(model.parameters())))


def _groups(model: Mlp) -> list[dict[str, Any]]:
    return [
        {"params": model.body.parameters(), "lr": 0.0},
        {"params": [*model.stem.parameters(), *model.head.parameters()], "lr": 0.1},
    ]


def lr_revived_by_cosine() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(_groups(model))
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 10, eta_min=1e-3)
    return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])


def one_cycle_that_hid_the_zero() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(_groups(model))
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=40)
    return plain(model, optimizer, ("body",), after=scheduler.step, stateful=[scheduler])


def one_rate_for_each_part() -> Subject:
    model = Mlp()
    body, rest = [*model.body.parameters()], [*model.stem.parameters(), *model.head.parameters()]
    optimizer = torch.optim.SGD([{"params": body, "lr": 1e-3}, {"params": rest, "lr": 1e-2}])
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return plain(model, optimizer, ("body",), after=scheduler.step, stateful=[scheduler])


def lr_revived_by_hand() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(_groups(model))

    def warm_up() -> None:
        for group in optimizer.param_groups:
            group["lr"] = 0.01

    return plain(model, optimizer, before=warm_up)


def zero_times_inf() -> Subject:
    model = Mlp()

    def blow_up() -> None:
        grad = model.body[0].weight.grad
        assert grad is not None
        grad[0, 0] = float("inf")

    return plain(model, torch.optim.SGD(_groups(model)), between=blow_up)


def infinite_and_masked() -> Subject:
    model = Mlp()
    mask = torch.zeros(8, 8)
    model.body[0].weight.register_hook(lambda grad: torch.full_like(grad, torch.inf) * mask)
    model.body[0].bias.requires_grad_(False)
    freeze(model.body[1])
    return plain(model, torch.optim.SGD(model.parameters(), 0.1), ("body",))


def rprop_floor() -> Subject:
    model = Mlp()
    return plain(model, torch.optim.Rprop(_groups(model)))
