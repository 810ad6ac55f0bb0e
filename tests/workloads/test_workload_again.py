from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from bench import workloads
from bench.workloads.again import Again

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make() -> Callable[[], nn.Module]:
    made = []

    def linear() -> nn.Module:
        made.append(1)
        torch.manual_seed(0)
        return nn.Linear(2, 2)

    linear.made = made  # type: ignore[attr-defined]
    return linear


def test_what_is_asked_for_often_is_made_twice(make: Callable[[], nn.Module]) -> None:
    again: Again[nn.Module] = Again()

    found = [again.get("a", make) for _ in range(5)]

    assert len(make.made) == 2  # type: ignore[attr-defined]
    assert len({id(model) for model in found}) == 5
    assert all(torch.equal(model.weight, found[0].weight) for model in found)  # type: ignore[arg-type]


def test_what_is_given_is_the_caller_s_own(make: Callable[[], nn.Module]) -> None:
    again: Again[nn.Module] = Again()
    for _ in range(3):
        model = again.get("a", make)
        assert isinstance(model, nn.Linear)
        assert bool(model.weight.any())
        with torch.no_grad():
            model.weight.zero_()


def test_what_is_asked_for_once_is_not_kept(make: Callable[[], nn.Module]) -> None:
    again: Again[nn.Module] = Again()
    left = weakref.ref(again.get("a", make))
    assert left() is None


def test_something_else_takes_the_place_of_what_is_kept(make: Callable[[], nn.Module]) -> None:
    again: Again[nn.Module] = Again()
    for key in ("a", "a", "b", "a"):
        again.get(key, make)
    assert len(make.made) == 4  # type: ignore[attr-defined]


def test_a_model_of_torchvision_is_the_same_to_the_bit_however_often_it_is_built() -> None:
    options = workloads.Options(2, 3, (), None)
    before = torch.get_rng_state()
    built = [workloads.build("torchvision:shufflenet_v2_x0_5", options) for _ in range(4)]

    for other in built[1:]:
        assert other.model is not built[0].model
        states = (one.model.state_dict().values() for one in (other, built[0]))
        assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
        assert all(
            torch.equal(a, b)
            for one, two in zip(other.batches, built[0].batches, strict=True)
            for a, b in zip(one, two, strict=True)
        )
    assert torch.equal(before, torch.get_rng_state())
