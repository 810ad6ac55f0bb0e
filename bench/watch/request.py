"""What cannot be watched, in a sentence each."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from bench.watch.errors import WatchRequestError


def refuse_what_cannot_be_watched(model: Any, every: Any, keep: Any) -> None:
    """Refuse what is no model, has no values yet, or asks for what there is not.

    Raises:
        WatchRequestError: says which, and what to do.
    """
    if not isinstance(model, nn.Module):
        raise WatchRequestError(f"a watch needs an nn.Module, not a {type(model).__name__}")
    if not isinstance(every, int) or every < 1:
        raise WatchRequestError(f"every is a number of steps, at least 1, not {every!r}")
    if keep not in ("auto", "copy", "hash"):
        raise WatchRequestError(f"keep is 'auto', 'copy' or 'hash', not {keep!r}")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if is_lazy(tensor):
            raise WatchRequestError(f"{name} has no shape yet; run the model on one batch before")
        if tensor.is_meta:
            raise WatchRequestError(
                f"{name} is on the meta device, so there is nothing to compare; give it values "
                "before (model.to_empty, load_state_dict)"
            )


def several(optimizers: Any) -> list[Any]:
    """A list of optimizers, of one, of several or of none.

    Raises:
        WatchRequestError: one of them is no optimizer.
    """
    if optimizers is None:
        return []
    found = list(optimizers) if isinstance(optimizers, (list, tuple)) else [optimizers]
    for optimizer in found:
        if not hasattr(optimizer, "param_groups"):
            raise WatchRequestError(
                f"optimizers holds a {type(optimizer).__name__}, which has no param_groups; give "
                "an optimizer or a list of them, or leave it out"
            )
    return found
