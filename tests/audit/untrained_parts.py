"""Small trainings that leave a part untrained, waste a step on it, or end in an error."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from trainings import Conv, Mlp, freeze, inputs_of, plain

from bench.audit import Subject


def flag_off() -> Subject:
    model = Mlp()
    freeze(model.body, model.stem)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1), ("body",))


def unlisted() -> Subject:
    model = Conv()
    optimizer = torch.optim.SGD(model.backbone.parameters(), 0.1)
    freeze(model.backbone[:3])
    model.backbone.eval()
    return plain(model, optimizer, ("backbone.0", "backbone.1"))


def optimizer_of_another_copy() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return plain(copy.deepcopy(model), optimizer)


def not_stepped() -> Subject:
    model = Mlp()
    freeze(model.body)
    one = torch.optim.SGD(model.stem.parameters(), 0.1)
    other = torch.optim.SGD(model.head.parameters(), 0.1)
    subject = plain(model, one)
    return Subject(model, [one, other], subject.step)


def zeroed_before_the_update() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return plain(model, optimizer, between=optimizer.zero_grad)


def never_stepped() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = inputs_of(model)
    return Subject(model, [optimizer], lambda: model(x).mean().backward())


def put_back() -> Subject:
    model = Mlp()
    freeze(model.body)
    before = model.head.weight.detach().clone()
    return plain(
        model,
        torch.optim.SGD(model.parameters(), 0.1),
        after=lambda: model.head.weight.data.copy_(before),
    )


def lost_to_rounding() -> Subject:
    model = Mlp().to(torch.bfloat16)
    freeze(model.body)
    x = torch.randn(6, 4, dtype=torch.bfloat16)
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def rate_zero() -> Subject:
    model = Mlp()
    freeze(model.body)
    groups = [
        {"params": model.stem.parameters(), "lr": 0.1},
        {"params": model.head.parameters(), "lr": 0.0},
    ]
    return plain(model, torch.optim.SGD(groups), ("body",))


def unused() -> Subject:
    model = Mlp()
    model.aside = nn.Linear(3, 3)
    freeze(model.body)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def no_backward() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = inputs_of(model)

    def step() -> None:
        model(x).mean()
        optimizer.step()

    return Subject(model, [optimizer], step)


def head_replaced() -> Subject:
    model = Mlp()
    freeze(model.body)
    steps = [0]

    def swap() -> None:
        steps[0] += 1
        if steps[0] == 2:
            model.head = nn.Linear(8, 3)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=swap)


def nan_everywhere() -> Subject:
    model = Mlp()
    freeze(model.body)
    x = torch.full((6, 4), torch.nan)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def step() -> None:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def clip() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD([*model.stem.parameters(), *model.head.parameters()], 0.1)
    return plain(
        model,
        optimizer,
        ("body",),
        between=lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.01),
        after=model.zero_grad,  # lest they pile up as well
    )


def average() -> Subject:
    model = Mlp()
    freeze(model.body)
    ema = {name: p.detach().clone() for name, p in model.named_parameters()}

    def update() -> None:
        for name, parameter in model.named_parameters():
            ema[name].mul_(0.9).add_(parameter.detach(), alpha=1 - 0.9)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), after=update)


class Shadow:
    """An average whose tensors are others after each update."""

    def __init__(self, model: nn.Module) -> None:
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}

    def update(self, model: nn.Module) -> None:
        self.shadow = {
            name: 0.9 * self.shadow[name] + 0.1 * p.detach() for name, p in model.named_parameters()
        }

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self.shadow

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.shadow = dict(state)


def average_made_anew() -> Subject:
    model = Mlp()
    freeze(model.body)
    ema = Shadow(model)
    return plain(
        model,
        torch.optim.SGD(model.parameters(), 0.1),
        after=lambda: ema.update(model),
        stateful=[ema],
    )


def raises_at_3() -> Subject:
    model = Mlp()
    freeze(model.body)
    steps = [0]

    def fail() -> None:
        steps[0] += 1
        if steps[0] == 3:
            raise ValueError("no third batch")

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=fail)


def inference_tensor() -> Subject:
    model = Mlp()
    freeze(model.stem)
    x = inputs_of(model)
    optimizer = torch.optim.SGD([*model.body.parameters(), *model.head.parameters()], 0.1)

    def step() -> None:
        with torch.inference_mode():
            features = model.stem(x)
        model.head(model.body(features)).mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def scaler_without_gradients() -> Subject:
    model = Mlp()
    freeze(model.body)
    scaler = torch.amp.GradScaler("cpu")
    x = inputs_of(model)
    optimizer = torch.optim.SGD([*model.body.parameters()], 0.1)
    other = torch.optim.SGD([*model.stem.parameters(), *model.head.parameters()], 0.1)

    def step() -> None:
        scaler.scale(model(x).mean()).backward()
        scaler.step(other)
        scaler.step(optimizer)
        scaler.update()

    return Subject(model, [optimizer, other], step, stateful=[scaler])


FAULTS: list[tuple[Any, str, str | None]] = [
    (flag_off, "flag-off", "stem.weight"),
    (unlisted, "unfrozen-unlisted", "head.weight"),
    (optimizer_of_another_copy, "unfrozen-unlisted", "head.weight"),
    (not_stepped, "not-updated", "head.weight"),
    (zeroed_before_the_update, "not-updated", "head.weight"),
    (never_stepped, "not-updated", "head.weight"),
    (put_back, "not-updated", "head.weight"),
    (lost_to_rounding, "lost-to-rounding", "head.weight"),
    (rate_zero, "not-updated", "head.weight"),
    (unused, "unused", "aside.weight"),
    (no_backward, "no-backward", "head.weight"),
    (head_replaced, "parameter-replaced", "head.weight"),
    (nan_everywhere, "non-finite", "head.weight"),
    (clip, "clip-counts-frozen", "body.0.weight"),
    (average, "ema-rounding", "body.0.weight"),
    (average_made_anew, "ema-rounding", "body.0.weight"),
    (raises_at_3, "step-raised", None),
    (inference_tensor, "inference-tensor", None),
    (scaler_without_gradients, "scaler-no-grads", None),
]
