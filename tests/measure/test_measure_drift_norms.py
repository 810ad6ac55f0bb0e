"""A norm with buffers moves in training mode whatever freezes it, and stays in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from toys import Nudge, each_freezing, front, observed, training, verdict

from bench.measure.drift import bitwise_equal, observe

if TYPE_CHECKING:
    from strategies import Step


# --- running statistics ---------------------------------------------------------------------------


def normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2))


@each_freezing
def test_running_statistics_leak_under_every_strategy(strategy: str) -> None:
    word, why, _ = verdict(normed, front(2), strategy)
    assert word == "leaks"
    assert "1.num_batches_tracked (buffer) by" in why


@each_freezing
def test_only_buffers_leak_through_a_norm(strategy: str) -> None:
    _, _, drift = verdict(normed, front(2), strategy)
    assert {move.name for move in drift.moved} == {
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    assert {move.kind for move in drift.moved} == {"buffer"}


@each_freezing
def test_evaluation_mode_holds_running_statistics(strategy: str) -> None:
    assert verdict(normed, front(2), f"{strategy}+eval")[:2] == ("ok", "")


def test_a_norm_in_the_trainable_part_may_move() -> None:
    assert verdict(normed, ["0"], "requires_grad")[0] == "ok"


def test_a_norm_without_momentum_leaks_by_its_counter_alone() -> None:
    def counting() -> nn.Sequential:
        model = normed()
        model[1].momentum = 0.0
        return model

    _, _, drift = verdict(counting, front(2), "requires_grad")
    assert [move.name for move in drift.moved] == ["1.num_batches_tracked"]


@pytest.mark.parametrize("strategy", ["full", "full+eval"])
def test_the_reference_is_not_judged(strategy: str) -> None:
    word, why, drift = verdict(normed, front(2), strategy)
    assert (word, why) == ("reference", "")
    assert drift.moved
    assert drift.update_error is None


# --- parametrized weights -------------------------------------------------------------------------


def weight_normed() -> nn.Sequential:
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 2))


def spectral_normed() -> nn.Sequential:
    return nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)), nn.Linear(4, 2))


def test_an_effective_weight_is_compared_beside_what_it_is_made_of() -> None:
    class Stretch(Nudge):
        def after_update(self, step: Step) -> None:
            with torch.no_grad():
                step.model[0].parametrizations.weight.original0.mul_(2)

    observation = observed(weight_normed, ["0"], Stretch(0.0), steps=1)
    assert {(move.name, move.kind) for move in observation.moved} == {
        ("0.parametrizations.weight.original0", "parameter"),
        ("0.weight", "effective weight"),
    }
    assert observation.frozen_tensors == 4  # magnitude, direction, bias, weight


def test_a_direction_that_only_grows_moves_no_effective_weight_beyond_rounding() -> None:
    class Grow(Nudge):
        def after_update(self, step: Step) -> None:
            with torch.no_grad():
                step.model[0].parametrizations.weight.original1.mul_(2)

    moves = {move.kind: move for move in observed(weight_normed, ["0"], Grow(0.0), steps=1).moved}
    assert moves["parameter"].relative == pytest.approx(1.0)
    assert "effective weight" not in moves or moves["effective weight"].relative < 1e-6


@each_freezing
def test_a_frozen_weight_norm_stays(strategy: str) -> None:
    assert verdict(weight_normed, ["0"], strategy)[:2] == ("ok", "")


@each_freezing
def test_a_spectral_norm_in_training_mode_moves_its_effective_weight(strategy: str) -> None:
    word, _, drift = verdict(spectral_normed, ["0"], strategy)
    assert word == "leaks"
    assert {move.kind for move in drift.moved} == {"buffer", "effective weight"}


@each_freezing
def test_a_spectral_norm_in_evaluation_mode_stays(strategy: str) -> None:
    assert verdict(spectral_normed, ["0"], f"{strategy}+eval")[:2] == ("ok", "")


@pytest.mark.parametrize("mode", [True, False])
def test_looking_at_an_effective_weight_moves_nothing(mode: bool) -> None:
    trained = training(spectral_normed(), ["0"])
    steps = trained.model[0].parametrizations.weight
    steps.train(mode)
    before = {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}
    assert observe(trained, steps=0).moved == []
    after = trained.model.state_dict()
    assert all(bitwise_equal(before[name], after[name]) for name in before)
    assert [part.training for part in steps.modules()] == [mode] * len(list(steps.modules()))
