"""Which trainable parameters a gradient has reached, and which modules have run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from bench.watch.zeros import Zeros

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_LOOKED_AT = 10  # steps in which modules are seen to run, while something has no gradient


class _Handle(Protocol):
    def remove(self) -> None: ...


class Arrivals:
    """Hooks on parameters until each has had a gradient, so that a long training has none left.

    Args:
        model: the inner one.
        trainable: names of the parameters that should receive a gradient, each tensor once.
        compiled: modules do not run one by one, so it can't be seen which of them do.

    Attributes:
        missing: those that have not received one yet, by name.
        zeros: those that have, and whether it was ever another than zero.
    """

    def __init__(self, model: nn.Module, trainable: list[str], *, compiled: bool) -> None:
        self.missing: dict[str, Tensor] = {name: model.get_parameter(name) for name in trainable}
        self.none_yet = True
        self._owners = {name: id(_owner(model, name)) for name in trainable}
        # A gradient from before can't be told from a new one by looking at it.
        self._from_before = {name for name, p in self.missing.items() if p.grad is not None}
        self.zeros = Zeros({n: p for n, p in self.missing.items() if n not in self._from_before})
        self._arrived: set[str] = set()
        self._ran: set[int] = set()
        self._steps = 0
        self._on_parameters: dict[str, _Handle] = {
            name: parameter.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                _noting(name, self._arrived)
            )
            for name, parameter in self.missing.items()
        }
        self._on_modules: _Handle | None = None
        if not compiled:
            self._on_modules = register_module_forward_pre_hook(_running(self._ran))

    def at_update(self) -> None:
        """Called at each update, while gradients are there."""
        self.zeros.at_update()
        self.strike_out()

    def strike_out(self) -> None:
        """Strike out what has arrived, and take its hook away."""
        if not self.missing:
            return
        self._steps += 1
        here = {
            name
            for name, parameter in self.missing.items()
            if parameter.grad is not None and name not in self._from_before
        }
        for name in (self._arrived | here) & self.missing.keys():
            del self.missing[name]
            if handle := self._on_parameters.pop(name, None):  # none after the watch has ended
                handle.remove()
            self.none_yet = False
        if not self.missing or self._steps >= _LOOKED_AT:
            self._leave_modules()

    @property
    def settled(self) -> bool:
        """Whether a step needs no look at gradients: all have come, or hooks alone wait for one."""
        return self.zeros.settled and (not self.missing or self._steps >= _LOOKED_AT)

    def unused(self, name: str) -> bool:
        """Whether the module of this parameter was seen not to run.

        Compiled modules are not seen to run: then none is seen of those that got a gradient.
        """
        trained = {owner for other, owner in self._owners.items() if other not in self.missing}
        return bool(trained & self._ran) and self._owners[name] not in self._ran

    def remove(self) -> None:
        """Take all hooks away."""
        for handle in self._on_parameters.values():
            handle.remove()
        self._on_parameters.clear()
        self._leave_modules()

    def _leave_modules(self) -> None:
        if self._on_modules is not None:
            self._on_modules.remove()
            self._on_modules = None


def _noting(name: str, arrived: set[str]) -> Callable[[Tensor], None]:
    def note(_: Tensor) -> None:
        arrived.add(name)

    return note


def _running(ran: set[int]) -> Callable[[nn.Module, Any], None]:
    def note(module: nn.Module, _: Any) -> None:
        if not torch.compiler.is_compiling():
            ran.add(id(module))

    return note


def _owner(model: nn.Module, name: str) -> nn.Module:
    """The module that uses a parameter: attention calls its output projection by the weights."""
    owner = name.rpartition(".")[0]
    above = model.get_submodule(owner.rpartition(".")[0])
    return above if isinstance(above, nn.MultiheadAttention) else model.get_submodule(owner)
