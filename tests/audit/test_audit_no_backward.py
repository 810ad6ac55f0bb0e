"""What trains without a backward is no fault; gradients left from before are no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.autograd import grad as bound_before
from trainings import Mlp, audited, freeze, inputs_of, rules

from bench.audit import Subject


def grad_by_its_own_name() -> Subject:
    model = Mlp()
    freeze(model.stem, model.body)
    parameters = list(model.head.parameters())
    optimizer = torch.optim.SGD(parameters, 0.1)
    x = inputs_of(model)

    def step() -> None:
        for parameter, gradient in zip(
            parameters, bound_before(model(x).square().sum(), parameters), strict=True
        ):
            parameter.grad = gradient
        optimizer.step()

    return Subject(model, [optimizer], step)


def gradients_by_hand() -> Subject:
    model = Mlp()
    freeze(model.stem, model.body)
    optimizer = torch.optim.SGD(model.head.parameters(), 0.1)

    def step() -> None:
        for parameter in model.head.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()

    return Subject(model, [optimizer], step)


def values_by_hand() -> Subject:
    model = Mlp()
    freeze(model.stem, model.body)
    optimizer = torch.optim.SGD(model.head.parameters(), 0.1)

    def step() -> None:
        for parameter in model.head.parameters():
            parameter.data.add_(torch.randn_like(parameter), alpha=0.01)

    return Subject(model, [optimizer], step)


@pytest.mark.parametrize("make", [grad_by_its_own_name, gradients_by_hand, values_by_hand])
@pytest.mark.parametrize("how", ["anew", "rewound"])
def test_what_trains_is_not_told_that_it_ran_no_backward(make: Any, how: str) -> None:
    assert rules(audited(make, how)) == []


def test_gradients_left_from_before_are_no_training() -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.stem, model.body)
        optimizer = torch.optim.SGD(model.head.parameters(), 0.1)
        model(inputs_of(model)).square().sum().backward()
        return Subject(model, [optimizer], optimizer.step)

    assert rules(audited(make)) == ["no-backward"]
