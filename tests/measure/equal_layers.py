"""Equal layers on a batch of ones: what their training takes has closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from toys import FLOAT, layers, sum_of_outputs, training

from bench.measure.memory import read_memory

if TYPE_CHECKING:
    from bench.records import Memory

WIDTH, ROWS = 6, 5
WEIGHT = WIDTH * WIDTH * FLOAT
ACTIVATION = ROWS * WIDTH * FLOAT
ADAM = 2 * WEIGHT + FLOAT  # two moments, and a count of steps


def memory_of(count: int, frozen: tuple[str, ...], strategy: str, **how: Any) -> Memory:
    batches = [torch.ones(ROWS, WIDTH)]
    trained = training(
        layers(count, WIDTH), frozen, strategy, batches=batches, loss=sum_of_outputs, **how
    )
    return read_memory(trained).memory
