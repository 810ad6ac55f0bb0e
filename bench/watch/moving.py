"""Findings about what was frozen and moved: a rule, the figures, the mechanism and a mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measure.stillness import Place
from bench.records import Finding, Moved
from bench.rules import RULES
from bench.watch.code import cover, for_each
from bench.watch.telling import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.records import KeptBy
    from bench.watch.forms import Change
    from strategies import Partition

_SEEN = "That is what was seen; `freezebench audit` decides by experiment."

# What was seen at the check, by rule.
_WHY = {
    "bn-statistics": "The module runs in training mode, in which each forward pass updates its "
    "statistics, whatever requires_grad says.",
    "bn-counter": "The module runs in training mode, in which each forward pass counts.",
    "train-undoes-eval": "It was in eval mode when the watch began and has run in training mode "
    "since: train() also goes to the modules inside.",
    "spectral-norm": "In training mode, each forward pass takes a step of the power iteration, "
    "which changes the effective weight.",
    "stale-gradient": "requires_grad is off but a .grad is there, and the optimizer applies "
    "whatever gradient it finds.",
    "zeroed-not-none": "Its gradient is there and zero: the optimizer skips only what has no "
    "gradient at all, so momentum, moments and weight decay still move it.",
    "lr-revived": "Its learning rate was 0 and is not any more: a scheduler has overwritten it.",
    "zero-times-inf": "Its learning rate is 0 and it holds NaN or infinity: 0 times an infinite "
    "gradient is NaN.",
    "rprop-floor": "Its learning rate is 0, and the optimizer moves it all the same.",
    "tied-weights": "It is one parameter under several names, not all of which are named as "
    "frozen, and requires_grad is on for it.",
    "flag-re-enabled": "requires_grad was off when the watch began and is on now.",
    "no-op-freeze": "requires_grad is on and an optimizer holds it: it was never frozen.",
    "parameter-replaced": "The model has another parameter under this name than when the watch "
    "began: code assigned a new parameter, or a new module.",
    "frozen-moved": "Nothing beside it says why; code may have written to it.",
}

_CAST = (
    "The same tensor has been cast: double(), half() or to(dtype) on a module casts its parameters "
    "and buffers, also the frozen ones."
)
_RESHAPED = "Code gave the tensor other data, of another shape."

_EVAL = ("", ".eval()", ".eval()", "  # after every model.train()")
_FLAG = ".requires_grad_(False)"
_LEAVE_OUT = ("leave it out of the optimizer: ", _FLAG, _FLAG, "")
_ASK = "freezebench audit file.py:factory  # finds what wrote to it"

# What to do: words before, code on a whole frozen module or else on each parameter, words behind.
_MENDS = {
    "bn-statistics": _EVAL,
    "bn-counter": _EVAL,
    "train-undoes-eval": _EVAL,
    "spectral-norm": _EVAL,
    "stale-gradient": ("", ".zero_grad()", ".grad = None", "  # once, when it is frozen"),
    "zeroed-not-none": ("", ".zero_grad()", ".grad = None", "  # before every optimizer.step()"),
    "no-op-freeze": ("", _FLAG, _FLAG, ""),
    "tied-weights": ("", _FLAG, _FLAG, ""),
    "flag-re-enabled": ("", _FLAG, _FLAG, "  # after what switches it on"),
    "lr-revived": _LEAVE_OUT,
    "zero-times-inf": _LEAVE_OUT,
    "rprop-floor": _LEAVE_OUT,
    "parameter-replaced": (
        "replace it before the watch begins, then freeze it: ",
        _FLAG,
        _FLAG,
        "",
    ),
}


def moved_findings(
    moved: Mapping[str, Sequence[Moved]],
    partition: Partition,
    kept_by: KeptBy,
    step: int,
    when: str,
    changes: Mapping[Place, Change],
) -> list[Finding]:
    """One finding for each rule, of the tensors that `moved` holds by rule.

    They were seen after `step` (0 if none has run); `when` says since when, in words; `changes`
    are those of dtype or shape.
    """
    return [
        Finding(
            rule=rule,
            severity=RULES[rule].severity,
            where=[tensor.name for tensor in tensors],
            what=f"{_subject(tensors)} {_verb(rule, tensors)} {when}"
            f"{_figure(tensors, kept_by, changes)}.",
            why=f"{_WHY[rule]} {_SEEN}",
            mend=_mend(rule, [tensor.name for tensor in tensors], partition),
            moved=list(tensors),
            since_step=step or None,
        )
        for rule, tensors in moved.items()
    ]


def form_findings(
    cast: Sequence[Moved], changes: Mapping[Place, Change], step: int, when: str
) -> list[Finding]:
    """One finding for each change of dtype or shape, of the tensors that it happened to."""
    rule = RULES["parameter-replaced"]
    by_change: dict[Change, list[Moved]] = {}
    for each in cast:
        by_change.setdefault(changes[Place(each.name, each.kind)], []).append(each)
    return [
        Finding(
            rule=rule.name,
            severity=rule.severity,
            where=[tensor.name for tensor in tensors],
            what=f"{_subject(tensors)}: the {change} {when}.",
            why=_CAST if change.of == "dtype" else _RESHAPED,
            mend=(
                f"model.to(torch.{change.now})  # before the watch begins, or not at all"
                if change.of == "dtype"
                else "make such changes before the watch begins"
            ),
            moved=list(tensors),
            since_step=step or None,
        )
        for change, tensors in by_change.items()
    ]


def gone_finding(names: Sequence[str], step: int, when: str) -> Finding:
    """Frozen tensors that have no place in the model any more."""
    rule = RULES["parameter-replaced"]
    return Finding(
        rule=rule.name,
        severity=rule.severity,
        where=list(names),
        what=f"Frozen, and no longer in the model {when}: {shortened(names, 3)}.",
        why="There is no parameter or buffer of this name now: a module was replaced, or renamed "
        "by a wrapper (weight_norm, prune, an adapter).",
        mend="make such changes before the watch begins",
        since_step=step or None,
    )


def _verb(rule: str, tensors: Sequence[Moved]) -> str:
    if rule != "parameter-replaced":
        return "moved"
    return "was replaced" if len(tensors) == 1 else "were replaced"


def _subject(tensors: Sequence[Moved]) -> str:
    first = shortened([tensors[0].name])
    kind = tensors[0].kind
    more = f" and {len(tensors) - 1} more" if len(tensors) > 1 else ""
    return f"The frozen {kind} {first}{more}"


def _figure(tensors: Sequence[Moved], kept_by: KeptBy, changes: Mapping[Place, Change]) -> str:
    for each in tensors:
        if change := changes.get(Place(each.name, each.kind)):
            return f"; the {change} ({shortened([each.name])})"
    if kept_by == "hash":
        return " (by how much is unknown: only its hash was kept)"
    if any(tensor.max_abs is None for tensor in tensors):
        return ", to NaN or infinity"
    counted = [tensor for tensor in tensors if not tensor.name.endswith("num_batches_tracked")]
    most = max(counted or tensors, key=lambda tensor: tensor.max_abs or 0.0)
    if not most.max_abs:
        return f", in bits that make no number another, as the sign of 0 ({shortened([most.name])})"
    share = "" if most.relative is None else f", {most.relative:.1e} of its norm"
    return f", by up to {most.max_abs:.2g} ({shortened([most.name])}{share})"


def _mend(rule: str, names: Sequence[str], partition: Partition) -> str:
    if rule not in _MENDS:
        return _ASK
    modules = cover(names, partition.frozen_modules)
    whole = set(modules) <= set(partition.frozen_modules)
    before, of_module, of_parameter, behind = _MENDS[rule]
    code = (
        for_each(modules, of_module)
        if whole
        else for_each(list(names), of_parameter, leaf="get_parameter")
    )
    return before + code + behind
