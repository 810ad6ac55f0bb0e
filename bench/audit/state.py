"""Values that steps change, kept so that they can be put back in place, to the bit.

Whatever refers to a tensor, a dictionary or a module goes on referring to the same one: contents
are put back, not objects exchanged.
"""

from __future__ import annotations

import random
import types
from collections import OrderedDict, defaultdict, deque
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from bench.audit.raised import told
from bench.audit.subject import AuditError
from bench.measure.stillness import same_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Restore = Callable[[], None]

_DEPTH = 8
_ITEMS = 10_000  # of a container that a step merely reaches: a data set is read, not changed
_PLAIN = (
    *(int, float, complex, bool, str, bytes, type(None), type),
    *(torch.dtype, torch.device, types.ModuleType),
)


class Snapshot:
    """What was there when `keep` was called, for `restore`.

    Args:
        without: ids of tensors whose values are not copied, because there is no memory for it.

    Attributes:
        copies: values of the tensors that were kept, by the id of the tensor.
        left: bytes that copies may still take: data that a step merely reads is not worth more.
    """

    def __init__(self, without: Collection[int] = ()) -> None:
        self.left: int | None = None
        self.copies: dict[int, torch.Tensor] = {}
        self._without = without
        self._restore: list[Restore] = []
        self._seen: dict[int, Any] = {}  # holds what it has seen, so that no id is used twice

    def restore(self) -> None:
        """Put everything back that can be.

        Raises:
            AuditError: something could not be; everything else has been put back.
        """
        errors: list[Exception] = []
        with torch.no_grad():
            for restore in self._restore:
                try:
                    restore()
                except Exception as error:  # whatever objects of the user's make of it
                    errors.append(error)
        if errors:
            count = f"{len(errors)} thing{'s' if len(errors) > 1 else ''}"
            raise AuditError(
                f"{count} that the steps changed could not be put back, everything else was: "
                f"{told(errors[0])}; audit a factory in a file instead, which is called anew"
            ) from errors[0]

    def also(self, restore: Restore) -> None:
        """Call `restore` as well when things are put back."""
        self._restore.append(restore)

    def things(self) -> list[Any]:
        """What was kept or passed on the way."""
        return list(self._seen.values())

    def keep(self, thing: Any, depth: int = _DEPTH) -> None:
        """Keep a tensor, a container, a module, or any object's attributes, as deep as `depth`."""
        if isinstance(thing, _PLAIN) or id(thing) in self._seen:
            return
        self._seen[id(thing)] = thing
        if isinstance(thing, torch.Tensor):
            self._keep_tensor(thing)
        elif isinstance(thing, (dict, OrderedDict, defaultdict)):
            self._keep_contents(thing, dict(thing), thing.clear, thing.update)
            self._keep_all(thing.values(), depth)
        elif isinstance(thing, (list, deque)):
            self._keep_contents(thing, list(thing), thing.clear, thing.extend)
            self._keep_all(thing, depth)
        elif isinstance(thing, set):
            self._keep_contents(thing, set(thing), thing.clear, thing.update)
        elif isinstance(thing, tuple):
            self._keep_all(thing, depth)
        elif isinstance(thing, torch.Generator):
            state = thing.get_state()
            self._restore.append(lambda: void(thing.set_state(state)))
        elif isinstance(thing, random.Random):
            drawn = thing.getstate()
            self._restore.append(lambda: thing.setstate(drawn))
        elif isinstance(thing, np.random.Generator):
            bits = thing.bit_generator.state
            self._restore.append(lambda: setattr(thing.bit_generator, "state", bits))
        elif isinstance(thing, nn.Module):
            self.keep(vars(thing), _DEPTH)  # however deep modules are nested
        elif depth > 0:
            if isinstance(getattr(thing, "__dict__", None), dict):
                self.keep(vars(thing), depth - 1)
            self._keep_slots(thing, depth - 1)

    def _keep_slots(self, thing: Any, depth: int) -> None:
        for kind in type(thing).__mro__:
            for slot in vars(kind).values():
                if isinstance(slot, types.MemberDescriptorType) and kind.__module__ != "builtins":
                    self._keep_slot(thing, slot, depth)

    def _keep_slot(self, thing: Any, slot: types.MemberDescriptorType, depth: int) -> None:
        try:
            value = slot.__get__(thing)
            slot.__set__(thing, value)
        except (AttributeError, TypeError):  # empty, or for reading only
            return
        self._restore.append(lambda: slot.__set__(thing, value))
        self.keep(value, depth)

    def _keep_all(self, things: Any, depth: int) -> None:
        if depth > 0:
            for thing in islice(list(things), _ITEMS if self.left is not None else None):
                self.keep(thing, depth - 1)

    def _keep_contents(
        self, thing: Any, content: Any, clear: Callable[[], None], fill: Callable[[Any], None]
    ) -> None:
        def restore() -> None:
            if not _same(thing, content):
                clear()
                fill(content)

        self._restore.append(restore)

    def _affords(self, tensor: torch.Tensor) -> bool:
        if self.left is None:
            return True
        self.left -= tensor.nbytes
        return self.left >= 0

    def _keep_tensor(self, tensor: torch.Tensor) -> None:
        if tensor.is_meta:
            return
        flag, gradient = tensor.requires_grad, tensor.grad if tensor.is_leaf else None
        alias = tensor.detach()
        copy = None
        if id(tensor) not in self._without and self._affords(tensor):
            copy = self.copies[id(tensor)] = tensor.detach().clone()
        if gradient is not None:
            self.keep(gradient)

        def restore() -> None:
            if _place(tensor) != _place(alias):
                tensor.data = alias
            if copy is not None and not _same_values(tensor, copy):
                _write(tensor.data, copy)
            if tensor.is_leaf:
                if tensor.requires_grad != flag:
                    tensor.requires_grad_(flag)
                if tensor.grad is not gradient:
                    tensor.grad = gradient

        self._restore.append(restore)


