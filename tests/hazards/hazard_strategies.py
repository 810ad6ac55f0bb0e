"""Which strategies the matrix has, and one that only these tests have."""

from __future__ import annotations

from strategies import ROSTER, Strategy

EVERY = (*ROSTER, "requires_grad+eval")


class FlagOnly(Strategy):
    """How many freeze: the flags go off, and the optimizer that holds everything stays."""

    name = "flag_only"

    def prepare(self, model, partition):
        for parameter in partition.frozen_tensors(model):
            parameter.requires_grad_(False)
