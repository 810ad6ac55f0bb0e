"""Models on the `meta` device: shapes and dtypes without memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

_LARGE = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}


class ParametersOnMeta(TorchFunctionMode):
    """A context in which a model is built without allocating its parameters.

    Narrower than `with torch.device("meta")`, in which a constructor cannot compute with small
    tensors: torchvision's RegNets take their widths from `torch.arange(...).tolist()`. What is
    left on the CPU afterwards is small; `to_meta` moves it.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Put the tensors that modules allocate for their parameters on `meta`."""
        kwargs = dict(kwargs or {})
        if func in _LARGE and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def to_meta(model: nn.Module) -> nn.Module:
    """The same module, now on `meta`, with its tied parameters still tied.

    `Module.to("meta")` replaces each parameter by a new one, and a shared one by several.
    """
    first_name: dict[int, str] = {}
    twins: list[tuple[str, str]] = []
    for name, parameter in model.named_parameters(remove_duplicate=False):
        twin = first_name.setdefault(id(parameter), name)
        if twin != name:
            twins.append((name, twin))
    model.to("meta")
    for name, twin in twins:
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, model.get_parameter(twin))
    return model