def random_state() -> Restore:
    """What puts the random numbers of python, numpy and torch, and the grad mode back to now."""
    of_python, of_numpy, of_torch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    on_cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    of_cuda = torch.cuda.get_rng_state_all() if on_cuda else None
    enabled = torch.is_grad_enabled()

    def restore() -> None:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        torch.set_rng_state(of_torch)
        if of_cuda is not None:
            torch.cuda.set_rng_state_all(of_cuda)
        torch.set_grad_enabled(enabled)

    return restore


def void(_: Any) -> None:
    """Nothing, whatever it was given."""


def _same(thing: Any, content: Any) -> bool:
    """Whether a container holds the very objects that it held, in the same order."""
    if len(thing) != len(content):
        return False
    if isinstance(content, dict):
        pairs = zip(thing.items(), content.items(), strict=True)
        return all(k is l_ and v is w for (k, v), (l_, w) in pairs)
    if isinstance(content, set):
        return bool(thing == content)
    return all(one is other for one, other in zip(thing, content, strict=True))


def _place(tensor: torch.Tensor) -> tuple[Any, ...]:
    if tensor.layout is not torch.strided:
        return (tensor.layout, tensor.shape)
    return (
        tensor.untyped_storage().data_ptr(),
        tensor.storage_offset(),
        tensor.shape,
        tensor.dtype,
    )


def _write(tensor: torch.Tensor, copy: torch.Tensor) -> None:
    """Write `copy` to a tensor of which dimensions may be expanded: there, once."""
    if tensor.layout is torch.strided:
        for dim, stride in enumerate(tensor.stride()):
            if stride == 0 and tensor.shape[dim] > 1:
                tensor, copy = tensor.narrow(dim, 0, 1), copy.narrow(dim, 0, 1)
    tensor.copy_(copy)


def _same_values(tensor: torch.Tensor, copy: torch.Tensor) -> bool:
    if tensor.layout is not torch.strided:
        return False
    return same_bits(tensor, copy)
