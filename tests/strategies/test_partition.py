from __future__ import annotations

import pytest
import torch
from torch import nn

from strategies import Partition, PartitionError, distinct, find_tensor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU())
        self.middle = nn.Linear(3, 3)
        self.drop = nn.Dropout()
        self.head = nn.Linear(3, 2)


@pytest.fixture
def net():
    return Net()


def test_a_module_name_freezes_everything_below_it(net):
    frozen = Partition.of(net, ["body"]).frozen
    assert frozen == ("body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias")


def test_the_rest_is_trainable(net):
    partition = Partition.of(net, ["body", "head"])
    assert partition.trainable == ("middle.weight", "middle.bias")


def test_a_star_also_matches_dots(net):
    assert "body.0.bias" in Partition.of(net, ["*.bias"]).frozen


@pytest.mark.parametrize("name", ["body", "drop", "middle"])
def test_a_dot_and_star_is_the_module_itself_with_its_own_buffers(net, name):
    net.get_submodule(name).register_buffer("scale", torch.ones(1))
    others = [] if name == "middle" else ["middle"]

    starred = Partition.of(net, [f"{name}.*", *others])

    assert starred == Partition.of(net, [name, *others])
    assert f"{name}.scale" in starred.frozen_buffers


def test_a_dot_and_star_takes_out_what_the_module_s_name_does(net):
    assert Partition.of(net, ["head", "d*", "!drop.*"]) == Partition.of(
        net, ["head", "d*", "!drop"]
    )


def test_an_exclamation_mark_takes_out_again_wherever_it_stands(net):
    one = Partition.of(net, ["!*.bias", "body"])
    other = Partition.of(net, ["body", "!*.bias"])
    assert one == other
    assert one.frozen == ("body.0.weight", "body.1.weight")


def test_only_exclamation_marks_freeze_nothing_and_say_so(net):
    with pytest.raises(PartitionError, match="freeze no parameter"):
        Partition.of(net, ["!head"])


def test_freezing_everything_is_refused(net):
    with pytest.raises(PartitionError, match="leave something to train"):
        Partition.of(net, ["*"])


def test_no_pattern_is_refused(net):
    with pytest.raises(PartitionError, match="no pattern"):
        Partition.of(net, [])


def test_a_pattern_without_a_match_suggests_near_ones(net):
    with pytest.raises(PartitionError, match=r"'boddy' matches no module.*'body'"):
        Partition.of(net, ["boddy"])


def test_an_exclusion_without_a_match_is_refused(net):
    with pytest.raises(PartitionError, match=r"'head\.wait'"):
        Partition.of(net, ["head", "!head.wait"])


def test_a_tied_parameter_is_frozen_under_all_its_names(net):
    net.head.bias = nn.Parameter(net.middle.bias[:2])
    net.middle.weight = net.body[0].weight
    assert "middle.weight" in Partition.of(net, ["body"]).frozen


def test_a_tied_tensor_is_counted_once(net):
    net.middle.weight = net.body[0].weight
    partition = Partition.of(net, ["body"])
    assert len(partition.frozen_tensors(net)) == len(partition.frozen) - 1


def test_a_module_under_two_names_is_found_by_either(net):
    net.again = net.body
    assert Partition.of(net, ["again"]).frozen == Partition.of(net, ["body"]).frozen


def test_frozen_modules_are_the_largest_ones(net):
    assert Partition.of(net, ["body.0", "body.1", "head"]).frozen_modules == ("body", "head")


def test_a_module_with_a_trainable_parameter_is_not_wholly_frozen(net):
    assert Partition.of(net, ["body", "!body.1.bias"]).frozen_modules == ("body.0",)


def test_no_module_is_frozen_by_its_biases_alone(net):
    assert Partition.of(net, ["*.bias"]).frozen_modules == ()


def test_a_module_without_parameters_is_frozen_if_it_is_named(net):
    assert Partition.of(net, ["head", "drop"]).frozen_modules == ("drop", "head")


def test_a_module_without_parameters_can_be_taken_out(net):
    assert Partition.of(net, ["head", "d*", "!drop"]).frozen_modules == ("head",)


def test_children_stand_for_a_module_that_never_runs():
    net = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})
    net["head"] = nn.Linear(2, 2)
    assert Partition.of(net, ["blocks"]).frozen_modules == ("blocks.0", "blocks.1")


def test_frozen_buffers_are_those_inside_frozen_modules(net):
    assert Partition.of(net, ["body"]).frozen_buffers == (
        "body.1.running_mean",
        "body.1.running_var",
        "body.1.num_batches_tracked",
    )


@pytest.mark.parametrize(
    ("patterns", "topology"),
    [
        (["body"], "front"),
        (["body", "middle"], "front"),
        (["middle"], "middle"),
        (["body.0.bias"], "middle"),
        (["head"], "back"),
        (["middle", "head"], "back"),
        (["body", "head"], "mixed"),
        (["*.bias"], "mixed"),
    ],
)
def test_the_topology_says_where_the_frozen_part_stands(net, patterns, topology):
    assert Partition.of(net, patterns).topology == topology


def test_a_tensor_is_found_by_its_name(net):
    assert find_tensor(net, "body.1.running_mean") is net.body[1].running_mean


def test_distinct_goes_by_identity_and_keeps_order(net):
    one, other = net.head.weight, net.head.bias
    assert [id(t) for t in distinct([one, other, one])] == [id(one), id(other)]
