"""One bit makes a move, a known move is reported exactly, and a reference is kept as it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from toys import NAN, Nudge, bent, layers, observed, training, verdict

from bench.measure.drift import Reference, bitwise_equal, observe
from bench.records import Moved

if TYPE_CHECKING:
    from pathlib import Path

    from strategies import Step


# --- equal bits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(1.5),
        torch.tensor(3),
        torch.empty(0),
        torch.empty(2, 0, dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        torch.tensor([1.5, -2.0], dtype=torch.float16),
        torch.arange(6).reshape(2, 3).t(),
        torch.arange(6.0).reshape(2, 3).t(),
        torch.arange(3.0).expand(4, 3),
        torch.tensor([math.inf, -math.inf]),
    ],
    ids=str,
)
def test_a_copy_has_equal_bits(tensor: Tensor) -> None:
    assert bitwise_equal(tensor, tensor.clone())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (torch.tensor(1.0), torch.tensor(1.0).nextafter(torch.tensor(2.0))),
        (torch.tensor([0.0]), torch.tensor([-0.0])),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, NAN])),
        (torch.tensor([NAN]), torch.tensor([NAN])),
        (torch.tensor(3), torch.tensor(4)),
        (torch.tensor([True, False]), torch.tensor([True, True])),
        (
            torch.tensor([1.0], dtype=torch.bfloat16),
            torch.tensor([1.0078125], dtype=torch.bfloat16),
        ),
        (torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(3, 2).t()),
    ],
    ids=["ulp", "zeros", "NaN", "same NaN", "int", "bool", "bfloat16", "strided"],
)
def test_one_bit_makes_a_difference(before: Tensor, after: Tensor) -> None:
    assert not bitwise_equal(before, after)


def test_a_view_is_compared_by_its_values_and_not_by_its_memory() -> None:
    base = torch.arange(6.0).reshape(2, 3)
    assert bitwise_equal(base.t(), base.t().contiguous())


# --- how far --------------------------------------------------------------------------------------


def ones() -> nn.Sequential:
    """Two layers of 2 by 2; the first all ones."""
    model = layers(2, 2)
    nn.init.ones_(model[0].weight)
    return model


def test_a_known_move_is_reported_exactly() -> None:
    drift = observed(ones, ["0"], Nudge(0.5), steps=1).drift(None)
    # Four ones, each moved by a half: norms 1 and 2.
    assert drift.moved == [Moved("0.weight", "parameter", max_abs=0.5, l2=1.0, relative=0.5)]


def test_a_move_is_that_of_all_steps_together() -> None:
    drift = observed(ones, ["0"], Nudge(0.25), steps=4).drift(None)
    assert drift.steps == 4
    assert drift.moved[0].max_abs == 1.0


def test_what_came_back_to_the_same_bits_has_not_moved() -> None:
    class Back(Nudge):
        def after_update(self, step: Step) -> None:
            super().after_update(step)
            self.amount = -self.amount

    assert observed(ones, ["0"], Back(0.5), steps=2).moved == []


def test_a_move_of_zeros_has_no_relative_size() -> None:
    def zeros() -> nn.Sequential:
        model = ones()
        nn.init.zeros_(model[0].weight)
        return model

    [move] = observed(zeros, ["0"], Nudge(0.5), steps=1).moved
    assert (move.l2, move.relative) == (1.0, None)


@pytest.mark.parametrize("amount", [NAN, math.inf])
def test_a_move_to_nan_or_infinity_has_no_figures(amount: float) -> None:
    [move] = observed(ones, ["0"], Nudge(amount), steps=1).moved
    assert (move.max_abs, move.l2, move.relative) == (None, None, None)


def test_every_frozen_tensor_is_compared() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    # Two weights and two biases; two running statistics and their count.
    assert observe(training(model, ["0", "1"]), 1).frozen_tensors == 7


def test_a_tied_parameter_is_compared_once() -> None:
    def tied() -> nn.Sequential:
        model = layers(3, 2)
        model[1].weight = model[0].weight
        return model

    observation = observed(tied, ["0"], Nudge(0.5), steps=1)
    assert observation.frozen_tensors == 1
    assert [move.name for move in observation.moved] == ["0.weight"]


def test_each_step_draws_its_own_random_numbers_and_the_same_each_time() -> None:
    drawn: list[float] = []

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        drawn.append(torch.rand(()).item())
        return model(batch).sum()

    for _ in range(2):
        observed(ones, ["0"], "requires_grad", steps=3, loss=loss)
    assert drawn[:3] == drawn[3:]
    assert len(set(drawn)) == 3


# --- the reference --------------------------------------------------------------------------------


def test_a_reference_is_read_as_it_was_written(tmp_path: Path) -> None:
    first, second = (observed(bent, ["0"], "optimizer_subset", steps=n) for n in (1, 2))
    reference = first.reference(second)
    reference.save(tmp_path / "reference.pt")
    loaded = Reference.load(tmp_path / "reference.pt")
    assert loaded.with_gradient == reference.with_gradient
    assert loaded.repeat_error == reference.repeat_error > 0
    assert loaded.updates.keys() == reference.updates.keys()
    assert all(torch.equal(loaded.updates[key], reference.updates[key]) for key in loaded.updates)


def test_training_that_repeats_its_bits_has_no_repeat_error() -> None:
    once = observed(bent, ["0"], "optimizer_subset")
    assert once.reference(observed(bent, ["0"], "optimizer_subset")).repeat_error == 0


def test_full_gradients_with_a_smaller_optimizer_are_their_own_reference() -> None:
    assert verdict(bent, ["0"], "optimizer_subset")[2].update_error == 0
