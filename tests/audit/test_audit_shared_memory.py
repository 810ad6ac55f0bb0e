"""Two tensors share memory where they have a byte in common."""

from __future__ import annotations

import pytest
import torch

from bench.audit.causes.memory import share_memory

WHOLE = torch.zeros(6, 6)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (WHOLE, WHOLE.t(), True),
        (WHOLE[:3], WHOLE[3:], False),
        (WHOLE[:4], WHOLE[3:], True),
        (WHOLE[:, :3], WHOLE[:, 3:], False),
        (WHOLE[:, :4], WHOLE[:, 3:], True),
        (WHOLE, WHOLE.clone(), False),
        (WHOLE[0, 0], WHOLE[0], True),
        (WHOLE[:0], WHOLE, False),
    ],
)
def test_memory_is_shared_by_what_has_a_byte_in_common(
    one: torch.Tensor, other: torch.Tensor, shared: bool
) -> None:
    assert share_memory(one, other) is shared
    assert share_memory(other, one) is shared
