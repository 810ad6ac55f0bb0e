"""What a request may name is what the tables know."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from bench.measure.optimizers import OPTIMIZERS, new_optimizer
from bench.measure.training import AUTOCAST_DTYPES
from bench.measure.verdict import UPDATE_TOLERANCE
from bench.records import Dtype, Optimizer


def test_every_optimizer_of_a_request_can_be_made_and_no_other() -> None:
    assert list(OPTIMIZERS) == list(get_args(Optimizer))


def test_every_dtype_of_a_request_has_its_autocast() -> None:
    assert list(AUTOCAST_DTYPES) == list(get_args(Dtype))


def test_every_dtype_of_a_request_has_its_tolerance() -> None:
    assert list(UPDATE_TOLERANCE) == list(get_args(Dtype))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_are_made_for_the_usual_rate(name: str) -> None:
    weight = nn.Parameter(torch.ones(2))
    rates: list[float] = []

    def groups(lr: float) -> list[dict[str, object]]:
        rates.append(lr)
        return [{"params": [weight], "lr": lr}]

    optimizer = new_optimizer(name, groups)
    assert rates == [OPTIMIZERS[name][1]]
    assert optimizer.param_groups[0]["lr"] == OPTIMIZERS[name][1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_group_may_have_a_rate_of_its_own(name: str) -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = new_optimizer(name, lambda _: [{"params": [weight], "lr": 0.0}])
    assert optimizer.param_groups[0]["lr"] == 0.0
