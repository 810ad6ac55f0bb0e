from __future__ import annotations

import copy

import pytest
from torch import nn

from strategies import Partition, find


@pytest.fixture
def model():
    body = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    return nn.Sequential(body, nn.Dropout(), nn.Linear(3, 2))


@pytest.fixture
def frozen(model):
    find("requires_grad+eval").prepare(model, Partition.of(model, ["0"]))
    return model


def training(model):
    return {name: module.training for name, module in model.named_modules()}


def test_frozen_modules_stay_in_evaluation_mode_when_the_model_trains(frozen):
    frozen.train()
    assert not any(module.training for module in frozen[0].modules())


def test_the_rest_of_the_model_follows(frozen):
    frozen.eval()
    frozen.train()
    assert frozen[1].training


def test_a_frozen_module_stays_even_if_it_is_reached_by_itself(frozen):
    frozen[0][1].train()
    assert not frozen[0][1].training


def test_it_holds_in_a_deep_copy(frozen):
    twin = copy.deepcopy(frozen)
    twin.train()
    assert training(twin) == training(frozen)
    assert twin[0].train() is twin[0]


def test_the_strategy_below_is_prepared_too(frozen):
    assert not frozen[0][0].weight.requires_grad


def test_parameters_alone_bring_no_module_into_evaluation_mode(model):
    find("requires_grad+eval").prepare(model, Partition.of(model, ["*.bias"]))
    assert all(training(model).values())
