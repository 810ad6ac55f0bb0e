"""Frozen gradients that shrink the clipped update of the trainable part."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch

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
_SAME_DIRECTION = 1e-5  # clipping changes the length of a gradient, and nothing else


def clipping_findings(lab: Laboratory, seen: Observation) -> list[Finding]:
    """Whether the gradients of the trainable part are larger where the frozen ones are zeroed."""
    names = [name for name in lab.meant.partition.frozen if name in seen.with_gradient]
    if not names or not seen.first_update or not lab.puts_back:
        return []
    lab.told("again with frozen gradients zeroed after backward")
    steps = seen.first_update
    with_them, without = _given(lab, steps, []), _given(lab, steps, names)
    ratios = [_ratio(one, other) for one, other in zip(with_them, without, strict=False)]
    shrunk = [ratio for ratio in ratios if ratio is not None and ratio < 1 - _BEYOND_ROUNDING]
    if not shrunk:
        return []
    ratio = min(shrunk)
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
            "trainable part are larger at an update, and point the same way",
            figures={"gradient_ratio": ratio},
        )
    ]


def _given(lab: Laboratory, steps: int, zeroed: list[str]) -> list[dict[str, Tensor]]:
    """The gradients that trainable parameters have at each update."""
    found: list[dict[str, Tensor]] = []

    @contextmanager
    def looking(subject: Subject, model: nn.Module) -> Iterator[None]:
        trainable = set(lab.meant.partition.trainable)

        def zero() -> None:
            for name, parameter in model.named_parameters(remove_duplicate=False):
                if name in zeroed and parameter.grad is not None:
                    parameter.grad.detach().zero_()

        def note(optimizer: Any) -> None:
            ids = {id(parameter) for parameter, _ in members(optimizer)}
            found.append(
                {
                    name: parameter.grad.detach().clone()
                    for name, parameter in model.named_parameters()
                    if name in trainable and id(parameter) in ids and parameter.grad is not None
                }
            )

        with ExitStack() as stack:
            stack.enter_context(around_backward(after=zero))
            stack.enter_context(around_updates(subject.optimizers, before=note))
            yield

    lab.run(steps, looking)
    return found


def _ratio(one: dict[str, Tensor], other: dict[str, Tensor]) -> float | None:
    """How many times as large one update's gradients are; `None` if more than a scale differs."""
    if not one or one.keys() != other.keys():
        return None
    sizes = [
        math.hypot(*(float(gradient.double().norm()) for gradient in gradients.values()))
        for gradients in (one, other)
    ]
    if not all(map(math.isfinite, sizes)) or not sizes[1]:
        return None
    ratio = sizes[0] / sizes[1]
    off = math.hypot(*(float((one[n].double() - ratio * other[n].double()).norm()) for n in one))
    eps = max(torch.finfo(gradient.dtype).eps for gradient in one.values())
    return ratio if off <= max(_SAME_DIRECTION, 8 * eps) * sizes[0] else None
