"""What moved."""

from __future__ import annotations

from typing import Literal

from bench.records.record import Record, Verdict


class Moved(Record, frozen=True, omit_defaults=False):
    """A tensor that differs from its value at the freeze. NaN counts as moved by infinity.

    `max_abs` is the largest absolute difference, `l2` the Euclidean norm of the difference, and
    `relative` that norm divided by the norm at the freeze. JSON has no infinity: `None` there.
    """

    name: str
    kind: Literal["parameter", "buffer", "effective weight"]
    max_abs: float | None
    l2: float | None
    relative: float | None


class Drift(Record, frozen=True):
    """What `steps` training steps did to the frozen and to the trainable part.

    `frozen_tensors` were compared bitwise; `moved` lists those that differ. `without_gradient`
    names trainable parameters that never received a gradient. `update_error` is
    ‖Δ - Δref‖ / ‖Δref‖ over the trainable part, against the reference update.
    """

    steps: int
    frozen_tensors: int = 0
    moved: list[Moved] = []
    without_gradient: list[str] = []
    update_error: float | None = None


class Midway(Record, frozen=True, omit_defaults=False):
    """The verdict for a freeze in the middle of training, with gradients and history in place."""

    verdict: Verdict
    why: str
    drift: Drift | None
