"""The contract, over the roster: a strategy is tested by being there.

Strategies of other packages and files are held to the promises alone (`strategies.contract`).
"""

from __future__ import annotations

import copy
from functools import cache, partial
from typing import TYPE_CHECKING

import pytest
import torch

from strategies import ROSTER, Partition, Step, find, names
from strategies.contract import (
    PROMISES,
    Reference,
    frozen_parameters_stay_bitwise_equal,
    small_model,
    train,
    trainable_parameters_have_gradients,
)

if TYPE_CHECKING:
    from strategies.contract import Trained

# A strategy that is not mentioned in what follows is expected to be `ok` everywhere.

PARTITIONS = {
    "front": ["first", "norm"],
    "middle": ["norm", "second"],
    "back": ["second", "head"],
    "parameters": ["*.bias"],
}

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}

# They act on wholly frozen modules, and end the backward pass there.
CUTTING = ("no_grad", "detach", "inference_mode", "feature_cache")

# The optimizer holds the frozen part and is given gradients for it.
UPDATING = ("full", "lr_zero", "mask_grads", "restore")

# The optimizer does not hold the frozen part.
HIDING = ("requires_grad", "optimizer_subset", "buffers")

# Frozen gradients when the optimizer looks; the others leave none.
FULL_GRADIENTS = ("full", "optimizer_subset", "lr_zero", "restore")
ZERO_GRADIENTS = ("mask_grads",)


def expected(strategy: str, partition: str, optimizer: str) -> str:
    """The expected verdict: `ok`, `leaks`, `severed`, or `failed` for a loss without gradient."""
    if strategy == "full" or (strategy == "mask_grads" and optimizer == "adamw"):
        return "leaks"
    if strategy in CUTTING:
        return {"front": "ok", "middle": "severed", "back": "failed", "parameters": "leaks"}[
            partition
        ]
    return "ok"


def holds_state(strategy: str, optimizer: str) -> bool:
    """Whether the optimizer has state for the frozen part, after training with a front frozen."""
    if optimizer == "sgd" or strategy in HIDING:
        return False
    # Adagrad allocates at construction, for whatever it holds.
    return strategy in UPDATING or optimizer == "adagrad"


FREEZING = [name for name in names() if name != "full"]
EVERYWHERE = [
    (strategy, partition, optimizer)
    for strategy in ROSTER
    for partition in PARTITIONS
    for optimizer in OPTIMIZERS
]

every_strategy = pytest.mark.parametrize("strategy", ROSTER)
every_partition = pytest.mark.parametrize("partition", PARTITIONS)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def everywhere(*verdicts):
    """Over strategies, partitions and optimizers with one of these expected verdicts."""
    places = [place for place in EVERYWHERE if expected(*place) in verdicts]
    return pytest.mark.parametrize(("strategy", "partition", "optimizer"), places)


@cache
def trained(strategy: str, partition: str, optimizer: str) -> Trained | str:
    """The training, or the message with which it failed. Kept, because many tests look at it."""
    chosen = Reference() if strategy == "reference" else find(strategy)
    try:
        return train(chosen, PARTITIONS[partition], OPTIMIZERS[optimizer])
    except RuntimeError as problem:
        return str(problem)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("strategy", FREEZING)
def test_a_freezing_strategy_keeps(strategy, promise):
    promise(partial(find, strategy))


@pytest.mark.parametrize("strategy", FREEZING)
def test_in_evaluation_mode_the_frozen_part_stays_as_well(strategy):
    frozen_parameters_stay_bitwise_equal(partial(find, f"{strategy}+eval"))


@pytest.mark.parametrize("strategy", FREEZING)
def test_in_evaluation_mode_the_trainable_part_has_gradients_as_well(strategy):
    trainable_parameters_have_gradients(partial(find, f"{strategy}+eval"))


@everywhere("ok", "severed")
def test_no_bit_of_the_frozen_part_moves(strategy, partition, optimizer):
    outcome = trained(strategy, partition, optimizer)
    assert outcome.moved(outcome.partition.frozen) == []


@everywhere("leaks")
def test_the_frozen_part_moves_where_that_is_known(strategy, partition, optimizer):
    outcome = trained(strategy, partition, optimizer)
    assert outcome.moved(outcome.partition.frozen)


@every_partition
@every_strategy
def test_trainable_gradients_are_cut_only_where_that_is_known(strategy, partition):
    outcome = trained(strategy, partition, "adam")
    found = "failed" if isinstance(outcome, str) else "severed" if outcome.severed() else "ok"
    known = expected(strategy, partition, "adam")
    assert found == (known if known in {"failed", "severed"} else "ok")


@pytest.mark.parametrize("strategy", CUTTING)
def test_a_cut_behind_everything_trainable_fails_for_want_of_a_gradient(strategy):
    assert "does not require grad" in trained(strategy, "back", "sgd")


@pytest.mark.parametrize("strategy", CUTTING)
def test_a_cut_in_the_middle_severs_exactly_what_is_upstream(strategy):
    assert trained(strategy, "middle", "sgd").severed() == ["first.weight", "first.bias"]


