"""Why frozen tensors moved: the training is run again with one thing removed at a time."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from bench.audit.causes.evidence import Evidence, gathered
from bench.audit.causes.experiment import Experiment, Setting, names_of
from bench.audit.causes.following import copy_of_module, followers, following_finding
from bench.audit.causes.gradient_left import (
    DecayOnMasked,
    MomentumCoasts,
    StaleGradient,
    ThirdPartyDecay,
    UpdateLeftOut,
    ZeroedNotNone,
    ZeroTimesInf,
)
from bench.audit.causes.never_frozen import (
    FlagReEnabled,
    LrRevived,
    NoOpFreeze,
    RpropFloor,
    TiedWeights,
    WeightNormNames,
)
from bench.audit.causes.training_mode import TrainingMode
from bench.audit.causes.words import by_how_much, finding, listed
from bench.audit.causes.written import undecided, written_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from bench.audit.causes.laboratory import Laboratory
    from bench.audit.observation import Observation
    from bench.audit.subject import Subject
    from bench.records import Finding

EXPERIMENTS: tuple[Experiment, ...] = (
    TrainingMode(),
    WeightNormNames(),
    FlagReEnabled(),
    TiedWeights(),
    ZeroTimesInf(),
    LrRevived(),
    RpropFloor(),
    StaleGradient(),
    DecayOnMasked(),
    MomentumCoasts(),
    ZeroedNotNone(),
    ThirdPartyDecay(),
    UpdateLeftOut(),
    NoOpFreeze(),
)
"""From the most to the least specific."""


@dataclass
class _Cause:
    rule: str
    experiment: Experiment
    decided_by: str
    suspects: list[Evidence] = field(default_factory=list)


def moved_findings(lab: Laboratory, seen: Observation) -> list[Finding]:
    """One finding for each cause of the frozen tensors that moved in `seen`, or are gone."""
    return [*_gone(seen.gone), *_moved(lab, seen)]


def _moved(lab: Laboratory, seen: Observation) -> list[Finding]:
    suspects = [Evidence(p, moved, seen.since[p]) for p, moved in seen.moved.items()]
    if not suspects:
        return []
    if not lab.puts_back:
        return [undecided(suspects, "they can't be put back, so nothing was run again to decide")]
    for one in suspects:
        one.replaced = one.place.name in seen.replaced
    found = [_replaced([one for one in suspects if one.replaced])]
    suspects = [one for one in suspects if not one.replaced]
    suspects = [one for one in suspects if not _follows(one, suspects)]
    owners = Counter(_owner(one) for one in suspects if one.place.kind == "buffer")
    for one in suspects:
        one.alone = owners[_owner(one)] == 1
    early = _look_again(lab, suspects, seen)
    gone = [one for one in suspects if one.phase is None]
    if gone and early:
        how = f"the steps can't be repeated, {lab.unrepeated} when they were"
        found.append(undecided(gone, how, "nothing could be removed to see whether it stops"))
    elif gone:
        found.append(undecided(gone, "begun again unchanged, the steps did not move it again"))
    suspects = [one for one in suspects if one.phase is not None]
    suspects, followed = _apart(lab, suspects)
    found += followed
    _doubt_twins(suspects)
    causes, left = _decided(lab, suspects)
    found += [_explained(lab, cause) for cause in causes]
    found += written_findings(lab, left)
    return [one for one in found if one is not None]


def _owner(one: Evidence) -> str:
    return one.place.name.rpartition(".")[0]


def _follows(one: Evidence, suspects: Sequence[Evidence]) -> bool:
    """Whether it is a computed weight of which a frozen original moved as well."""
    if one.place.kind != "effective weight":
        return False
    owner, _, leaf = one.place.name.rpartition(".")
    prefix = f"{owner}." if owner else ""
    originals = (f"{prefix}parametrizations.{leaf}.original", f"{prefix}{leaf}_")
    return any(other.is_parameter and other.place.name.startswith(originals) for other in suspects)


def _look_again(lab: Laboratory, suspects: Sequence[Evidence], seen: Observation) -> bool:
    """Run the steps unchanged and look closely; the phase stays `None` where nothing moves.

    Returns:
        Whether the steps ended earlier than in `seen`, because one raised.
    """
    if not suspects:
        return False
    places = [one.place for one in suspects]

    def look(subject: Subject, model: nn.Module) -> AbstractContextManager[Any]:
        return gathered(subject, model, lab.beginning(model, places), lab.meant, suspects)

    lab.told("again, looking closely")
    control = lab.run(_last(suspects), look)
    return lab.ended_early(control, min(_last(suspects), seen.steps))


def _apart(lab: Laboratory, suspects: Sequence[Evidence]) -> tuple[list[Evidence], list[Finding]]:
    """Set those apart that follow something trained, with what is beside them in the same copy.

    What differs by rounding alone, or a buffer that is in no average, is beside them; a buffer of
    a module whose parameters all stood still is not.
    """
    sources = followers(lab, suspects)
    if not sources:
        return list(suspects), []
    copies = tuple({f"{copy_of_module(place.name, name)}." for place, name in sources.items()})
    follow = [
        one
        for one in suspects
        if one.place in sources
        or (
            one.phase != "update"
            and one.place.name.startswith(copies)
            and not _beside_what_stood_still(lab, one, suspects)
        )
    ]
    return [one for one in suspects if one not in follow], [following_finding(follow, sources)]


def _beside_what_stood_still(lab: Laboratory, one: Evidence, suspects: Sequence[Evidence]) -> bool:
    """Whether it is a buffer of a module whose own frozen parameters did not move."""
    owner = _owner(one)
    own = [name for name in lab.meant.partition.frozen if name.rpartition(".")[0] == owner]
    moved = {other.place.name for other in suspects if other.is_parameter}
    return one.place.kind == "buffer" and bool(own) and moved.isdisjoint(own)


def _doubt_twins(suspects: Sequence[Evidence]) -> None:
    """Where others of the frozen part are as little frozen, it is not for a second name."""
    rest = [one for one in suspects if not one.twin and not one.shares]
    if any(NoOpFreeze().applies(one) for one in rest):
        for one in suspects:
            one.twins = ()


def _decided(lab: Laboratory, suspects: Sequence[Evidence]) -> tuple[list[_Cause], list[Evidence]]:
    causes: list[_Cause] = []
    left = list(suspects)
    for experiment in EXPERIMENTS:
        concerned = [one for one in left if experiment.applies(one)]
        vanished = _vanished(lab, concerned, [experiment])
        for one in vanished:
            _add(causes, experiment, f"{experiment.doing} the drift vanishes", one)
        left = [one for one in left if one not in vanished]
    for first, second in combinations(EXPERIMENTS, 2):
        concerned = [one for one in left if first.applies(one) and second.applies(one)]
        vanished = _vanished(lab, concerned, [first, second])
        for one in vanished:
            both = f"{first.doing} and {second.doing.removeprefix('with ')} the drift vanishes"
            _add(causes, first, f"{both}, with one of them alone it does not", one)
        left = [one for one in left if one not in vanished]
    return causes, left


def _add(causes: list[_Cause], experiment: Experiment, decided_by: str, one: Evidence) -> None:
    rule = experiment.rule(one)
    for cause in causes:
        if (cause.rule, cause.decided_by) == (rule, decided_by):
            cause.suspects.append(one)
            return
    causes.append(_Cause(rule, experiment, decided_by, [one]))


def _vanished(
    lab: Laboratory, concerned: Sequence[Evidence], experiments: Sequence[Experiment]
) -> list[Evidence]:
    """Those that stand still, bitwise, in a training without what the experiments remove."""
    if not concerned:
        return []

    def removed(subject: Subject, model: nn.Module) -> AbstractContextManager[Any]:
        stack = ExitStack()
        setting = Setting(subject, model, lab.meant, concerned)
        for experiment in experiments:
            stack.enter_context(experiment.removed(setting))
        return stack

    lab.told(f"again {' and '.join(experiment.doing for experiment in experiments)}")
    seen = lab.run(_last(concerned), removed, places=[one.place for one in concerned])
    if seen.raised is not None:
        concerned = [one for one in concerned if seen.steps >= one.since]
    return [one for one in concerned if one.place not in seen.moved]


def _last(suspects: Sequence[Evidence]) -> int:
    return max(one.since for one in suspects)


def _explained(lab: Laboratory, cause: _Cause) -> Finding:
    names = [name for one in cause.suspects for name in (one.place.name, *one.twins)]
    moved = [one.moved for one in cause.suspects]
    since = min(one.since for one in cause.suspects)
    return finding(
        cause.rule,
        names,
        f"{listed(names_of(cause.suspects))} moved {by_how_much(moved)}, since step {since}",
        cause.experiment.why(cause.suspects),
        cause.experiment.mend(cause.suspects, lab.meant),
        decided_by=cause.decided_by,
        moved=moved,
        since_step=since,
    )


def _gone(gone: dict[str, int]) -> list[Finding]:
    if not gone:
        return []
    names, since = list(gone), min(gone.values())
    have = "has" if len(names) == 1 else "have"
    return [
        finding(
            "parameter-replaced",
            names,
            f"{listed(names)} {have} not been in the model since step {since}",
            "a step put another module in its place, or took it out: there is no parameter of "
            "this name now, and what is frozen about the old one does not hold for a new one",
            "# make such changes before you freeze, and freeze what takes its place",
            since_step=since,
        )
    ]


def _replaced(suspects: Sequence[Evidence]) -> Finding | None:
    if not suspects:
        return None
    names = names_of(suspects)
    moved = [one.moved for one in suspects]
    since = min(one.since for one in suspects)
    return finding(
        "parameter-replaced",
        names,
        f"{listed(names)} is another tensor since step {since}, and differs {by_how_much(moved)}",
        "a step put another parameter in its place; what is frozen about the old one does not "
        "hold for the new one",
        "with torch.no_grad(): parameter.copy_(new_values)  # instead of assigning a new one; "
        "or assign before you freeze",
        moved=moved,
        since_step=since,
    )
