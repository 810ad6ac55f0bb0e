"""Whether the loss depends on what gets no gradient: other values of it, and the same loss?"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.module import register_module_forward_hook

from bench.audit.causes.unchanged import Unchanged, losses_of, perturbed
from bench.audit.causes.words import finding, listed
from bench.audit.pasteable import for_each
from bench.names import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    from bench.audit.causes.laboratory import Laboratory
    from bench.audit.observation import Observation
    from bench.audit.subject import Subject
    from bench.records import Finding

_PERTURBED = 32
_SCALES = (1.0, 4.0, 16.0)
"""Of the noise, over the spread of values: what is rounded, or chosen, may not heed a little."""
_STEPS = 2

# Why a gradient of zeros, what to do, and what has decided it.
_AT_ZERO = (
    "it stands where nothing can move it: two factors of a product that are both 0 (A and B of an "
    "adapter), an activation that is saturated, or the end of the loss",
    "# begin with one of the two factors drawn at random: nn.init.normal_(factor, std=0.02)",
    "with other values it gets a gradient",
)
_FLAT = (
    "something that is flat stands between it and the loss: round, sign, a comparison, a clamp or "
    "an activation that is saturated",
    "x = x + (torch.round(x) - x).detach()  # a straight-through estimate, for one",
    "with other values its gradient is zero too, and the loss is another",
)


def depending_findings(lab: Laboratory, steps: int, names: Sequence[str]) -> list[Finding]:
    """Nothing that is known cuts `names` off: does the loss depend on them at all?"""
    if not names:
        return []
    unchanged = Unchanged.of(lab, steps)
    if unchanged.undecided:
        return [undecided(names, unchanged.undecided)]
    if not unchanged.losses:
        return [_unused(lab, names, "no loss was differentiated")]
    depends = _depends(lab, steps, names, unchanged)
    found = []
    cut_off = [name for name in names if name in depends]
    if cut_off:
        found.append(_unknown_cut(lab, steps, cut_off))
    unused = [name for name in names if name not in depends]
    if unused:
        found.append(_unused(lab, unused, f"other values of it leave the loss {unchanged.how}"))
    return found


def flat_findings(lab: Laboratory, names: Sequence[str], seen: Observation) -> list[Finding]:
    """Those of `names`, whose gradients are always zero, that the loss depends on all the same.

    Others are left alone: an expert that no sample chose, a unit that is dead for good.
    """
    if not names:
        return []
    steps = max(1, min(_STEPS, seen.steps))
    unchanged = Unchanged.of(lab, steps)
    if unchanged.undecided or not unchanged.losses:
        return []
    depends = _depends(lab, steps, names, unchanged)
    flat = [name for name in names if name in depends]
    if not flat:
        return []
    why, mend, decided_by = _AT_ZERO if _comes_alive(lab, steps, flat) else _FLAT
    return [
        finding(
            "severed",
            flat,
            f"every gradient of {listed(flat)} was zero, and the loss depends on it",
            why,
            mend,
            decided_by=decided_by,
            severity="warning",
        )
    ]


def standing_findings(lab: Laboratory, names: Sequence[str], seen: Observation) -> list[Finding]:
    """Nothing trainable has another gradient than zeros: where it begins, or at the loss's end?"""
    steps = max(1, min(_STEPS, seen.steps))
    if not _comes_alive(lab, steps, names):
        return []
    why, mend, decided_by = _AT_ZERO
    return [
        finding(
            "not-updated",
            names,
            f"nothing trains: every gradient of {listed(names)} was zero",
            why,
            mend,
            decided_by=decided_by,
            severity="warning",
        )
    ]


def _comes_alive(lab: Laboratory, steps: int, names: Sequence[str]) -> bool:
    """Whether one of them has another gradient than zeros where it begins with other values."""
    lab.told("again with other values of what gets gradients of zero")
    again = lab.run(steps, partial(perturbed, names, 1.0), eager=True)
    return any(again.trained[name].applied for name in names)


def _depends(lab: Laboratory, steps: int, names: Sequence[str], unchanged: Unchanged) -> set[str]:
    if not _changes(lab, steps, names, unchanged):
        return set()
    owners: dict[str, list[str]] = {}
    for name in names:
        owners.setdefault(name.rpartition(".")[0], []).append(name)
    if len(owners) > _PERTURBED:
        return set(names)
    groups = list(owners.values())
    return {
        name
        for group in groups
        if len(groups) == 1 or _changes(lab, steps, group, unchanged)
        for name in group
    }


def _changes(lab: Laboratory, steps: int, names: Sequence[str], unchanged: Unchanged) -> bool:
    """Whether other values of these parameters make another loss."""
    lab.told("again with other values of what gets no gradient")
    return any(
        unchanged.differs(losses_of(lab, steps, partial(perturbed, names, scale)))
        for scale in _SCALES
    )


def _unused(lab: Laboratory, names: Sequence[str], how: str) -> Finding:
    _, model = lab.begin()
    return finding(
        "unused",
        names,
        f"{listed(names)} got no gradient, and the loss does without",
        "the loss does not depend on it in the steps that were audited",
        f"{for_each(model, names, 'requires_grad_(False)')}  # or let the forward pass use it",
        decided_by=how,
    )


def undecided(names: Sequence[str], why: str) -> Finding:
    """What got no gradient, where nothing can tell whether it is cut off or not used."""
    return finding(
        "severed",
        names,
        f"{listed(names)} got no gradient, and whether the loss depends on it is undecided: {why}",
        "it is cut off, or the loss does not depend on it",
        "# audit a step that can be run again: one that takes the same batch each time",
        severity="warning",
    )


def _unknown_cut(lab: Laboratory, steps: int, names: Sequence[str]) -> Finding:
    ends = _graph_ends(lab, steps)
    behind = f", behind '{printable(ends)}'" if ends else ""
    return finding(
        "severed",
        names,
        f"{listed(names)} got no gradient, and the loss depends on it{behind}",
        "something that is not differentiable stands between it and the loss: a detour through "
        "numpy or Python numbers, integers, or a custom function without a gradient",
        f"# look at what {ends or 'the forward pass'} does with its input",
        decided_by="changing its values changes the loss, and no gradient arrives with no_grad, "
        "inference_mode, detach and reentrant checkpointing made ineffective",
    )


def _graph_ends(lab: Laboratory, steps: int) -> str:
    """The first module whose input has a graph and whose output has none."""
    found: list[str] = []

    @contextmanager
    def looking(_: Subject, model: nn.Module) -> Iterator[None]:
        names = {id(module): name for name, module in model.named_modules()}

        def after(module: nn.Module, inputs: Any, output: Any) -> None:
            name = names.get(id(module))
            given, made = _floating(inputs), _floating(output)
            if not name or not made:
                return
            if any(t.requires_grad for t in given) and not any(t.requires_grad for t in made):
                found.append(name)

        with ExitStack() as stack:
            handle = register_module_forward_hook(after)
            stack.callback(handle.remove)
            yield

    lab.run(steps, looking, eager=True)
    return found[0] if found else ""


def _floating(values: Any) -> list[Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, (list, tuple)):
        return [tensor for value in values for tensor in _floating(value)]
    return []
