"""Why something trainable gets no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.audit.causes.cuts import CUTS, Cut, Sites, without
from bench.audit.causes.depending import depending_findings, undecided
from bench.audit.causes.words import finding, listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from torch import nn

    from bench.audit.causes.laboratory import Laboratory
    from bench.audit.observation import Observation
    from bench.audit.subject import Subject
    from bench.records import Finding

_STEPS = 2
_SITES = 8

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
    if lab.ended_early(control, min(steps, seen.steps)):
        return [undecided(names, _unrepeated(lab))]
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
    if not left:
        return found
    depending = depending_findings(lab, steps, _ordered(names, left))
    # What the steps take from an iterator may have run out on the way.
    if lab.ended_early(lab.run(steps, eager=True), min(steps, seen.steps)):
        depending = [undecided(_ordered(names, left), _unrepeated(lab))]
    return found + depending


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


def _unrepeated(lab: Laboratory) -> str:
    return f"the steps can't be repeated, {lab.unrepeated} when they were"


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
