"""What is audited: a model with the step that trains it, and the ways back to its beginning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn


class AuditError(ValueError):
    """The request cannot be audited; the message says what is wrong, where, and what to do."""


@dataclass
class Subject:
    """A training of the user's own.

    Attributes:
        model: that is trained.
        optimizers: all that move it, torch's or any object with `step`, `zero_grad` and
            `param_groups`.
        step: trains one step: forward, backward and update; what it returns is not looked at.
        frozen: patterns as `Partition.of` takes them; `None` to take the model as it stands.
        stateful: whatever else a step changes and that has `state_dict` and `load_state_dict`:
            schedulers, a loss scaler, a running average (a module).
    """

    model: nn.Module
    optimizers: Sequence[Any]
    step: Callable[[], Any]
    frozen: tuple[str, ...] | None = None
    stateful: list[Any] = field(default_factory=list)


class World(Protocol):
    """Where a training can be begun again, as often as its causes have to be told apart."""

    def begin(self) -> Subject:
        """The subject at its beginning, with the random state of its beginning.

        Each call ends the use of what earlier calls returned.
        """
        ...

    def end(self) -> None:
        """Leave everything as it was found: model, optimizers, flags, modes, random state."""
        ...
