"""Why something trainable gets no gradient."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.module import register_module_forward_hook

from bench.audit.causes.cuts import CUTS, Cut, Sites, without
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

_STEPS = 2
_SITES = 8
_PERTURBED = 32

_MENDS: dict[Cut, str] = {
    "no_grad": "# leave {site} out of torch.no_grad(); requires_grad_(False) freezes just as well",
    "inference_mode": "# leave {site} out of torch.inference_mode(); requires_grad_(False) "
    "freezes just as well",
    "detach": "# leave out the detach() at {site}; requires_grad_(False) freezes just as well",
    "reentrant checkpointing": "torch.utils.checkpoint.checkpoint(…, use_reentrant=False)",
}
_WHYS: dict[Cut, str] = {
    "no_grad": "inside torch.no_grad() no graph is recorded, so nothing in front of it or in it "
    "gets a gradient",
    "inference_mode": "inside torch.inference_mode() no graph is recorded, so nothing in front of "
    "it or in it gets a gradient",
    "detach": "a detached tensor has no graph, so nothing in front of it gets a gradient",
    "reentrant checkpointing": "reentrant checkpointing records a graph only if one of its inputs "
    "requires a gradient, and behind a frozen part none does",
}


def has_no_graph(error: BaseException | None) -> bool:
    """Whether backward complained that the loss depends on nothing that requires a gradient."""
    said = str(error)
    return error is not None and (
        "does not require grad and does not have a grad_fn" in said
        or "does not require grad" in said
    )


def severed_findings(lab: Laboratory, names: Sequence[str], seen: Observation) -> list[Finding]:
    """One finding for each cause of the missing gradients of `names`.

    Args:
        lab: where the training can be begun again.
        names: trainable parameters that got no gradient in `seen`.
        seen: the run.
    """
    steps = max(1, min(_STEPS, seen.steps))
    left = set(names)
    if not left:
        return []
    lab.told("again unchanged")
    control = lab.run(steps, eager=True)
    found: list[Finding] = []
    came = left & _arrived(control)
    if came:
        left -= came
    sites = Sites(CUTS)
    rescued, everywhere = _rescued(lab, steps, left, sites)
    groups: dict[tuple[Cut, str], set[str]] = {}
    remaining = set(rescued)
    for cut in CUTS:
        places = sites.found[cut]
        if not remaining or not places:
            continue
        saved = _saved(lab, steps, remaining, [cut], everywhere)
        if not saved:
            continue
        remaining -= saved
        for name, site in _by_site(lab, steps, saved, cut, places, everywhere).items():
            groups.setdefault((cut, site), set()).add(name)
    for (cut, site), cut_off in groups.items():
        found.append(_cut_finding(cut, site, _ordered(names, cut_off), f"with {cut}"))
    if remaining:
        found.append(_together(sites, _ordered(names, remaining)))
    left -= rescued
    return found + _depending(lab, steps, _ordered(names, left))


def _arrived(seen: Observation) -> set[str]:
    return {name for name, trained in seen.trained.items() if trained.arrived}


def _ordered(names: Sequence[str], some: set[str]) -> list[str]:
    return [name for name in names if name in some]


def _run(lab: Laboratory, steps: int, sites: Sites) -> Observation:
    def removed(subject: Subject, model: nn.Module) -> AbstractContextManager[Any]:
        return without(sites, subject)

    return lab.run(steps, removed, eager=True)


def _rescued(lab: Laboratory, steps: int, names: set[str], sites: Sites) -> tuple[set[str], bool]:
    """Those that get a gradient when nothing cuts, and whether that had to be so everywhere."""
    lab.told("again with nothing that cuts the graph")
    rescued = names & _arrived(_run(lab, steps, sites))
    if rescued:
        return rescued, False
    wider = Sites(CUTS, everywhere=True)
    rescued = names & _arrived(_run(lab, steps, wider))
    sites.found = wider.found
    return rescued, True


def _saved(
    lab: Laboratory,
    steps: int,
    names: set[str],
    cuts: Sequence[Cut],
    everywhere: bool,
    only: str | None = None,
) -> set[str]:
    lab.told(f"again without {' and '.join(cuts)}")
    return names & _arrived(_run(lab, steps, Sites(cuts, only, everywhere)))


def _by_site(
    lab: Laboratory,
    steps: int,
    names: set[str],
    cut: Cut,
    places: Sequence[str],
    everywhere: bool,
) -> dict[str, str]:
    """For each name the line that cuts it off; empty where no single line does."""
    if len(places) == 1:
        return dict.fromkeys(names, places[0])
    found: dict[str, str] = {}
    if len(places) <= _SITES:
        for place in places:
            left = names - found.keys()
            if left:
                found |= dict.fromkeys(_saved(lab, steps, left, [cut], everywhere, place), place)
    return {name: found.get(name, "") for name in names}


def _cut_finding(cut: Cut, site: str, names: Sequence[str], how: str) -> Finding:
    at = f" at {site}" if site else ""
    reentrant = cut == "reentrant checkpointing"
    return finding(
        "reentrant-checkpoint" if reentrant else "severed",
        names,
        f"{listed(names)} got no gradient: {_called(cut)}{at} cuts it off",
        _WHYS[cut],
        _MENDS[cut].format(site=site or "that code"),
        decided_by=f"{how}{at} made ineffective, the gradient arrives",
    )


def _called(cut: Cut) -> str:
    calls = {"no_grad": "torch.no_grad()", "inference_mode": "torch.inference_mode()"}
    return {**calls, "detach": "detach()"}.get(cut, cut)


def _together(sites: Sites, names: Sequence[str]) -> Finding:
    asked = [cut for cut in CUTS if sites.found[cut]]
    lines = [line for cut in asked for line in sites.found[cut]]
    calls = " and ".join(_called(cut) for cut in asked)
    return finding(
        "severed",
        names,
        f"{listed(names)} got no gradient: {calls} cut it off, at {', '.join(lines[:4])}",
        "the graph is cut in more than one place, each of which is enough",
        f"# leave out {calls} at {', '.join(lines[:4])}",
        decided_by=f"with {calls} made ineffective together, the gradient arrives; "
        "with one alone it does not",
    )


def _depending(lab: Laboratory, steps: int, names: Sequence[str]) -> list[Finding]:
    """Nothing that is known cuts them: does the loss depend on them at all?"""
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

    @contextmanager
    def perturbed(_: Subject, model: nn.Module) -> Iterator[None]:
        generator = torch.Generator().manual_seed(0)
        for name in names:
            tensor = model.get_parameter(name).data
            noise = torch.randn(tensor.shape, generator=generator).to(tensor)
            scale = float(tensor.float().std()) if tensor.numel() > 1 else 0.0
            tensor.add_(noise, alpha=scale or 1.0)
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
