"""What gets gradients of zeros only, and what the loss has no use for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from trainings import Mlp, audited, freeze, plain, rules

if TYPE_CHECKING:
    from bench.audit import Subject


class Product(nn.Module):
    """An adapter of two factors beside a frozen layer."""

    def __init__(self, first: float) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4).requires_grad_(False)
        self.down = nn.Parameter(torch.full((2, 4), first))
        self.up = nn.Parameter(torch.zeros(4, 2))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + x @ self.down.T @ self.up.T + self.bias


def factors(first: float, *, bias: bool) -> Subject:
    model = Product(first)
    model.bias.requires_grad_(bias)
    trained = [p for p in model.parameters() if p.requires_grad]
    return plain(model, torch.optim.AdamW(trained, lr=0.1), ("body",) if bias else ("body", "bias"))


def test_two_factors_that_are_both_0_are_where_nothing_can_move_them() -> None:
    (found,) = audited(lambda: factors(0.0, bias=True)).findings
    assert (found.rule, found.severity, found.where) == ("severed", "warning", ["down", "up"])
    assert "two factors of a product" in found.why
    assert "round" not in found.mend


def test_a_training_in_which_nothing_gets_another_gradient_than_zeros_is_a_warning() -> None:
    (found,) = audited(lambda: factors(0.0, bias=False)).findings
    assert (found.rule, found.severity, found.where) == ("not-updated", "warning", ["down", "up"])
    assert found.what.startswith("nothing trains: ")


@pytest.mark.parametrize("bias", [True, False])
def test_one_factor_that_is_0_is_moved_by_the_other(bias: bool) -> None:
    assert audited(lambda: factors(0.5, bias=bias)).findings == []


class Rounded(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, torch.round(self.weight * 16) / 16, self.bias)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_a_rounded_weight_is_cut_off_though_its_bias_trains(decay: float) -> None:
    def make() -> Subject:
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), Rounded(8, 8), nn.Linear(8, 2))
        freeze(model[0])
        trained = [p for p in model.parameters() if p.requires_grad]
        return plain(model, torch.optim.AdamW(trained, lr=0.01, weight_decay=decay), ("0",))

    (found,) = audited(make).findings
    assert (found.rule, found.where) == ("severed", ["2.weight"])
    assert "straight-through" in found.mend


def unused_parts() -> Subject:
    model = Mlp()
    model.aux = nn.Linear(3, 3)
    model.extra = nn.Module()
    model.extra.level, model.extra.used = (nn.Parameter(torch.ones(3)) for _ in range(2))
    model.register_forward_hook(lambda _, __, output: output * model.extra.used)
    freeze(model.body)
    return plain(model, torch.optim.Adam(model.parameters()), ("body",))


def test_the_mend_of_what_is_unused_freezes_that_and_nothing_else() -> None:
    (found,) = [f for f in audited(unused_parts).findings if f.rule == "unused"]
    model = unused_parts().model
    before = {name for name, p in model.named_parameters() if p.requires_grad}

    exec(found.mend, {"model": model})  # as a user pastes it

    after = {name for name, p in model.named_parameters() if p.requires_grad}
    assert before - after == {"aux.weight", "aux.bias", "extra.level"} == set(found.where)


def test_a_rate_of_0_is_a_warning_beside_what_is_unused() -> None:
    def make() -> Subject:
        subject = unused_parts()
        return plain(subject.model, torch.optim.SGD(subject.model.parameters(), lr=0.0))

    assert ("not-updated", "warning") in [(f.rule, f.severity) for f in audited(make).findings]


def test_a_trainable_that_did_not_move_and_has_no_finding_is_named_in_a_note() -> None:
    def make() -> Subject:
        model = Mlp()
        model.extra = nn.Parameter(torch.zeros(()))  # a scalar whose gradient cancels
        freeze(model.stem)
        model.register_forward_hook(lambda _, __, output: output + model.extra - model.extra)
        trained = [p for p in model.parameters() if p.requires_grad]
        return plain(model, torch.optim.SGD(trained, 0.1))

    found = audited(make)
    assert rules(found) == []
    assert found.notes[-1] == "1 of 7 trainable parameters did not move: 'extra'"
