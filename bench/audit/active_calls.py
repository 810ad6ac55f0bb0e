"""Calls that answer at random or by the batch whatever a module's mode is.

`functional.dropout(x, 0.3)` without `training=self.training` is active in eval mode too, and a
BatchNorm that was made without running statistics always normalises by the batch.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

_DROPOUTS = frozenset(
    (
        *(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d),
        *(functional.alpha_dropout, functional.feature_alpha_dropout),
        *(torch.dropout, torch.alpha_dropout, torch.feature_dropout, torch.feature_alpha_dropout),
    )
)
_ATTENTION = functional.scaled_dot_product_attention
_DROPOUT_P = 4  # its place among the arguments of attention


class ActiveCalls(TorchFunctionMode):
    """Which of some modules make such calls while this is entered.

    Attributes:
        dropout: modules that called a dropout, by name; whether it dropped is not looked at.
        by_batch: modules that called a batch norm without running statistics.
    """

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        self.dropout: list[str] = []
        self.by_batch: list[str] = []
        self._modules = modules
        self._inside: list[str] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note calls within the block, by the innermost of the modules that makes them."""
        hooks = []
        for name, module in self._modules.items():
            hooks.append(module.register_forward_pre_hook(self._entered(name)))
            hooks.append(module.register_forward_hook(self._left, always_call=True))
        try:
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Note the call, and let it happen."""
        kwargs = kwargs or {}
        if func in _DROPOUTS or (func is _ATTENTION and _dropout_p(args, kwargs)):
            self._note(self.dropout)
        elif func is functional.batch_norm and _argument(args, kwargs, 1, "running_mean") is None:
            self._note(self.by_batch)
        return func(*args, **kwargs)

    def _note(self, found: list[str]) -> None:
        if self._inside and self._inside[-1] not in found:
            found.append(self._inside[-1])

    def _entered(self, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: Any) -> None:
            self._inside.append(name)

        return hook

    def _left(self, _module: nn.Module, _args: Any, _output: Any) -> None:
        self._inside.pop()


class WithoutDropout(TorchFunctionMode):
    """While this is entered, a dropout hands its input through."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call anything else as it is."""
        kwargs = dict(kwargs or {})
        if func in _DROPOUTS:
            return _argument(args, kwargs, 0, "input")
        if func is _ATTENTION and _dropout_p(args, kwargs):
            if len(args) > _DROPOUT_P:
                args = (*args[:_DROPOUT_P], 0.0, *args[_DROPOUT_P + 1 :])
            else:
                kwargs["dropout_p"] = 0.0
        return func(*args, **kwargs)


def _dropout_p(args: Any, kwargs: dict[str, Any]) -> float:
    given: float = _argument(args, kwargs, _DROPOUT_P, "dropout_p") or 0.0
    return given


def _argument(args: Any, kwargs: dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs.get(name)
