"""Whether a compiler stands between a model and the hooks on its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def is_compiled(model: nn.Module) -> bool:
    """Whether any part of `model` is compiled, so that hooks on its modules may not run."""
    return any(
        "_orig_mod" in part._modules or getattr(part, "_compiled_call_impl", None) is not None
        for part in model.modules()
    )
