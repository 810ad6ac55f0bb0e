"""The optimizers that hold a parameter of the watched model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor
    from torch.optim import Optimizer


@dataclass(slots=True)
class _Looked:
    groups: int
    holds: bool


class Holders:
    """Optimizers as they come by, and the learning rates at which they were first seen.

    Args:
        parameters: of the model.
        given: optimizers that are known from the beginning, any objects with `param_groups`.
    """

    def __init__(self, parameters: Iterable[Tensor], given: Sequence[Any]) -> None:
        self._ids = {id(parameter) for parameter in parameters}
        self._given = list(given)
        self._seen: WeakKeyDictionary[Optimizer, _Looked] = WeakKeyDictionary()
        self._first_rates: dict[int, float] = {}
        for optimizer in given:
            self._note_rates(optimizer)

    def holds(self, optimizer: Optimizer) -> bool:
        """Whether it holds a parameter of the model; looked up again when its groups change."""
        looked = self._seen.get(optimizer)
        if looked is None or looked.groups != len(optimizer.param_groups):
            looked = _Looked(len(optimizer.param_groups), self._note_rates(optimizer))
            self._seen[optimizer] = looked
        return looked.holds

    def group_of(self, tensor: Tensor) -> dict[str, Any] | None:
        """The first parameter group with this tensor; `None` if no optimizer was seen with it."""
        return next(
            (
                group
                for group in self._groups()
                if any(parameter is tensor for parameter in group["params"])
            ),
            None,
        )

    def first_rate(self, tensor: Tensor) -> float | None:
        """The learning rate at which this tensor was first seen in an optimizer."""
        return self._first_rates.get(id(tensor))

    def all_began_at_zero(self) -> bool:
        """Whether every learning rate was 0 when it was first seen."""
        return not any(self._first_rates.values())

    def _groups(self) -> Iterator[dict[str, Any]]:
        for optimizer in [*self._given, *self._seen]:
            yield from optimizer.param_groups

    def _note_rates(self, optimizer: Any) -> bool:
        holds = False
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if id(parameter) in self._ids:
                    holds = True
                    self._first_rates.setdefault(id(parameter), rate_of(group))
        return holds


def rate_of(group: dict[str, Any]) -> float:
    """The learning rate of a group, which may be a tensor; NaN if it has none."""
    return float(group.get("lr", "nan"))
