from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from strategies import Partition, find
from strategies.boundary import map_tensors, tensors_in

Pair = namedtuple("Pair", "left right")


class Typed(NamedTuple):
    value: object
    note: str = ""


@dataclass
class Plain:
    value: object


@dataclass(frozen=True)
class Frozen:
    value: object
    derived: int = field(init=False, default=3)


@dataclass(frozen=True, slots=True)
class Slotted:
    value: object


class WithAttributes(OrderedDict):
    """Like the outputs of transformers: each item is an attribute as well."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.__dict__[key] = value


class ItsOwnAttributes(dict):
    """The well-known trick to read items as attributes."""

    def __init__(self, **items):
        super().__init__(items)
        self.__dict__ = self


class Shelf(list):
    label = "shelf"


NESTS = {
    "tuple": lambda inner: (inner, 1),
    "namedtuple": lambda inner: Pair(inner, None),
    "typed_namedtuple": Typed,
    "list": lambda inner: [inner, "text"],
    "list_subclass": lambda inner: Shelf([inner]),
    "dict": lambda inner: {"value": inner, 2: None},
    "ordered_dict": lambda inner: OrderedDict(value=inner),
    "default_dict": lambda inner: defaultdict(int, value=inner),
    "dict_with_attributes": lambda inner: WithAttributes(value=inner),
    "dict_as_attributes": lambda inner: ItsOwnAttributes(value=inner),
    "dataclass": Plain,
    "frozen_dataclass": Frozen,
    "slotted_dataclass": Slotted,
}


def attached():
    return torch.ones(2, requires_grad=True) * 2


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
def test_a_tensor_is_reached_in_any_container(nest):
    [found] = tensors_in(map_tensors(Tensor.detach, nest(attached())))
    assert not found.requires_grad


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
def test_the_container_keeps_its_type(nest):
    value = nest(attached())
    assert type(map_tensors(Tensor.detach, value)) is type(value)


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
def test_the_original_is_left_alone(nest):
    value = nest(attached())
    map_tensors(Tensor.detach, value)
    assert tensors_in(value)[0].requires_grad


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(NESTS)), max_size=30))
def test_a_tensor_is_reached_at_any_depth(path):
    value = attached()
    for name in path:
        value = NESTS[name](value)
    [found] = tensors_in(map_tensors(Tensor.detach, value))
    assert not found.requires_grad


leaves = st.one_of(st.builds(attached), st.none(), st.integers(), st.text(max_size=3))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=4),
        st.builds(Pair, inner, inner),
        st.builds(Frozen, inner),
    ),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_every_tensor_of_a_tree_is_mapped_once_and_in_order(tree):
    before = tensors_in(tree)
    after = tensors_in(map_tensors(lambda tensor: tensor + 1, tree))
    assert len(after) == len(before)
    assert all(torch.equal(new, old + 1) for new, old in zip(after, before, strict=True))


@pytest.mark.parametrize("kind", [WithAttributes, ItsOwnAttributes])
def test_attributes_of_a_dict_follow_its_items(kind):
    changed = map_tensors(Tensor.detach, kind(value=attached()))
    assert changed.value is changed["value"]


def test_fields_that_are_no_argument_survive():
    assert map_tensors(Tensor.detach, Frozen(attached())).derived == 3


def test_what_torch_returns_as_a_tuple_keeps_its_type():
    values = attached().max(0)
    changed = map_tensors(Tensor.detach, values)
    assert isinstance(changed, type(values))
    assert not changed.values.requires_grad


def test_a_packed_sequence_stays_one():
    packed = map_tensors(Tensor.detach, pack_sequence([attached()]))
    assert not packed.data.requires_grad
    assert packed.batch_sizes.tolist() == [1, 1]


@pytest.mark.parametrize("value", [None, 3, "text", torch.Size([2]), Plain, object()])
def test_what_holds_no_tensor_comes_back_as_it_is(value):
    assert map_tensors(Tensor.detach, value) is value


class Nesting(nn.Module):
    def __init__(self, nest):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.nest = nest

    def forward(self, inputs):
        return self.nest([self.linear(inputs)])


@pytest.mark.parametrize("strategy", ["no_grad", "detach", "inference_mode", "feature_cache"])
@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
def test_a_strategy_cuts_whatever_a_frozen_module_returns(strategy, nest):
    model = nn.ModuleDict({"frozen": Nesting(nest), "head": nn.Linear(2, 2)})
    find(strategy).prepare(model, Partition.of(model, ["frozen"]))
    [found] = tensors_in(model["frozen"](torch.ones(1, 2)))
    assert not found.requires_grad
    assert not found.is_inference()


def test_inference_mode_cuts_an_input_that_is_handed_through():
    model = nn.Sequential(nn.Linear(2, 2), nn.Identity(), nn.Linear(2, 2))
    find("inference_mode").prepare(model, Partition.of(model, ["2", "1"]))
    assert not model[1](attached()).requires_grad
