"""What a step function can reach and may change, beside the model and its optimizers."""

from __future__ import annotations

import copy
import functools
import types
import warnings
from typing import TYPE_CHECKING, Any

from bench.audit.raised import is_users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.audit.state import Snapshot

_CALLS = 4
_SPARE_BYTES = 2**28


def keep_reached(snapshot: Snapshot, step: Callable[..., Any], spare: int = _SPARE_BYTES) -> None:
    """Keep what `step` refers to: its closure, the object it is bound to, defaults, and globals.

    Functions of the user's own that it calls are followed a few calls deep. Values of variables
    are kept as well as what they refer to. Iterators can't be wound back: there, each repetition
    takes what comes next (those of lists excepted).

    Args:
        snapshot: to keep it in.
        step: that is run.
        spare: bytes that copies of tensors may take.
    """
    snapshot.left = spare
    _keep(snapshot, step, _CALLS, set())


def _keep(snapshot: Snapshot, function: Any, calls: int, seen: set[int]) -> None:
    if calls == 0 or id(function) in seen:
        return
    seen.add(id(function))
    if isinstance(function, functools.partial):
        snapshot.keep([*function.args, *function.keywords.values()])
        _keep(snapshot, function.func, calls, seen)
    elif isinstance(function, types.MethodType):
        snapshot.keep(function.__self__)
        _keep(snapshot, function.__func__, calls, seen)
    elif isinstance(function, types.FunctionType):
        if not is_users(function.__code__.co_filename):
            return
        for cell in function.__closure__ or ():
            _keep_cell(snapshot, cell)
        snapshot.keep([*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()])
        _keep_globals(snapshot, function)
        for called in _referred(function):
            if isinstance(called, (types.FunctionType, types.MethodType, functools.partial)):
                _keep(snapshot, called, calls - 1, seen)
            else:
                snapshot.keep(called)
    elif callable(function):
        snapshot.keep(function)
        _keep(snapshot, vars(type(function)).get("__call__"), calls, seen)


def _referred(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        if _filled(cell):
            yield cell.cell_contents
    names = _names(function.__code__)
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        if not isinstance(value, (types.ModuleType, type)):
            yield value


def _keep_cell(snapshot: Snapshot, cell: types.CellType) -> None:
    if not _filled(cell):
        return
    value = cell.cell_contents
    again = _copy_of_iterator(value)

    def restore() -> None:
        cell.cell_contents = value if again is None else copy.copy(again)

    snapshot.also(restore)


def _keep_globals(snapshot: Snapshot, function: types.FunctionType) -> None:
    values = {
        name: function.__globals__[name]
        for name in _names(function.__code__) & function.__globals__.keys()
    }
    snapshot.also(lambda: function.__globals__.update(values))


def _copy_of_iterator(value: Any) -> Any:
    """A copy that stands where `value` stands, of an iterator that has nothing else to it."""
    if type(value).__module__ not in ("builtins", "itertools") or not hasattr(value, "__next__"):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # those of itertools, until 3.14
        try:
            return copy.copy(value)
        except TypeError:  # a generator
            return None


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _names(code: types.CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*(_names(one) for one in inner))
