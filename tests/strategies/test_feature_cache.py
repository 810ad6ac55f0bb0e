from __future__ import annotations

import pytest
import torch
from torch import nn

from strategies import Partition, Step, find


class Counting(nn.Linear):
    runs = 0

    def forward(self, inputs):
        self.runs += 1
        return super().forward(inputs)


@pytest.fixture
def model():
    return nn.Sequential(Counting(4, 4), nn.Linear(4, 2))


@pytest.fixture
def visit(model):
    strategy = find("feature_cache")
    partition = Partition.of(model, ["0"])
    strategy.prepare(model, partition)

    def visit(batch, compute_loss=None):
        inputs = torch.full((3, 4), float(batch))
        step = Step(model, partition, batch, compute_loss or (lambda: model(inputs).sum()))
        strategy.differentiate(step, lambda loss: None)
        return strategy

    return visit


def test_a_second_visit_to_a_batch_does_not_run_the_frozen_module(model, visit):
    visit(0)
    visit(0)
    assert model[0].runs == 1


def test_each_batch_is_computed(model, visit):
    visit(0)
    visit(1)
    visit(0)
    assert model[0].runs == 2


def test_two_calls_in_one_step_are_kept_apart(model, visit):
    seen = []

    def loss():
        one, other = model(torch.ones(1, 4)), model(torch.zeros(1, 4))
        seen.append((one.detach(), other.detach()))
        return (one + other).sum()

    visit(0, loss)
    visit(0, loss)
    assert torch.equal(torch.stack(seen[0]), torch.stack(seen[1]))
    assert not torch.equal(*seen[1])


def test_what_is_kept_is_one_output_a_batch(visit):
    visit(0)
    visit(1)
    strategy = visit(0)
    assert [tuple(tensor.shape) for tensor in strategy.kept_tensors()] == [(3, 4), (3, 4)]


def test_a_change_in_place_behind_the_module_does_not_reach_what_is_kept(model, visit):
    seen = []

    def loss():
        features = model[0](torch.ones(1, 4))
        seen.append(features.clone())
        return model[1](features.add_(1)).sum()

    for _ in range(3):
        visit(0, loss)
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


def test_outside_a_step_the_module_runs(model, visit):
    visit(0)
    model(torch.ones(1, 4))
    assert model[0].runs == 2


def test_a_step_that_raises_leaves_no_step_open(model, visit):
    def loss():
        raise RuntimeError("the data is gone")

    with pytest.raises(RuntimeError, match="gone"):
        visit(0, loss)
    strategy = visit(1)
    model(torch.ones(1, 4))
    assert len(strategy.kept_tensors()) == 1


def test_restore_keeps_a_snapshot_of_the_frozen_parameters_alone():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    strategy = find("restore")
    strategy.prepare(model, Partition.of(model, ["0", "1"]))
    assert [tuple(tensor.shape) for tensor in strategy.kept_tensors()] == [(4, 4), (4,), (4,), (4,)]
