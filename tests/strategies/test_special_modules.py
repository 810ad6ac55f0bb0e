"""Frozen modules that keep their weights in unusual ways."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from strategies import ROSTER, find
from strategies.contract import Reference, train

FREEZING = [name for name in ROSTER if name != "full"]


class AroundLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.special = nn.LSTM(6, 5, num_layers=2)
        self.head = nn.Linear(5, 3)

    def forward(self, inputs):
        return self.head(self.special(inputs)[0])


class AroundAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.special = nn.MultiheadAttention(6, 2)
        self.head = nn.Linear(6, 3)

    def forward(self, inputs):
        return self.head(self.special(inputs, inputs, inputs)[0])


class AroundWeightNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.special = weight_norm(nn.Linear(6, 5))
        self.head = nn.Linear(5, 3)

    def forward(self, inputs):
        return self.head(self.special(inputs).tanh())


class AroundParameterList(nn.Module):
    def __init__(self):
        super().__init__()
        self.special = nn.ModuleList([nn.Linear(6, 5), nn.Linear(5, 5)])
        self.head = nn.Linear(5, 3)

    def forward(self, inputs):
        for layer in self.special:
            inputs = layer(inputs).tanh()
        return self.head(inputs)


MODELS = [AroundLSTM, AroundAttention, AroundWeightNorm, AroundParameterList]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


def made(model):
    torch.manual_seed(0)
    return model().double()


@every_model
@pytest.mark.parametrize("strategy", FREEZING)
def test_it_stays_frozen(strategy, model):
    outcome = train(find(strategy), ["special"], model=made(model))
    assert outcome.moved(outcome.partition.frozen) == []


@every_model
@pytest.mark.parametrize("strategy", FREEZING)
def test_the_part_behind_it_follows_the_reference(strategy, model):
    reference = train(Reference(), ["special"], model=made(model))
    outcome = train(find(strategy), ["special"], model=made(model))
    assert outcome.apart_from(reference) == []


@every_model
@pytest.mark.parametrize("strategy", ["requires_grad", "functional", "buffers"])
def test_it_trains_in_front_of_a_frozen_part(strategy, model):
    reference = train(Reference(), ["head"], model=made(model))
    outcome = train(find(strategy), ["head"], model=made(model))
    assert outcome.apart_from(reference) == []


@pytest.mark.parametrize("strategy", ["requires_grad", "functional", "buffers"])
def test_half_of_an_lstm_can_be_frozen(strategy):
    patterns = ["special.weight_hh*"]
    reference = train(Reference(), patterns, model=made(AroundLSTM))
    outcome = train(find(strategy), patterns, model=made(AroundLSTM))
    assert outcome.apart_from(reference) == []
    assert outcome.moved(outcome.partition.frozen) == []


def test_an_lstm_reads_the_buffers_that_its_weights_became():
    outcome = train(find("buffers"), ["special"], model=made(AroundLSTM))
    lstm = outcome.model.special
    assert lstm._flat_weights[0] is lstm.weight_ih_l0


def test_a_spectral_norm_stands_still_only_in_eval_mode():
    def moved(strategy):
        torch.manual_seed(0)
        model = nn.Sequential(spectral_norm(nn.Linear(6, 5)), nn.Linear(5, 3)).double()
        outcome = train(find(strategy), ["0"], model=model)
        return outcome.moved(outcome.partition.frozen_buffers)

    assert moved("requires_grad")
    assert moved("requires_grad+eval") == []
