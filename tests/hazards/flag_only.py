"""How many freeze: the flags go off, and the optimizer that holds everything stays."""

from __future__ import annotations

from strategies import Strategy


class FlagOnly(Strategy):
    """`requires_grad_(False)` and nothing else."""

    name = "flag_only"

    def prepare(self, model, partition):
        for parameter in partition.frozen_tensors(model):
            parameter.requires_grad_(False)
