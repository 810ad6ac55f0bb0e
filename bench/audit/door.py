"""The audit of a training that lives in the same Python process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.audit.audit import audit
from bench.audit.rewound import Rewound
from bench.audit.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import nn

    from bench.records import Audit


def audit_training(
    model: nn.Module,
    optimizer: Any,
    step: Callable[[], Any],
    *,
    frozen: str | Sequence[str] | None = None,
    stateful: Iterable[Any] = (),
    steps: int = 5,
    warm: int = 1,
) -> Audit:
    """Audit a training as it is now; model, optimizer and random state are afterwards as before.

    Iterators that `step` uses, of a data loader for one, can't be wound back: their batches are
    used up, and where they run out no cause is decided.

    Args:
        model: that is trained.
        optimizer: or a list of several.
        step: runs one training step, without arguments.
        frozen: patterns on names of modules or parameters; `None` to read off what is frozen.
        stateful: schedulers, scalers, running averages that `step` changes.
        steps: that are audited.
        warm: steps before these.

    Raises:
        AuditError: the training cannot be audited.
    """
    optimizers = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
    patterns = (frozen,) if isinstance(frozen, str) else frozen
    subject = Subject(
        model=model,
        optimizers=optimizers,
        step=step,
        frozen=None if patterns is None else tuple(patterns),
        stateful=list(stateful),
    )
    name = type(model).__name__
    return audit(Rewound(subject), target=name, steps=steps, warm=warm)
