"""The audit study as Markdown: every sentence and every figure from the outcomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.audit_study.score import by_rule, lines
from bench.study.markdown import counted, table
from bench.study.rates import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.audit_study.outcome import Outcome
    from bench.records.audit import Finding


@dataclass(frozen=True)
class Elsewhere:
    """The same set-ups on another device.

    Attributes:
        file: that says what each audit said.
        device: the name that its maker gives it.
        torch: the version that they ran with.
        outcomes: of the set-ups that run there.
        left_out: why others do not, by name.
    """

    file: str
    device: str
    torch: str
    outcomes: Sequence[Outcome]
    left_out: Mapping[str, str]


def report(
    outcomes: Sequence[Outcome],
    torch: str,
    first: Sequence[Outcome] = (),
    elsewhere: Sequence[Elsewhere] = (),
) -> bytes:
    """UTF-8 Markdown.

    Args:
        outcomes: of all set-ups.
        torch: the version that they ran with.
        first: of the held-out set-ups, when the auditor saw them for the first time.
        elsewhere: on other devices.
    """
    blocks = [
        "# How often is the auditor wrong?",
        _opening(outcomes, torch),
        "## What was found",
        table(("of", "count", "", "rate and 95% interval"), _rates(outcomes)),
        _explained(),
        *_first_sight(first),
        *(block for each in elsewhere for block in _elsewhere(each)),
        "## By rule",
        "A fault that several rules name rightly is counted under the first of them. *False* are "
        "findings of the rule, in all set-ups, where it is not true.",
        table(("rule", "planted", "found", "right cause", "false"), _rules(outcomes)),
        "## What went wrong",
        *_wrong(outcomes),
        "## The faults",
        _faults(outcomes),
        "## The clean set-ups",
        _clean(outcomes),
        "## What this does not say",
        _limits(outcomes, elsewhere),
    ]
    return ("\n\n".join(blocks) + "\n").encode()


def _opening(outcomes: Sequence[Outcome], torch: str) -> str:
    faults = sum(one.kind == "fault" for one in outcomes)
    kinds = len({one.architecture for one in outcomes})
    seconds = sum(one.seconds for one in outcomes)
    return (
        f"{counted(faults, 'fault')} planted into trainings as they are written, and "
        f"{counted(len(outcomes) - faults, 'clean set-up')}, many of them close to a mistake, over "
        f"{counted(kinds, 'architecture')}: each audited as the command line would, with torch "
        f"{torch}, in {seconds:.0f} s of audits. Written by `python -m bench.audit_study`; what "
        "each audit said is in `audit-study.json`."
    )


def _first_sight(first: Sequence[Outcome]) -> list[str]:
    if not first:
        return []
    return [
        "## What was found at first sight",
        "The auditor was mended until the set-ups above came out right, so those figures are of a "
        "regression set. These are of the held-out ones among them, written by somebody who had "
        "not read how it decides, and audited once before it was mended by what they showed "
        "(`first-sight.json`). They are the ones to expect of a training of your own.",
        table(("of", "count", "", "rate and 95% interval"), _rates(first)),
        *_wrong(first),
    ]


def _elsewhere(there: Elsewhere) -> list[str]:
    left_out = [f"- `{name}` does not run there: {why}" for name, why in there.left_out.items()]
    return [
        f"## On another device: {there.device}",
        f"The same trainings with their tensors on that device, with torch {there.torch}; what "
        f"each audit said is in `{there.file}`.",
        table(("of", "count", "", "rate and 95% interval"), _rates(there.outcomes)),
        *_wrong(there.outcomes),
        *(["\n".join(left_out)] if left_out else []),
    ]


def _rates(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str, str]]:
    return [
        (line.what, str(line.rate.count), f"of {line.rate.of}", line.rate.text)
        if line.rate
        else (line.what, "", "of 0", "")
        for line in lines(outcomes)
    ]


def _explained() -> str:
    return (
        "*Found*: a warning or an error names something that is concerned. *Right*: it is "
        "of a rule that says why, and names all that was asked for. A *false alarm* is a warning "
        "or an error of a rule that is not true of the set-up. The intervals are exact (Clopper "
        "and Pearson), as if the set-ups were drawn from all trainings, which they are not."
    )


def _rules(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    return [
        (f"`{one.rule}`", str(one.planted), str(one.found), str(one.right), str(one.false_alarms))
        for one in by_rule(outcomes)
    ]


def _wrong(outcomes: Sequence[Outcome]) -> list[str]:
    told = [f"- `{one.name}`: {sentence}" for one in outcomes for sentence in complaints(one)]
    return ["\n".join(told)] if told else ["Nothing: no miss, no wrong cause, no false alarm."]


def complaints(one: Outcome) -> list[str]:
    """What the auditor did wrong on a set-up, a sentence each."""
    said = ", ".join(_told(finding) for finding in one.loud) or "nothing"
    found = []
    if one.failed:
        found.append(f"the audit failed: {one.failed}")
    elif one.kind == "fault" and not one.found:
        found.append(f"missed; expected {_either(one.expected)}, it said {said}")
    elif one.kind == "fault" and not one.right_cause:
        found.append(f"wrong cause; expected {_either(one.expected)}, it said {said}")
    found += [f"false alarm: {_told(finding)}: {finding.what}" for finding in one.false_alarms]
    found += [f"no such waste: {_told(finding)}: {finding.what}" for finding in one.false_notices]
    return found


def _told(finding: Finding) -> str:
    return f"`{finding.id}`"


def _either(rules: Sequence[str]) -> str:
    return " or ".join(f"`{rule}`" for rule in rules)


def _faults(outcomes: Sequence[Outcome]) -> str:
    rows = [
        (
            f"`{one.name}`",
            one.architecture,
            one.about,
            _either(one.expected),
            "yes" if one.faultless else "**no**",
        )
        for one in outcomes
        if one.kind == "fault"
    ]
    return table(("fault", "architecture", "what is wrong", "rule", "as it should"), rows, text=5)


def _clean(outcomes: Sequence[Outcome]) -> str:
    rows = [
        (f"`{one.name}`", one.architecture, one.about, "yes" if one.faultless else "**no**")
        for one in outcomes
        if one.kind == "clean"
    ]
    return table(("set-up", "architecture", "what it does", "silent"), rows, text=4)


def _limits(outcomes: Sequence[Outcome], elsewhere: Sequence[Elsewhere]) -> str:
    most = Counter(one.architecture for one in outcomes).most_common(1)
    share = percent(most[0][1] / len(outcomes)) if most else ""
    models = (
        "- Models are small. Several processes and compiled models are not among them."
        if elsewhere
        else "- Models are small, and run on a processor. Several processes, compiled models and "
        "accelerators are not among them."
    )
    return "\n".join(
        [
            "- The set-ups were written by people who know what the rules are, so they hold no "
            "mistake that nobody has thought of.",
            models,
            f"- The architectures are uneven: the most frequent has {share} of all set-ups.",
            "- Where rules overlap, each that is true counts as the right cause.",
        ]
    )
