"""A freeze that holds raises no alarm: by any optimizer, around adapters, ties and dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from toys import CUTTING, FREEZING, bent, dropping, each_freezing, verdict

if TYPE_CHECKING:
    from torch import Tensor

# They give the optimizer every parameter, and the frozen ones no gradient.
HOLDING = ("no_grad", "detach", "inference_mode", "backward_inputs", "clear_grads", "functional")


@pytest.mark.parametrize("strategy", HOLDING)
def test_decay_leaves_alone_what_has_no_gradient(strategy: str) -> None:
    assert verdict(bent, ["0"], strategy, optimizer="adamw")[:2] == ("ok", "")


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "momentum", "adagrad", "rmsprop"])
def test_rate_0_is_safe_under_every_optimizer(optimizer: str) -> None:
    assert verdict(bent, ["0"], "lr_zero", optimizer=optimizer)[:2] == ("ok", "")


class LowRank(nn.Module):
    """A frozen layer with a narrow trainable one beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.below = nn.Linear(4, 4)
        self.base = nn.Linear(4, 4)
        self.down = nn.Parameter(torch.randn(2, 4))
        self.up = nn.Parameter(torch.zeros(4, 2))

    def forward(self, inputs: Tensor) -> Tensor:
        below = torch.tanh(self.below(inputs))
        return self.base(below) + below @ self.down.t() @ self.up.t()


@each_freezing
def test_a_low_rank_adapter_beside_frozen_layers_is_safe(strategy: str) -> None:
    assert verdict(LowRank, ["below", "base"], strategy)[:2] == ("ok", "")


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name not in CUTTING])
def test_a_low_rank_adapter_around_a_frozen_middle_is_safe(strategy: str) -> None:
    assert verdict(LowRank, ["base"], strategy)[:2] == ("ok", "")


class Tied(nn.Module):
    """An embedding whose weight is also that of a decoder, and a trainable layer between."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(4, 4, bias=False)
        self.between = nn.Linear(4, 4)
        self.decoder = nn.Linear(4, 4, bias=False)
        self.decoder.weight = self.encoder.weight

    def forward(self, inputs: Tensor) -> Tensor:
        return self.decoder(self.between(self.encoder(inputs)))


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name not in CUTTING])
def test_tied_weights_that_are_both_frozen_are_safe(strategy: str) -> None:
    assert verdict(Tied, ["encoder", "decoder"], strategy)[:2] == ("ok", "")


@each_freezing
def test_dropout_in_evaluation_mode_is_safe(strategy: str) -> None:
    assert verdict(dropping, ["0"], f"{strategy}+eval")[:2] == ("ok", "")


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name != "feature_cache"])
def test_dropout_in_training_mode_is_compared_draw_by_draw(strategy: str) -> None:
    assert verdict(dropping, ["0"], strategy)[:2] == ("ok", "")


@each_freezing
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_reduced_precision_is_no_divergence(strategy: str, dtype: str) -> None:
    assert verdict(bent, ["0"], strategy, dtype=dtype)[:2] == ("ok", "")
