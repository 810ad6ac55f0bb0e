"""From what was typed, and what a factory returns, to a world."""

from __future__ import annotations

import gc
import random
import sys
import weakref
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from audit_targets import SOURCE
from torch import nn

from bench.audit import AuditError, Subject
from bench.audit.target import Asked, subject_of, world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.audit.rebuilt import Rebuilt


@pytest.fixture(autouse=True)
def _path_as_before() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def world(write: Callable[[str, str], Path]) -> Callable[..., Rebuilt]:
    path = write("train.py", SOURCE)
    return lambda factory, **asked: world_of(f"{path}:{factory}", Asked(**asked))


def trained(subject: Subject, steps: int = 2) -> dict[str, torch.Tensor]:
    for _ in range(steps):
        subject.step()
    return {name: tensor.clone() for name, tensor in subject.model.state_dict().items()}


GOOD = (
    "a_tuple",
    "in_another_order",
    "a_list",
    "a_dict",
    "several_optimizers",
    "a_dataclass",
    "a_namedtuple",
    "with_a_loader",
    "with_extras",
    "seeded",
    "a_module",
    "a_workload",
    "an_unknown_optimizer",
    "shared_with_another_model",
)


@pytest.mark.parametrize("factory", GOOD)
def test_each_form_trains_its_head_and_leaves_its_backbone(world, factory):
    subject = world(factory).begin()
    before = {name: tensor.clone() for name, tensor in subject.model.state_dict().items()}
    if factory == "a_workload":  # which puts the whole model into training mode
        subject.model.backbone.eval()
    after = trained(subject)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"head.weight", "head.bias"}
    assert len(subject.optimizers) == 1


@pytest.mark.parametrize("factory", GOOD)
def test_a_second_beginning_gives_the_same_bits(world, factory):
    begun = world(factory)
    first = trained(begun.begin())
    torch.randn(3), random.random(), np.random.rand()
    second = trained(begun.begin())
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_extras_are_kept_whatever_their_order(world):
    subject = world("with_extras").begin()
    assert {type(thing).__name__ for thing in subject.stateful} == {
        "StepLR",
        "GradScaler",
        "AveragedModel",
    }
    assert type(subject.model) is nn.Sequential


@pytest.mark.parametrize("factory", ["a_dict", "several_optimizers"])
def test_patterns_that_are_returned_say_what_is_frozen(world, factory):
    assert world(factory).begin().frozen == ("backbone",)


def test_patterns_that_are_asked_for_come_first(world):
    assert world("a_dict", frozen=("head",)).begin().frozen == ("head",)


def test_nothing_said_is_left_to_be_read_off(world):
    assert world("a_tuple").begin().frozen is None


def test_a_loader_starts_again_at_its_end(world):
    trained(world("with_a_loader").begin(), steps=7)


def test_the_random_state_is_afterwards_as_before(world):
    states = lambda: (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())  # noqa: E731
    before = states()
    begun = world("a_tuple")
    trained(begun.begin())
    trained(begun.begin())
    begun.end()
    after = states()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


def test_one_model_is_alive_at_a_time(world):
    begun = world("a_tuple")
    first = weakref.ref(begun.begin().model)
    begun.begin()
    assert first() is None
    begun.end()


def test_nothing_is_alive_at_the_end(world):
    begun = world("a_tuple")
    model = weakref.ref(begun.begin().model)
    begun.end()
    gc.collect()
    assert model() is None


def test_another_seed_is_another_training(world):
    one, other = (trained(world("a_tuple", seed=seed).begin()) for seed in (0, 1))
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_a_file_s_own_globals_are_made_anew(world):
    begun = world("the_same_again")
    first = trained(begun.begin())
    second = trained(begun.begin())
    assert torch.equal(first["head.weight"], second["head.weight"])


def test_a_module_that_keeps_its_model_is_refused_at_the_second_beginning(
    world, write, monkeypatch, tmp_path
):
    write("kept_training.py", SOURCE)
    monkeypatch.chdir(tmp_path)
    begun = world_of("kept_training:the_same_again")
    begun.begin()
    with pytest.raises(AuditError, match="the same model again; let it make a new one"):
        begun.begin()
    sys.modules.pop("kept_training")


WRONG = {
    "nothing": r"nothing\(\) returned None, and a model .* are missing",
    "too_little": r"too_little\(\) returned \(Sequential, SGD\), and a function that trains one",
    "only_a_step": r"returned \{step: function\}, and a model .* and an optimizer are missing",
    "two_steps": "two things that could be the step; return a dict",
    "unheard_of": "something of type int of which nothing is known; leave it out",
    "wants_two": r"wants 2 arguments \(inputs, labels\); let it take none, or one",
    "wants_a_batch": "wants an argument 'batch' and no loader came with it; return a loader",
    "wants_an_argument": "wants an argument 'width', and only 'seed' and 'device' are given",
    "raises_at_once": r"raised RuntimeError: no data \(train.py:\d+\)",
    "leaves": "raised SystemExit: done",
    "on_meta": "'backbone.0.weight' is on the device meta, .*; make the model on a real device",
    "a_meta_module": "'backbone.0.weight' is on the device meta",
    "no_module": "its model is no module but of type int; make it a torch.nn.Module",
    "no_optimizer": "its optimizer is no optimizer but of type int; give an object with step",
    "of_numbers": r"what is frozen must be patterns .* not 3",
    "already_there": "is a module that is there already; give a function that makes it",
    "number": "is an int and cannot be called; make it a function",
    "a_tupel": "there is no function 'a_tupel' in it; did you mean 'a_tuple'",
    "a_module_that_is_not_frozen": "nothing of this module is frozen; say what is with --freeze",
}


