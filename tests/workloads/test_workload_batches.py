from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from bench.workloads import WorkloadError, batch_size, to_device


class Pair(NamedTuple):
    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Sample:
    tokens: Tensor
    name: str


NESTINGS = {
    "a tensor": torch.ones(3, 2),
    "a tuple": (torch.ones(3, 2), torch.ones(3)),
    "a list in a tuple": ([torch.ones(3), torch.ones(1)], 5),
    "a dict": {"ids": torch.ones(3), "note": None},
    "a mapping that keeps order": OrderedDict(b=torch.ones(3), a=torch.ones(2)),
    "a defaultdict": defaultdict(list, ids=torch.ones(3)),
    "a namedtuple": Pair(torch.ones(3), torch.ones(3)),
    "a frozen dataclass": Sample(torch.ones(3), "x"),
    "a dict of lists of dataclasses": {"parts": [Sample(torch.ones(3), "x")]},
}


@pytest.mark.parametrize("nesting", NESTINGS)
def test_the_first_dimension_of_the_first_tensor_is_the_batch_size(nesting: str) -> None:
    assert batch_size(NESTINGS[nesting]) == 3


@pytest.mark.parametrize("nesting", NESTINGS)
def test_a_moved_batch_keeps_its_nesting(nesting: str) -> None:
    moved = to_device(NESTINGS[nesting], "meta")
    assert type(moved) is type(NESTINGS[nesting])
    assert batch_size(moved) == 3


@pytest.mark.parametrize(
    ("batch", "first"),
    [
        (NESTINGS["a namedtuple"], lambda moved: moved.images),
        (NESTINGS["a frozen dataclass"], lambda moved: moved.tokens),
        (NESTINGS["a defaultdict"], lambda moved: moved["ids"]),
    ],
)
def test_tensors_arrive_on_the_device_and_stay_in_the_original(batch: Any, first: Any) -> None:
    assert first(to_device(batch, "meta")).is_meta
    assert not first(batch).is_meta


def test_only_images_get_channels_last() -> None:
    images, labels = to_device(
        (torch.ones(2, 3, 4, 4), torch.ones(2)), torch.device("cpu"), channels_last=True
    )
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.shape == (2,)


def test_a_batch_without_a_tensor_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"holds no tensor \(it is a dict\)"):
        batch_size({"text": "hello"})


def test_a_batch_that_starts_with_a_scalar_is_refused() -> None:
    with pytest.raises(WorkloadError, match="put a tensor with one row a sample first"):
        batch_size((torch.tensor(1.0), torch.ones(3)))