@everywhere("ok")
def test_the_trainable_part_follows_the_reference(strategy, partition, optimizer):
    reference = trained("reference", partition, optimizer)
    assert trained(strategy, partition, optimizer).apart_from(reference) == []


@every_strategy
def test_frozen_gradients_are_stored_only_where_that_is_known(strategy):
    outcome = trained(strategy, "front", "adam")
    stored = [outcome.gradients[name] for name in outcome.partition.frozen]
    found = "none"
    if any(gradient is not None for gradient in stored):
        # Not `first.bias`: in front of BatchNorm its gradient is rounding noise.
        found = "full" if outcome.gradients["first.weight"].any() else "zero"
    kinds = dict.fromkeys(FULL_GRADIENTS, "full") | dict.fromkeys(ZERO_GRADIENTS, "zero")
    assert found == kinds.get(strategy, "none")


@every_optimizer
@every_strategy
def test_the_optimizer_has_state_for_the_frozen_part_only_where_that_is_known(strategy, optimizer):
    outcome = trained(strategy, "front", optimizer)
    frozen = outcome.partition.frozen_tensors(outcome.model)
    found = any(outcome.optimizer.state.get(tensor) for tensor in frozen)
    assert found == holds_state(strategy, optimizer)


def test_optimizer_subset_piles_up_the_frozen_gradient():
    class Unlearning(torch.optim.SGD):
        """Changes nothing, so that each step has the same gradient."""

        def step(self):
            pass

    norms = []
    for steps in (1, 3, 5):  # batches take turns: the first of them comes last
        outcome = train(find("optimizer_subset"), ["first"], Unlearning, steps=steps)
        norms.append(outcome.gradients["first.weight"].norm())
    assert norms[0] < norms[1] < norms[2]


@every_strategy
def test_batchnorm_statistics_of_the_frozen_part_move_without_eval_mode(strategy):
    outcome = trained(strategy, "front", "adam")
    visits = 2 if strategy == "feature_cache" else 5  # two batches, five steps
    assert outcome.model.norm.num_batches_tracked.item() == visits


@every_strategy
def test_eval_mode_holds_every_frozen_buffer_while_the_model_is_in_training(strategy):
    outcome = train(find(f"{strategy}+eval"), PARTITIONS["front"])
    assert outcome.partition.frozen_buffers
    assert outcome.moved(outcome.partition.frozen_buffers) == []


@every_strategy
def test_names_and_shapes_of_the_state_survive(strategy):
    model = small_model()
    before = {name: tensor.shape for name, tensor in model.state_dict().items()}
    find(strategy).prepare(model, Partition.of(model, ["first", "*.bias"]))
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == before


@pytest.mark.parametrize("strategy", [name for name in ROSTER if name != "full"])
def test_a_freeze_in_the_middle_of_training_holds_but_for_momentum_under_masks(strategy):
    before = train(find("full"), ["first", "norm"])

    def with_history(groups):
        optimizer = torch.optim.Adam(groups)
        for group in optimizer.param_groups:
            for tensor in group["params"]:
                optimizer.state[tensor] = copy.copy(before.optimizer.state[tensor])
        return optimizer

    after = train(find(strategy), ["first", "norm"], with_history, model=before.model)
    assert bool(after.moved(after.partition.frozen)) == (strategy == "mask_grads")


@every_strategy
def test_a_tied_weight_is_one_weight_throughout(strategy):
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 6), torch.nn.Linear(6, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3)
    ).double()
    model[1].weight = model[0].weight
    outcome = train(find(strategy), ["0.weight"], model=model)
    assert outcome.model[0].weight is outcome.model[1].weight


@pytest.mark.parametrize("strategy", [name for name in ROSTER if name not in (*CUTTING, "full")])
def test_a_tied_trainable_weight_follows_the_reference(strategy):
    def tied():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = torch.nn.Sequential(*(torch.nn.Linear(6, 6) for _ in range(3)))
            model.append(torch.nn.Linear(6, 3))
        model[2].weight = model[0].weight
        return model.double()

    patterns = ["1", "3.weight"]
    reference = train(Reference(), patterns, model=tied())
    assert train(find(strategy), patterns, model=tied()).apart_from(reference) == []


@every_strategy
def test_a_parameter_that_its_author_has_frozen_already_is_no_obstacle(strategy):
    model = small_model()
    model.first.bias.requires_grad_(False)
    model.second.bias.requires_grad_(False)
    outcome = train(find(strategy), PARTITIONS["front"], torch.optim.SGD, model=model)
    assert outcome.moved(["first.bias", "second.bias"]) == []


@every_strategy
def test_the_loss_can_be_read_at_the_moment_between_the_passes(strategy):
    model = small_model()
    partition = Partition.of(model, ["first"])
    chosen, losses = find(strategy), []
    chosen.prepare(model, partition)
    step = Step(model, partition, 0, lambda: model(torch.ones(3, 6).double()).square().sum())
    chosen.differentiate(step, lambda loss: losses.append(loss.detach().item()))
    assert losses[0] > 0
