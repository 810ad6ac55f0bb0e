"""The split of a model's parameters into a frozen and a trainable part."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from torch import nn

from strategies.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from torch import Tensor

Topology = Literal["front", "middle", "back", "mixed"]


class PartitionError(ValueError):
    """The patterns do not split the model into a frozen and a trainable part."""


@dataclass(frozen=True)
class Partition:
    """Which parameters of a model are frozen and which are trainable, by qualified name.

    Names rather than tensors, so that a partition survives `copy.deepcopy`, a move to another
    device, and a strategy that turns parameters into buffers.

    Attributes:
        frozen: names of frozen parameters. All names of a tied parameter are listed.
        trainable: names of the remaining parameters.
        frozen_modules: the maximal modules of which every parameter is frozen, in the order of
            `model.named_modules()`; also modules without parameters that a pattern names. A module
            without a `forward` (a `ModuleList`) is never run, so its children stand for it.
        frozen_buffers: names of the buffers inside wholly frozen modules.
        topology: where the frozen parameters stand among all, in the order of definition (not of
            execution, which cannot be read off a module): before every trainable one (`front`),
            after (`back`), in one piece between trainable ones (`middle`), otherwise `mixed`.
    """

    frozen: tuple[str, ...]
    trainable: tuple[str, ...]
    frozen_modules: tuple[str, ...]
    frozen_buffers: tuple[str, ...]
    topology: Topology

    @classmethod
    def of(cls, model: nn.Module, patterns: Sequence[str]) -> Partition:
        """Split `model` by shell patterns on the names of modules or parameters.

        A pattern that matches a module freezes everything below it; `!pattern` takes its matches
        out again, wherever it stands in the list. `*` also matches dots, and `backbone.*` is the
        same as `backbone`. A tied parameter is frozen as soon as one of its names is.

        Args:
            model: any module.
            patterns: for example `("backbone", "encoder.layers.[0-9]", "!*.bias")`.

        Raises:
            PartitionError: a pattern matches nothing, or one of the two parts is empty.
        """
        if not patterns:
            raise PartitionError("no pattern says what is frozen; give at least one module name")
        named = dict(model.named_parameters(remove_duplicate=False))
        frozen = _covered(model, named, [p for p in patterns if not p.startswith("!")])
        frozen -= _covered(model, named, [p[1:] for p in patterns if p.startswith("!")])
        frozen_ids = {id(named[name]) for name in frozen}
        frozen = {name for name, parameter in named.items() if id(parameter) in frozen_ids}
        if not frozen:
            raise PartitionError(f"the patterns {_quoted(patterns)} freeze no parameter at all")
        if len(frozen) == len(named):
            raise PartitionError(
                f"the patterns {_quoted(patterns)} freeze every parameter; leave something to train"
            )
        return cls._split(model, named, frozen, _maximal_frozen_modules(model, frozen, patterns))

    @classmethod
    def of_names(cls, model: nn.Module, frozen: Collection[str]) -> Partition:
        """Split `model` by the full names of its frozen parameters.

        All names of a tied parameter are frozen as soon as one of them is. Either part may be
        empty.
        """
        named = dict(model.named_parameters(remove_duplicate=False))
        ids = {id(named[name]) for name in frozen}
        names = {name for name, parameter in named.items() if id(parameter) in ids}
        return cls._split(model, named, names, _maximal_frozen_modules(model, names, ()))

    @classmethod
    def _split(
        cls,
        model: nn.Module,
        named: dict[str, nn.Parameter],
        frozen: set[str],
        modules: tuple[str, ...],
    ) -> Partition:
        inside = tuple(f"{name}." for name in modules)
        running = [running for name in modules for running in _running(model, name)]
        return cls(
            frozen=tuple(name for name in named if name in frozen),
            trainable=tuple(name for name in named if name not in frozen),
            frozen_modules=tuple(running),
            frozen_buffers=tuple(
                name
                for name, _ in model.named_buffers(remove_duplicate=False)
                if name.startswith(inside)
            ),
            topology=_topology([name in frozen for name in named]),
        )

    def modules_of(self, model: nn.Module) -> list[nn.Module]:
        """The maximal frozen modules of `model`."""
        return [model.get_submodule(name) for name in self.frozen_modules]

    def frozen_tensors(self, model: nn.Module) -> list[Tensor]:
        """The frozen parameters of `model` (or the buffers they became), each once."""
        return distinct(find_tensor(model, name) for name in self.frozen)

    def trainable_tensors(self, model: nn.Module) -> list[Tensor]:
        """The trainable parameters of `model`, each once."""
        return distinct(find_tensor(model, name) for name in self.trainable)


def find_tensor(model: nn.Module, name: str) -> Tensor:
    """The parameter or buffer of `model` with this qualified name."""
    owner, _, leaf = name.rpartition(".")
    tensor: Tensor = getattr(model.get_submodule(owner), leaf)
    return tensor


def distinct(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The tensors without repetition, by identity, in order."""
    return list({id(tensor): tensor for tensor in tensors}.values())


def _covered(model: nn.Module, named: dict[str, nn.Parameter], patterns: list[str]) -> set[str]:
    modules = [name for name, _ in model.named_modules(remove_duplicate=False) if name]
    covered: set[str] = set()
    for pattern in patterns:
        roots = [name for name in modules if _matches(name, _with_module_itself([pattern]))]
        leaves = {name for name in named if fnmatchcase(name, pattern)}
        if not roots and not leaves:
            raise PartitionError(
                f"the pattern '{pattern}' matches no module or parameter; "
                + suggest(pattern, [*modules, *named])
            )
        inside = tuple(f"{root}." for root in roots)
        covered |= leaves | {name for name in named if name.startswith(inside)}
    return covered


def _maximal_frozen_modules(
    model: nn.Module, frozen: set[str], patterns: Sequence[str]
) -> tuple[str, ...]:
    taken = [pattern for pattern in patterns if not pattern.startswith("!")]
    left = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    found: list[str] = []
    for name, module in model.named_modules():
        if not name or name.startswith(tuple(f"{outer}." for outer in found)):
            continue
        parameters = [f"{name}.{leaf}" for leaf, _ in module.named_parameters()]
        if parameters:
            still = all(parameter in frozen for parameter in parameters)
        else:
            still = _matches(name, _with_module_itself(taken)) and not _matches(
                name, _with_module_itself(left)
            )
        if still:
            found.append(name)
    return tuple(found)


def _running(model: nn.Module, name: str) -> list[str]:
    """The module of this name, or in its place its children if it has no `forward` to run."""
    module = model.get_submodule(name)
    if getattr(module.forward, "__func__", None) is not nn.Module.forward:
        return [name]
    children = [f"{name}.{child}" for child, _ in module.named_children()]
    return [running for child in children for running in _running(model, child)]


def _topology(frozen: list[bool]) -> Topology:
    """Where the frozen ones stand; runs of equal flags are what counts."""
    runs = [flag for flag, _ in groupby(frozen)]
    shapes: dict[tuple[bool, ...], Topology] = {
        (True, False): "front",
        (False, True, False): "middle",
        (False, True): "back",
    }
    return shapes.get(tuple(runs), "mixed")


def _with_module_itself(patterns: Sequence[str]) -> list[str]:
    """The patterns, and for each `module.*` also `module`: all below it is all that it has."""
    return [*patterns, *(pattern[:-2] for pattern in patterns if pattern.endswith(".*"))]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _quoted(patterns: Sequence[str]) -> str:
    return ", ".join(f"'{pattern}'" for pattern in patterns)
