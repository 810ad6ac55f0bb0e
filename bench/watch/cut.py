"""Findings about what should be trained and has received no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.names import printable
from bench.records import Finding
from bench.records.audit import common_module
from bench.rules import RULES
from bench.watch.code import for_each
from bench.watch.telling import shortened

if TYPE_CHECKING:
    from torch import nn

    from bench.watch.arrivals import Arrivals

_AUDIT = "`freezebench audit` finds by experiment what cuts it off"


def cut_findings(model: nn.Module, arrivals: Arrivals, steps: int) -> list[Finding]:
    """One finding for each rule, over the trainable parameters without any gradient but zeros.

    Args:
        model: as it stands at the end.
        arrivals: what was seen of gradients.
        steps: optimizer steps that were seen.
    """
    by_rule: dict[str, list[str]] = {}
    for name in arrivals.missing:
        by_rule.setdefault(_rule(name, model, arrivals), []).append(name)
    found = [_finding(rule, names, steps, model) for rule, names in by_rule.items()]
    flat = arrivals.zeros.names()
    return [*found, _flat(flat, arrivals.zeros.updates)] if flat else found


def _rule(name: str, model: nn.Module, arrivals: Arrivals) -> str:
    parameter = dict(model.named_parameters(remove_duplicate=False)).get(name)
    if parameter is not None and not parameter.requires_grad:
        return "flag-off"
    if arrivals.none_yet:
        return "severed"
    return "unused" if arrivals.unused(name) else "severed"


def _finding(rule: str, names: list[str], steps: int, model: nn.Module) -> Finding:
    counted = "1 step" if steps == 1 else f"{steps} steps"
    place = common_module(names)
    inside = f" (all in {printable(place)})" if place and len(names) > 1 else ""
    what = (
        f"No gradient in {counted} for {len(names)} trainable "
        f"{'parameter' if len(names) == 1 else 'parameters'}{inside}: {shortened(names, 3)}."
    )
    why, mend = {
        "flag-off": (
            "requires_grad was on when the watch began and is off now, outside of what is frozen.",
            _for_all(names, model, ".requires_grad_(True)"),
        ),
        "unused": (
            "Its module was not seen to run, so the loss does not depend on it.",
            "use it, or freeze it: " + _for_all(names, model, ".requires_grad_(False)"),
        ),
        "severed": (
            "Between it and the loss, no_grad, inference_mode, detach, a cache or a reentrant "
            f"checkpoint cuts the gradient off, or the loss does not use it; {_AUDIT}.",
            "freezebench audit file.py:factory  # and let gradients pass through the frozen part",
        ),
    }[rule]
    return Finding(
        rule=rule, severity=RULES[rule].severity, where=names, what=what, why=why, mend=mend
    )


def _flat(names: list[str], updates: int) -> Finding:
    return Finding(
        rule="severed",
        severity="warning",
        where=names,
        what=f"Every gradient of {len(names)} trainable "
        f"{'parameter' if len(names) == 1 else 'parameters'} was zero in the first {updates} "
        f"updates: {shortened(names, 3)}.",
        why="Something flat is between it and the loss (a factor of 0, round, sign, a clamp, "
        "a saturated activation), no sample of these updates chose it, as an expert or a branch, "
        f"or the loss was at its least; {_AUDIT}.",
        mend="freezebench audit file.py:factory  # and take away what makes its gradient zero",
    )


def _for_all(names: list[str], model: nn.Module, action: str) -> str:
    """Code for the module that has just these parameters, or else for each of them."""
    place = common_module(names)
    if place not in names and place in dict(model.named_modules()):
        below = {f"{place}.{leaf}" for leaf, _ in model.get_submodule(place).named_parameters()}
        if below <= set(names):
            return for_each([place], action)
    return for_each(names, action, leaf="get_parameter")
