"""Whether the loss depends on what gets no gradient: other values of it, and the same loss?"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.module import register_module_forward_hook

from bench.audit.causes.words import finding, listed, module_code
from bench.measure.stillness import same_bits
from bench.names import printable
from bench.records.audit import common_module

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


def depending_findings(lab: Laboratory, steps: int, names: Sequence[str]) -> list[Finding]:
    """Nothing that is known cuts `names` off: does the loss depend on them at all?"""
    if not names:
        return []
    before: list[Tensor] = []
    lab.run(steps, eager=True, losses=before)
    if not before:
        return [_unused(names, "no loss was differentiated")]
    depends = _depends(lab, steps, names, before)
    found = []
    cut_off = [name for name in names if name in depends]
    if cut_off:
        found.append(_unknown_cut(lab, steps, cut_off))
    unused = [name for name in names if name not in depends]
    if unused:
        found.append(_unused(unused, "changing its values leaves the loss the same, to the bit"))
    return found


def flat_findings(lab: Laboratory, names: Sequence[str], seen: Observation) -> list[Finding]:
    """Those of `names`, whose gradients are always zero, that the loss depends on all the same.

    Others are left alone: an expert that no sample chose, a unit that is dead for good.
    """
    if not names:
        return []
    steps = max(1, min(_STEPS, seen.steps))
    before: list[Tensor] = []
    lab.run(steps, eager=True, losses=before)
    depends = _depends(lab, steps, names, before) if before else set()
    flat = [name for name in names if name in depends]
    if not flat:
        return []
    return [
        finding(
            "severed",
            flat,
            f"every gradient of {listed(flat)} was zero, and the loss depends on it",
            "something that is flat stands between it and the loss: round, sign, a comparison, a "
            "clamp or an activation that is saturated",
            "x = x + (torch.round(x) - x).detach()  # a straight-through estimate, for one",
            decided_by="changing its values changes the loss",
            severity="warning",
        )
    ]


def _depends(
    lab: Laboratory, steps: int, names: Sequence[str], before: Sequence[Tensor]
) -> set[str]:
    if not _changes(lab, steps, names, before):
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
        if len(groups) == 1 or _changes(lab, steps, group, before)
        for name in group
    }


def _changes(lab: Laboratory, steps: int, names: Sequence[str], before: Sequence[Tensor]) -> bool:
    """Whether other values of these parameters make another loss."""
    return any(_changes_by(scale, lab, steps, names, before) for scale in _SCALES)


def _changes_by(
    scale: float, lab: Laboratory, steps: int, names: Sequence[str], before: Sequence[Tensor]
) -> bool:
    @contextmanager
    def perturbed(_: Subject, model: nn.Module) -> Iterator[None]:
        generator = torch.Generator("cpu").manual_seed(0)  # whatever the default device is
        for name in names:
            tensor = model.get_parameter(name).data
            noise = torch.randn(tensor.shape, generator=generator, device="cpu").to(tensor)
            spread = float(tensor.float().std()) if tensor.numel() > 1 else 0.0
            tensor.add_(noise, alpha=scale * (spread or 1.0))
        yield

    lab.told("again with other values of what gets no gradient")
    after: list[Tensor] = []
    lab.run(steps, perturbed, eager=True, losses=after)
    pairs = list(zip(before, after, strict=False))
    return any(not same_bits(one, other) for one, other in pairs)


def _unused(names: Sequence[str], how: str) -> Finding:
    return finding(
        "unused",
        names,
        f"{listed(names)} got no gradient: {how}",
        "the loss does not depend on it in the steps that were audited",
        f"{module_code(common_module(list(names)).rpartition('.')[0])}.requires_grad_(False)"
        "  # or let the forward pass use it",
        decided_by=how,
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
