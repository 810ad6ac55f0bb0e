"""Frozen gradients that shrink the clipped update of the trainable part."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from bench.audit.backwards import around_backward
from bench.audit.causes.words import finding, listed, parameters_code
from bench.audit.updates import around_updates, members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from bench.audit.causes.laboratory import Laboratory
    from bench.audit.observation import Observation
    from bench.audit.subject import Subject
    from bench.records import Finding

_BEYOND_ROUNDING = 1e-4


def clipping_findings(lab: Laboratory, seen: Observation) -> list[Finding]:
    """Whether the first update of the trainable part is another without frozen gradients."""
    names = [name for name in lab.meant.partition.frozen if name in seen.with_gradient]
    if not names or not seen.updates or not lab.puts_back:
        return []
    lab.told("again with frozen gradients zeroed after backward")
    steps = max(1, min(2, seen.steps))
    with_them, without = _given(lab, steps, []), _given(lab, steps, names)
    ratio = _ratio(with_them, without)
    if ratio is None or abs(ratio - 1) < _BEYOND_ROUNDING:
        return []
    return [
        finding(
            "clip-counts-frozen",
            names,
            f"gradients of {listed(names)} are counted where gradients are clipped: the trainable "
            f"gradients reach the optimizer at {ratio:.3g}× of what they are without them",
            "the norm that is clipped is that of all gradients which are not None, frozen or not",
            f"for p in {parameters_code(names, lab.meant.partition)}: p.requires_grad_(False); "
            "p.grad = None",
            decided_by="with the frozen gradients zeroed after backward, the gradients of the "
            "trainable part at the first update are others",
            figures={"gradient_ratio": ratio},
        )
    ]


def _given(lab: Laboratory, steps: int, zeroed: list[str]) -> dict[str, Tensor]:
    """The gradients that the trainable parameters have at their first update."""
    found: dict[str, Tensor] = {}

    @contextmanager
    def looking(subject: Subject, model: nn.Module) -> Iterator[None]:
        trainable = set(lab.meant.partition.trainable)

        def zero() -> None:
            for name, parameter in model.named_parameters(remove_duplicate=False):
                if name in zeroed and parameter.grad is not None:
                    parameter.grad.detach().zero_()

        def note(optimizer: Any) -> None:
            ids = {id(parameter) for parameter, _ in members(optimizer)}
            for name, parameter in model.named_parameters():
                if name in trainable and id(parameter) in ids and parameter.grad is not None:
                    found.setdefault(name, parameter.grad.detach().clone())

        with ExitStack() as stack:
            stack.enter_context(around_backward(after=zero))
            stack.enter_context(around_updates(subject.optimizers, before=note))
            yield

    lab.run(steps, looking)
    return found


def _ratio(one: dict[str, Tensor], other: dict[str, Tensor]) -> float | None:
    if not one or one.keys() != other.keys():
        return None
    sizes = [
        math.hypot(*(float(gradient.float().norm()) for gradient in gradients.values()))
        for gradients in (one, other)
    ]
    if not all(map(math.isfinite, sizes)) or not sizes[1]:
        return None
    return sizes[0] / sizes[1]
