from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.stillness import same_bits

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int8, torch.bool]


@pytest.mark.parametrize("dtype", DTYPES)
@given(size=st.integers(0, 40), start=st.integers(0, 5), place=st.integers(0, 39))
def test_a_single_bit_anywhere_is_seen(
    dtype: torch.dtype, size: int, start: int, place: int
) -> None:
    whole = torch.zeros(start + size, dtype=dtype)
    tensor = whole[start:]  # of any length, and beginning anywhere in its storage
    kept = tensor.clone()
    assert same_bits(kept, tensor)

    if place < size:
        bits = tensor[place : place + 1].view(torch.uint8)
        bits[0] ^= 1
        assert not same_bits(kept, tensor)


def test_the_sign_of_zero_is_a_bit_and_a_nan_equals_itself() -> None:
    assert not same_bits(torch.tensor([0.0, 1.0]), torch.tensor([-0.0, 1.0]))
    assert same_bits(torch.tensor([float("nan"), 1.0]), torch.tensor([float("nan"), 1.0]))


def test_a_transposed_tensor_is_compared_as_it_reads() -> None:
    tensor = torch.randn(4, 6)

    assert same_bits(tensor.t(), tensor.t().contiguous())
    assert not same_bits(tensor.t(), tensor)