@pytest.mark.parametrize("factory", WRONG)
def test_what_is_wrong_is_told_with_what_to_do(world, factory):
    with pytest.raises(AuditError, match=WRONG[factory]) as refused:
        world(factory).begin()
    assert str(refused.value).startswith(f"train.py:{factory}: ")


def test_too_little_is_told_with_three_lines_to_go_by(world):
    with pytest.raises(AuditError) as refused:
        world("too_little").begin()
    example = str(refused.value).split("\n\n")[1]
    assert len(example.splitlines()) == 3
    compile("def make():\n" + example, "example", "exec")


def test_a_target_without_a_function_is_told_how_one_is_named():
    with pytest.raises(AuditError, match="which function of the file"):
        world_of("train.py")
    with pytest.raises(AuditError, match="which function of the module"):
        world_of("train")


def test_a_file_that_is_not_there_is_told_with_its_neighbours(write, tmp_path):
    write("train.py", SOURCE)
    with pytest.raises(AuditError, match=r"did you mean .train\.py."):
        world_of(f"{tmp_path}/trian.py:a_tuple").begin()


# --- a module by itself ---------------------------------------------------------------------------


def module_subject(model: nn.Module, **asked: object) -> Subject:
    return subject_of(model, Asked(**asked)).subject


def test_a_module_is_frozen_by_patterns():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    subject = module_subject(model, frozen=("0",))
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    assert subject.frozen == ("0",)


def test_patterns_that_match_nothing_are_refused():
    with pytest.raises(AuditError, match="'backbon' matches no module or parameter"):
        module_subject(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), frozen=("backbon",))


class Takes(nn.Module):
    """Takes what it says, and nothing else."""

    def __init__(self, *shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.front, self.head = nn.Linear(2, 2), nn.Linear(2, 2)
        self.shapes, self.dtype = shapes, dtype

    def forward(self, *inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        assert tuple(tuple(given.shape) for given in inputs) == self.shapes
        assert all(given.dtype == self.dtype for given in inputs)
        return {"scores": self.head(self.front(inputs[0].float().mean() + torch.zeros(3, 2)))}


@pytest.mark.parametrize(
    ("typed", "shapes", "dtype"),
    [
        (("8x3x4",), ((8, 3, 4),), torch.float32),
        (("float:5",), ((5,),), torch.float32),
        (("long:2x7", "long:2x7"), ((2, 7), (2, 7)), torch.int64),
        (("bool:3",), ((3,),), torch.bool),
        ((), ((2, 3, 224, 224),), torch.float32),
        ((), ((2, 3, 32, 32),), torch.float32),
        ((), ((2, 1, 28, 28),), torch.float32),
    ],
)
def test_inputs_are_what_was_typed_or_the_first_usual_shape_that_goes_through(typed, shapes, dtype):
    model = Takes(*shapes, dtype=dtype)
    subject = module_subject(model, frozen=("front",), inputs=typed)
    before = model.head.weight.clone()
    subject.step()
    assert not torch.equal(before, model.head.weight)


@pytest.mark.parametrize("given", [torch.ones(5), (torch.ones(5),), {"inputs": torch.ones(5)}])
@pytest.mark.parametrize("name", ["example_input_array", "dummy_inputs"])
def test_an_example_of_the_module_s_own_is_used(name, given):
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.front, self.head = nn.Linear(5, 5), nn.Linear(5, 2)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            assert inputs.shape == (5,)
            return self.head(self.front(inputs))

    model = Own()
    setattr(model, name, given)
    module_subject(model, frozen=("front",)).step()


def test_a_module_that_takes_no_usual_shape_is_told_the_option():
    with pytest.raises(AuditError, match=r"no input of a usual shape .* say one with --input"):
        module_subject(Takes((1, 2, 3, 4, 5)), frozen=("front",))


@pytest.mark.parametrize("typed", ["8x", "x8", "8*3", "int:4", "", "8x-1", "long:"])
def test_an_input_that_is_no_shape_is_refused(typed):
    with pytest.raises(AuditError, match="is no shape; write sizes such as 8x3x224x224"):
        world_of("train.py:make", Asked(inputs=(typed,)))


def test_a_module_in_eval_mode_is_trained_and_one_with_modes_of_its_own_keeps_them():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2)).eval()
    module_subject(model, frozen=("0",))
    assert model[1].training
    model[1].eval()
    module_subject(model, frozen=("0",))
    assert not model[1].training


def test_trying_shapes_changes_nothing_of_the_module():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 3))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    module_subject(model, frozen=("0",))
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())
    assert model[1].training


def test_an_input_beside_a_step_is_refused(world):
    with pytest.raises(AuditError, match="--input is for a module by itself"):
        world("a_tuple", inputs=("4",)).begin()
