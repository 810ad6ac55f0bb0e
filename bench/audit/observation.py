"""What was seen while a training ran a few steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from bench.measure.stillness import Place
    from bench.records import Moved


@dataclass
class Trained:
    """One trainable parameter.

    Attributes:
        flag: its `requires_grad` at the beginning.
        arrived: backward brought it a gradient, or its gradient differs from the beginning's.
        brought: the latest backward since its last update left it a gradient that is not zeros.
        dropped: such a gradient was gone, or zeros, when the update came.
        applied: steps after which an optimizer was given a gradient that is finite and not zero,
            at a learning rate above 0.
        zeros: updates at a learning rate above 0 that were given zeros, which backward had brought.
        largest: absolute value in any of these gradients.
        rate: its learning rate at the last update; `warming` if a scheduler started it at 0.
        dtype: of its values; `dims` of its shape.
        moved: it differs from the beginning.
        listed: an optimizer held it at some time; `listed_now`, in the end.
        offered: an optimizer that holds it has run an update.
        replaced: the step in which another tensor took its place.
        non_finite: the step in which its gradient or its value was first NaN or infinite.
    """

    flag: bool = True
    arrived: bool = False
    brought: bool = False
    dropped: bool = False
    applied: list[int] = field(default_factory=list)
    zeros: int = 0
    largest: float = 0.0
    rate: float | None = None
    warming: bool = False
    dtype: torch.dtype | None = None
    dims: int = 0
    moved: bool = False
    listed: bool = False
    listed_now: bool = False
    offered: bool = False
    replaced: int | None = None
    non_finite: int | None = None


@dataclass
class Observation:
    """One run of a few steps from the beginning.

    Attributes:
        steps: that were finished.
        raised: what ended them early.
        moved: frozen tensors that differed after some step, with the largest difference.
        since: the first step after which each did.
        replaced: frozen names that another tensor took, with the step.
        gone: frozen names under which nothing is found in the end, with the step since when.
        trained: by name, each trainable parameter once.
        with_gradient: frozen parameters that had a gradient, not all zeros, at an update.
        largest_gradient: of all trainable parameters at any update.
        backward: passes that were run.
        first_update: the step of the first one by an optimizer of this training; 0 if none ran.
    """

    steps: int = 0
    raised: BaseException | None = None
    moved: dict[Place, Moved] = field(default_factory=dict)
    since: dict[Place, int] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    trained: dict[str, Trained] = field(default_factory=dict)
    with_gradient: set[str] = field(default_factory=set)
    largest_gradient: float = 0.0
    backward: int = 0
    first_update: int = 0
