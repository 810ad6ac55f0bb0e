"""The model whose names a person knows, inside of what wraps it."""

from __future__ import annotations

from torch import nn


def inner(model: nn.Module) -> nn.Module:
    """`model` without `DistributedDataParallel`, `DataParallel` and `torch.compile` around it."""
    while True:
        compiled = model._modules.get("_orig_mod")
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        elif compiled is not None:
            model = compiled
        else:
            return model


def is_compiled(model: nn.Module) -> bool:
    """Whether any part of `model` is compiled, so that hooks on its modules may not run."""
    return any(
        "_orig_mod" in part._modules or getattr(part, "_compiled_call_impl", None) is not None
        for part in model.modules()
    )
