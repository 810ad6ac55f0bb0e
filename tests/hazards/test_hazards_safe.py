"""What is right must raise no alarm."""

from __future__ import annotations

import inspect
from functools import partial

import pytest
import torch
from hazard_strategies import FlagOnly
from torch import nn, optim
from torch.optim import lr_scheduler

from bench.hazards.flags import Tied
from bench.hazards.loop import Loop
from bench.hazards.models import FEATURES, HIDDEN, OUTPUTS, in_the_middle, with_head
from bench.hazards.statistics import normalised
from strategies import find

# Adam of sparse gradients and a line search that runs the loss itself take no ordinary step.
NOT_STEPPING = {"Optimizer", "SparseAdam", "LBFGS"}
OPTIMIZERS = sorted(
    name
    for name, found in vars(optim).items()
    if inspect.isclass(found) and issubclass(found, optim.Optimizer) and name not in NOT_STEPPING
)

SCHEDULERS = {
    "StepLR": partial(lr_scheduler.StepLR, step_size=2),
    "MultiStepLR": partial(lr_scheduler.MultiStepLR, milestones=[2, 4]),
    "ExponentialLR": partial(lr_scheduler.ExponentialLR, gamma=0.9),
    "LinearLR": partial(lr_scheduler.LinearLR, total_iters=4),
    "ConstantLR": partial(lr_scheduler.ConstantLR, total_iters=4),
    "PolynomialLR": partial(lr_scheduler.PolynomialLR, total_iters=4),
    "LambdaLR": partial(lr_scheduler.LambdaLR, lr_lambda=lambda step: 1 / (1 + step)),
    "MultiplicativeLR": partial(lr_scheduler.MultiplicativeLR, lr_lambda=lambda step: 0.9),
    "CosineAnnealingLR": partial(lr_scheduler.CosineAnnealingLR, T_max=8),
    "CosineAnnealingWarmRestarts": partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=4),
    "ReduceLROnPlateau": partial(lr_scheduler.ReduceLROnPlateau, patience=0),
}


def _matrices():
    """Muon takes matrices only."""
    model = nn.Sequential()
    model.add_module("body", nn.Sequential(nn.Linear(FEATURES, HIDDEN, bias=False), nn.Tanh()))
    model.add_module("head", nn.Linear(HIDDEN, OUTPUTS, bias=False))
    return model


def _decaying(name):
    make = getattr(optim, name)
    decay = "weight_decay" in inspect.signature(make).parameters
    return partial(make, weight_decay=0.1) if decay else make


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_fresh_freeze_stands_under_any_optimizer_with_weight_decay(optimizer):
    loop = Loop(_matrices(), FlagOnly(), new_optimizer=_decaying(optimizer), lr=0.01)
    loop.freeze()
    assert loop.run(5).moved() == []
    assert loop.severed() == []


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_rate_of_0_stays_0_under_a_scheduler_that_multiplies(scheduler):
    loop = Loop(_matrices(), find("lr_zero"), new_optimizer=partial(optim.SGD, momentum=0.9))
    loop.freeze()
    schedule = SCHEDULERS[scheduler](loop.optimizer)
    loop.at_end = lambda loop: (
        schedule.step(loop.losses[-1]) if scheduler == "ReduceLROnPlateau" else schedule.step()
    )
    assert loop.run(8).moved() == []


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_batchnorm_in_eval_mode_is_still(optimizer):
    if optimizer == "Muon":
        pytest.skip("Muon takes matrices only")
    loop = Loop(normalised(), find("requires_grad+eval"), new_optimizer=_decaying(optimizer))
    loop.lr = 0.01
    loop.freeze()
    assert loop.run(5).moved() == []


def test_dropout_in_eval_mode_draws_nothing():
    body = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.Dropout(0.5))
    loop = Loop(with_head(body), find("requires_grad+eval"), lr=0.0)
    loop.batches = loop.batches[:1]
    loop.freeze()
    loop.run(3)
    assert len(set(loop.losses)) == 1
    assert loop.moved() == []


class Adapted(nn.Module):
    """A frozen layer with a trainable detour of low rank beside it, in the middle of a model."""

    def __init__(self):
        super().__init__()
        self.base = nn.Linear(HIDDEN, HIDDEN)
        self.down = nn.Linear(HIDDEN, 2, bias=False)
        self.up = nn.Linear(2, HIDDEN, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, inputs):
        return self.base(inputs) + self.up(self.down(inputs))


@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - {"Muon"}))
def test_a_detour_of_low_rank_trains_beside_its_frozen_layer(optimizer):
    model = nn.Sequential()
    model.add_module("stem", nn.Linear(FEATURES, HIDDEN))
    model.add_module("adapted", Adapted())
    model.add_module("head", nn.Linear(HIDDEN, OUTPUTS))
    loop = Loop(model, FlagOnly(), frozen=("stem", "adapted.base", "head"))
    loop.new_optimizer, loop.lr = _decaying(optimizer), 0.01
    loop.freeze()
    up = model.get_parameter("adapted.up.weight").detach().clone()
    assert loop.run(5).moved() == []
    assert loop.severed() == []
    assert not torch.equal(up, model.get_parameter("adapted.up.weight"))


@pytest.mark.parametrize("strategy", ["requires_grad", "optimizer_subset", "buffers", "restore"])
def test_tied_weights_that_are_both_frozen_are_still(strategy):
    loop = Loop(Tied(tied=True), find(strategy), frozen=("body", "head.decoder", "enter"))
    loop.freeze()
    assert loop.run(5).moved() == []
    assert loop.severed() == []


@pytest.mark.parametrize("strategy", ["requires_grad", "buffers", "backward_inputs", "functional"])
def test_a_frozen_middle_lets_the_gradient_through(strategy):
    loop = Loop(in_the_middle(), find(strategy))
    loop.freeze()
    assert loop.run(5).severed() == []
    assert loop.moved() == []
