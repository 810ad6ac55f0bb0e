"""The edge of a frozen module: its `forward`, and the tensors in whatever it returns."""

from __future__ import annotations

from collections.abc import MutableMapping
from copy import copy
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn


def wrap_forward(module: nn.Module, around: Callable[..., Any]) -> None:
    """From now on `module(...)` is `around(forward, ...)`.

    The wrapper sits on the instance and refers to it, so a deep copy of the module would still run
    the original.
    """
    forward = module.forward

    @wraps(forward)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(forward, *args, **kwargs)

    module.forward = wrapped


def map_tensors(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """`value` with `function` applied to each tensor in it, at any depth; `value` is not changed.

    Goes into tuples, named tuples, lists, mappings, dataclasses and their subclasses. Any other
    object is returned as it is, even if it hides tensors.
    """
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple):
        return _rebuilt_tuple(value, [map_tensors(function, item) for item in value])
    if type(value) is list:
        return [map_tensors(function, item) for item in value]
    if type(value) is dict:
        return {key: map_tensors(function, item) for key, item in value.items()}
    is_record = is_dataclass(value) and not isinstance(value, type)
    if is_record or isinstance(value, (list, MutableMapping)):
        return _changed_copy(function, value)
    return value


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors that `map_tensors` reaches, in order."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(note, value)
    return found


def _rebuilt_tuple(value: tuple[Any, ...], items: list[Any]) -> tuple[Any, ...]:
    if all(new is old for new, old in zip(items, value, strict=True)):
        return value  # nothing in it: a `torch.Size`, for one
    make: Callable[[Iterable[Any]], tuple[Any, ...]] = getattr(value, "_make", type(value))
    return make(items)


def _changed_copy(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """A shallow copy with its contents mapped: keeps a subclass without knowing how it is made."""
    changed = copy(value)
    if isinstance(value, list):
        changed[:] = [map_tensors(function, item) for item in value]
        return changed
    if isinstance(value, MutableMapping):
        for key, item in value.items():
            changed[key] = map_tensors(function, item)
        # Classes such as ModelOutput offer each item as an attribute too.
        attributes = getattr(changed, "__dict__", {})
        attributes.update({key: changed[key] for key in attributes if key in changed})
        return changed
    for field in fields(value):
        if hasattr(value, field.name):
            # Past a frozen dataclass's own `__setattr__`.
            object.__setattr__(
                changed, field.name, map_tensors(function, getattr(value, field.name))
            )
    return changed
