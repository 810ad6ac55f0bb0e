"""How the model stood when the watch began: flags, modes, gradients and identities."""

from __future__ import annotations

import weakref
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bench.watch.errors import WatchRequestError
from strategies import Partition, PartitionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


class Beginning:
    """What a later look at the model is compared with.

    Attributes:
        partition: what is frozen, and what is not.
        trainable: names of what is not frozen and has `requires_grad` on, each tensor once.
        flags: `requires_grad` of each parameter.
        modes: `training` of each module.
        with_gradient: frozen parameters that had a `.grad`.
        unmatched: frozen parameters that no pattern names: they are tied to one that is named.
    """

    def __init__(self, model: nn.Module, patterns: Sequence[str] | None) -> None:
        parameters = dict(model.named_parameters(remove_duplicate=False))
        self.partition = _partition(model, patterns)
        self.flags = {name: parameter.requires_grad for name, parameter in parameters.items()}
        self.modes = {name: module.training for name, module in model.named_modules()}
        frozen = {name: parameters[name] for name in self.partition.frozen}
        self.with_gradient = {name for name, p in frozen.items() if p.grad is not None}
        self.unmatched = {
            name for name in frozen if patterns is not None and not _named_by(name, patterns)
        }
        self._tensors = {name: weakref.ref(parameter) for name, parameter in frozen.items()}
        once = {id(parameters[name]): name for name in reversed(self.partition.trainable)}
        self.trainable = [
            name
            for name in self.partition.trainable
            if self.flags[name] and once[id(parameters[name])] == name
        ]
        if not self.trainable:
            raise WatchRequestError(
                "requires_grad is off for everything that is not frozen, so nothing can be "
                "trained; switch it on for a part before the watch begins"
            )

    def replaced(self, name: str, now: Tensor) -> bool:
        """Whether the frozen parameter of this name is another one now."""
        return self._tensors[name]() is not now


def _partition(model: nn.Module, patterns: Sequence[str] | None) -> Partition:
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    if not names:
        raise WatchRequestError(f"{type(model).__name__} has no parameters; there is nothing to do")
    if patterns is not None:
        try:
            return Partition.of(model, patterns)
        except PartitionError as error:
            raise WatchRequestError(f"{error}") from None
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    if not frozen:
        raise WatchRequestError(
            "nothing is frozen: requires_grad is on for every parameter; name what is meant to be "
            f"frozen, for example frozen={names[0].partition('.')[0]!r}"
        )
    partition = Partition.of_names(model, frozen)
    if not partition.trainable:
        raise WatchRequestError(
            "requires_grad is off for every parameter, so nothing can be trained; watch what is "
            "trained along with it: watch(nn.ModuleList([frozen, trained]))"
        )
    return partition


def _named_by(name: str, patterns: Sequence[str]) -> bool:
    levels = name.split(".")
    names = [".".join(levels[: depth + 1]) for depth in range(len(levels))]
    return any(fnmatchcase(each, pattern) for each in names for pattern in patterns)
