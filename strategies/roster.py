"""Which strategies there are, and how one is found by what a user writes."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strategies.backward_inputs import BackwardInputs
from strategies.buffers import Buffers
from strategies.clear_grads import ClearGrads
from strategies.detach import Detach
from strategies.eval_mode import in_eval_mode
from strategies.feature_cache import FeatureCache
from strategies.full import Full
from strategies.functional import Functional
from strategies.inference_mode import InferenceMode
from strategies.lr_zero import LrZero
from strategies.mask_grads import MaskGrads
from strategies.no_grad import NoGrad
from strategies.optimizer_subset import OptimizerSubset
from strategies.requires_grad import RequiresGrad
from strategies.restore import Restore
from strategies.strategy import Strategy
from strategies.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ENTRY_POINT_GROUP = "freezebench.strategies"

#: The built-in strategies, in reading order.
ROSTER: dict[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (
        Full,
        RequiresGrad,
        OptimizerSubset,
        LrZero,
        NoGrad,
        Detach,
        InferenceMode,
        BackwardInputs,
        ClearGrads,
        MaskGrads,
        Functional,
        Buffers,
        FeatureCache,
        Restore,
    )
}

#: What may stand behind a `+`.
MODIFIERS: dict[str, Callable[[type[Strategy]], type[Strategy]]] = {"eval": in_eval_mode}


class StrategyError(ValueError):
    """A strategy cannot be found or used, for the reason that the message tells."""


def names() -> list[str]:
    """All strategies that `find` knows by name: the built-in ones, then those of other packages.

    Raises:
        StrategyError: two strategies have the same name.
    """
    return [*ROSTER, *_foreign()]


def find(spec: str) -> Strategy:
    """A fresh strategy for `name`, `name+eval`, `path/to/file.py:ClassName` or the latter `+eval`.

    Raises:
        StrategyError: with one sentence that says what is the matter, and what there is instead.
    """
    path, colon, rest = spec.rpartition(":")
    name, plus, modifier = rest.partition("+")
    if plus and modifier not in MODIFIERS:
        raise StrategyError(
            f"'{spec}' has the unknown modifier '+{modifier}'; {suggest(modifier, MODIFIERS)}"
        )
    if not colon and name.endswith(".py"):
        raise StrategyError(f"'{spec}' is a file; say which class of it, as in {name}:ClassName")
    strategy = _from_file(Path(path), name) if colon else _by_name(name)
    if plus:
        strategy = MODIFIERS[modifier](strategy)
    try:
        return strategy()
    except Exception as problem:
        raise StrategyError(f"'{spec}' cannot be made: {_told(problem)}") from problem


def _by_name(name: str) -> type[Strategy]:
    if name in ROSTER:
        return ROSTER[name]
    foreign = _foreign()
    if name not in foreign:
        raise StrategyError(f"there is no strategy '{name}'; {suggest(name, [*ROSTER, *foreign])}")
    point = foreign[name]
    origin = f"the strategy '{name}' of {_distribution(point)}"
    try:
        found = point.load()
    except Exception as problem:
        raise StrategyError(f"{origin} does not load: {_told(problem)}") from problem
    strategy = _checked(found, origin)
    if strategy.name != name:
        raise StrategyError(f"{origin} calls itself '{strategy.name}'; the two must be the same")
    return strategy


def _foreign() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=_distribution):
        if point.name in ROSTER or point.name in found:
            other = _distribution(found[point.name]) if point.name in found else "freezebench"
            raise StrategyError(
                f"two strategies are called '{point.name}': one of {other} and one of "
                f"{_distribution(point)}; uninstall or rename one"
            )
        found[point.name] = point
    return found


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _from_file(path: Path, class_name: str) -> type[Strategy]:
    if not path.is_file():
        raise StrategyError(f"there is no strategy file '{path}'")
    found = vars(_imported(path))
    if class_name not in found:
        own = [key for key, value in found.items() if _is_strategy(value) and value is not Strategy]
        raise StrategyError(
            f"there is no class '{class_name}' in {path}; {suggest(class_name, own)}"
        )
    strategy = _checked(found[class_name], f"'{class_name}' in {path}")
    if strategy.name in ROSTER:
        raise StrategyError(
            f"'{class_name}' in {path} is called '{strategy.name}' like the built-in strategy; "
            "give it a `name` of its own"
        )
    return strategy


def _imported(path: Path) -> ModuleType:
    name = f"strategy file {path.resolve()}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StrategyError(f"'{path}' is not a Python file; its name must end in .py")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        del sys.modules[name]
        raise StrategyError(f"{path} cannot be imported: {_told(problem)}") from problem
    return module


def _checked(found: Any, origin: str) -> type[Strategy]:
    if not _is_strategy(found):
        raise StrategyError(f"{origin} is no subclass of strategies.Strategy")
    strategy: type[Strategy] = found
    name = getattr(strategy, "name", None)
    if not isinstance(name, str) or not name or set(name) & set("+: "):
        raise StrategyError(
            f"{origin} needs a class attribute `name`, a word without '+', ':' and spaces"
        )
    return strategy


def _is_strategy(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Strategy)


def _told(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"
