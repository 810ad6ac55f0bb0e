"""What is cut off is severed, what a mask lets through leaks, and another update diverges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from toys import (
    CUTTING,
    FREEZING,
    NAN,
    ScaledGradients,
    bent,
    dropping,
    each_freezing,
    observed,
    training,
    verdict,
)

from bench.measure.drift import observe
from bench.measure.training import NothingReachesTheLossError

if TYPE_CHECKING:
    from torch import Tensor


# --- a gradient that is cut off -------------------------------------------------------------------


@pytest.mark.parametrize("strategy", CUTTING)
def test_what_is_upstream_of_a_cut_is_severed_by_name(strategy: str) -> None:
    word, why, drift = verdict(bent, ["1"], strategy)
    assert word == "severed"
    assert drift.without_gradient == ["0.bias", "0.weight"]
    assert "0.bias, 0.weight" in why


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name not in CUTTING])
def test_the_others_hand_the_gradient_through_a_frozen_middle(strategy: str) -> None:
    assert verdict(bent, ["1"], strategy)[:2] == ("ok", "")


@pytest.mark.parametrize("strategy", CUTTING)
def test_with_everything_behind_the_cut_nothing_reaches_the_loss(strategy: str) -> None:
    with pytest.raises(NothingReachesTheLossError):
        observed(bent, ["1", "3"], strategy)


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name not in CUTTING])
def test_the_others_train_below_a_frozen_back(strategy: str) -> None:
    assert verdict(bent, ["1", "3"], strategy)[:2] == ("ok", "")


class Spare(nn.Module):
    """Has a trainable layer that it never uses."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.spare = nn.Linear(4, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.first(inputs))


@each_freezing
def test_a_parameter_that_nothing_uses_is_not_severed(strategy: str) -> None:
    assert verdict(Spare, ["first"], strategy)[:2] == ("ok", "")


def test_the_reference_says_what_the_model_never_uses() -> None:
    assert verdict(Spare, ["first"], "full")[1] == "the model never uses spare.bias, spare.weight"


def test_a_gradient_in_one_of_the_steps_is_enough() -> None:
    calls: list[int] = []

    class Sometimes(Spare):
        def forward(self, inputs: Tensor) -> Tensor:
            calls.append(1)
            return super().forward(self.spare(inputs) if len(calls) == 2 else inputs)

    observation = observe(training(Sometimes(), ["first"]), 3)
    assert {"spare.weight", "spare.bias"} <= observation.with_gradient


# --- leaks by history, decay, scale ---------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw"])
def test_masked_gradients_leak_by_momentum_in_the_middle_of_training(optimizer: str) -> None:
    word, why, _ = verdict(bent, ["0"], "mask_grads", optimizer=optimizer, midway=True)
    assert word == "leaks"
    assert "0.weight by" in why


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "sgd", "adagrad", "rmsprop"])
def test_masked_gradients_hold_from_the_start(optimizer: str) -> None:
    assert verdict(bent, ["0"], "mask_grads", optimizer=optimizer)[:2] == ("ok", "")


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rmsprop"])
def test_masked_gradients_hold_in_the_middle_where_there_is_no_momentum(optimizer: str) -> None:
    how = {"optimizer": optimizer, "midway": True}
    assert verdict(bent, ["0"], "mask_grads", **how)[:2] == ("ok", "")


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name != "mask_grads"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_the_others_stay_in_the_middle_of_training(strategy: str, optimizer: str) -> None:
    assert verdict(bent, ["0"], strategy, optimizer=optimizer, midway=True)[:2] == ("ok", "")


def test_weight_decay_moves_what_has_a_gradient_of_zeros() -> None:
    word, why, drift = verdict(bent, ["0"], "mask_grads", optimizer="adamw")
    assert word == "leaks"
    assert "frozen, but moved in 3 steps: 0." in why
    # The rate times the decay, three times.
    assert [move.relative for move in drift.moved] == pytest.approx([3e-5] * 2, rel=0.01)


@pytest.mark.parametrize("factor", [0.9, 1.1, -1.0])
def test_an_update_of_another_size_diverges(factor: float) -> None:
    word, why, drift = verdict(bent, ["0"], ScaledGradients(factor), optimizer="sgd", steps=1)
    assert word == "diverges"
    assert drift.update_error == pytest.approx(abs(1 - factor), rel=1e-3)
    assert f"off by {abs(1 - factor):.2g} of its size (tolerance 0.001)" in why


def test_an_update_that_is_off_by_rounding_does_not_diverge() -> None:
    assert verdict(bent, ["0"], ScaledGradients(1 + 1e-5), optimizer="sgd")[0] == "ok"


def test_an_update_to_nan_diverges() -> None:
    word, why, drift = verdict(bent, ["0"], ScaledGradients(NAN), optimizer="sgd")
    assert (word, drift.update_error) == ("diverges", None)
    assert "is not finite" in why


def test_no_update_at_all_is_off_by_its_whole_size() -> None:
    _, _, drift = verdict(bent, ["0"], ScaledGradients(0.0), optimizer="sgd")
    assert drift.update_error == 1.0


def test_a_cache_keeps_one_draw_of_a_dropout_and_diverges() -> None:
    one_batch = [torch.ones(5, 4)]
    assert verdict(dropping, ["0"], "feature_cache", batches=one_batch)[0] == "diverges"
