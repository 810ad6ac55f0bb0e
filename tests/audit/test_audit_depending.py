"""Does the loss depend on what gets no gradient, also where repetitions differ?"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from trainings import Mlp, audited, freeze, rules

from bench.audit import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Audit


class AnyOrder(nn.Module):
    """Adds up in another order each time, as atomic additions on a GPU do."""

    def __init__(self) -> None:
        super().__init__()
        self.moods = itertools.cycle(
            [1.0, 1 + 3e-5, 1 - 3e-5, 1 + 8e-5, 1 - 2e-5, 1 + 1e-5, 1 + 5e-5]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (1 + next(self.moods))


@pytest.mark.parametrize(("reached", "expected"), [(False, ["unused"]), (True, ["severed"])])
def test_a_loss_in_which_no_two_repetitions_agree_is_not_taken_for_one_that_changes(
    reached: bool, expected: list[str]
) -> None:
    order = AnyOrder()

    def make() -> Subject:
        model = Mlp()
        model.level = nn.Parameter(torch.randn(8))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x = torch.randn(6, 4)

        def step() -> None:
            optimizer.zero_grad()
            features = model.stem(x)
            features = features + model.level.detach() if reached else features
            order(model.head(model.body(features.tanh()))).square().mean().backward()
            optimizer.step()

        freeze(model.body)
        return Subject(model, [optimizer], step, ("body",))

    found = audited(make)

    assert rules(found) == expected
    assert next(f for f in found.findings if f.severity != "notice").where == ["level"]


def with_a_level(
    forward: Callable[[Mlp, torch.Tensor, torch.Tensor], torch.Tensor],
    inputs: Callable[[], torch.Tensor] | None = None,
) -> Subject:
    """A `level` that gets no gradient, whatever `forward` makes of it."""
    model = Mlp()
    model.level = nn.Parameter(torch.arange(8.0) / 4)
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x = torch.randn(6, 4)

    def step() -> None:
        optimizer.zero_grad()
        forward(model, model.level, x if inputs is None else inputs()).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("body",))


def alarms(found: Audit) -> list[tuple[str, str, list[str]]]:
    return [(f.rule, f.severity, f.where) for f in found.findings if f.severity != "notice"]


READ = {
    "not at all": lambda model, level, x: model(x),
    "behind a list": lambda model, level, x: model(x) + sum(level.tolist()),
}


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("count", [10_000, 40], ids=["endless", "running out"])
def test_whether_a_loss_depends_on_it_is_undecided_where_batches_are_others_each_time(
    read: str, count: int
) -> None:
    batches = (batch for batch in torch.randn(count, 6, 4))  # can't be wound back

    found = audited(lambda: with_a_level(READ[read], lambda: next(batches)), "rewound")

    assert alarms(found) == [("severed", "warning", ["level"])]


@pytest.mark.parametrize("rare", [2, 5, 7, 11])
def test_a_last_bit_that_differs_once_in_a_while_is_no_dependence(rare: int) -> None:
    calls = itertools.count()

    def forward(model: Mlp, level: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return model(x) * (1.0 if next(calls) % rare else 1 + 2e-7)

    assert alarms(audited(lambda: with_a_level(forward))) == [("unused", "warning", ["level"])]


def test_a_loss_that_vanishes_with_other_values_depends_on_them() -> None:
    def forward(model: Mlp, level: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        scale = level.detach().sum()
        if scale < 0.1 or scale > 8:
            raise ValueError("no such scale")
        return model(x)

    assert alarms(audited(lambda: with_a_level(forward))) == [("severed", "error", ["level"])]


@pytest.mark.parametrize("width", [1.0, 3.0, 40.0])
def test_what_only_a_large_change_reaches_is_a_dependence(width: float) -> None:
    def forward(model: Mlp, level: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return model(x) + torch.floor(level.detach().sum() / width)

    assert alarms(audited(lambda: with_a_level(forward))) == [("severed", "error", ["level"])]
