"""Weights that a module computes from parameters, of which only some are frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.utils import parametrize
from torch.nn.utils.weight_norm import WeightNorm

from bench.measure.stillness import Place, effective_weights, without_autocast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn


def partly_frozen(model: nn.Module, frozen: Iterable[str]) -> dict[Place, tuple[str, ...]]:
    """Effective weights that are made of frozen and of trainable originals.

    Returns:
        For each such weight the names of its trainable originals.
    """
    still = set(frozen)
    found: dict[Place, tuple[str, ...]] = {}
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        for leaf, originals in _parts(module).items():
            names = [f"{prefix}{original}" for original in originals]
            trained = tuple(original for original in names if original not in still)
            if trained and len(trained) < len(names):
                found[Place(f"{prefix}{leaf}", "effective weight")] = trained
    return found


def computed(model: nn.Module, owner: str) -> dict[Place, Tensor]:
    """The effective weights of the module of this name, without moving its buffers."""
    module = model.get_submodule(owner)
    if parametrize.is_parametrized(module):
        return effective_weights(owner, module)
    with torch.no_grad(), without_autocast(module):
        return {
            Place(f"{owner}.{hook.name}" if owner else hook.name, "effective weight"): (
                hook.compute_weight(module)
            )
            for hook in _old_hooks(module)
        }


def _parts(module: nn.Module) -> dict[str, list[str]]:
    parts = {hook.name: [f"{hook.name}_g", f"{hook.name}_v"] for hook in _old_hooks(module)}
    if parametrize.is_parametrized(module):
        for leaf, steps in module.parametrizations.items():  # type: ignore[operator, union-attr]
            parts[leaf] = [
                f"parametrizations.{leaf}.{name}"
                for name, _ in steps.named_parameters(recurse=False)
                if name.startswith("original")
            ]
    return parts


def _old_hooks(module: nn.Module) -> list[WeightNorm]:
    return [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, WeightNorm)]
