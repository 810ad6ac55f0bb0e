"""What no experiment explains: where in the step it was written, and by which line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.audit.causes.experiment import names_of
from bench.audit.causes.tracing import traced
from bench.audit.causes.words import by_how_much, finding, listed, parameters_code

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from torch import nn

    from bench.audit.causes.evidence import Evidence
    from bench.audit.causes.laboratory import Laboratory
    from bench.audit.subject import Subject
    from bench.measure.stillness import Place
    from bench.records import Finding


def written_findings(lab: Laboratory, left: Sequence[Evidence]) -> list[Finding]:
    """What no experiment explains: one finding for each line that wrote."""
    if not left:
        return []
    lines = _lines(lab, left)
    by_line: dict[str, list[Evidence]] = {}
    for one in left:
        by_line.setdefault(lines.get(one.place, ""), []).append(one)
    found = []
    for line, suspects in by_line.items():
        outside = [one for one in suspects if _is_outside(one)]
        inside = [one for one in suspects if not _is_outside(one)]
        if outside:
            found.append(_in_place(lab, outside, line))
        if inside:
            place = f" ({line})" if line else ""
            found.append(undecided(inside, f"in the optimizer's update{place}"))
    return found


def _is_outside(one: Evidence) -> bool:
    """Whether it was not an optimizer: torch's own leave alone what has no gradient."""
    hooked = one.of_torch and one.gradient == "none"
    return one.phase != "update" or not one.is_parameter or hooked


def _lines(lab: Laboratory, suspects: Sequence[Evidence]) -> dict[Place, str]:
    found: dict[Place, str] = {}
    places = [one.place for one in suspects if one.place.kind != "effective weight"]

    def look(subject: Subject, model: nn.Module) -> AbstractContextManager[Any]:
        return traced(model, lab.beginning(model, places), places, found)

    if places:
        lab.told("again, line by line")
        lab.run(max(one.since for one in suspects), look)
    return found


def _in_place(lab: Laboratory, suspects: Sequence[Evidence], line: str) -> Finding:
    names = names_of(suspects)
    moved = [one.moved for one in suspects]
    since = min(one.since for one in suspects)
    phases = {
        "before backward": "before the backward pass",
        "backward": "during the backward pass",
        "before the update": "between backward and update",
        "after the update": "after the update",
    }
    when = phases.get(suspects[0].phase or "", "outside of the optimizer's update")
    return finding(
        "inplace-data",
        names,
        f"{listed(names)} moved {by_how_much(moved)}, since step {since}, {when}"
        + (f", at {line}" if line else ""),
        "code other than the optimizer wrote to it, and neither requires_grad nor the optimizer "
        "has a say in that",
        f"# leave it out of what {line or 'that code'} writes to: "
        f"{parameters_code(names, lab.meant.partition)}",
        decided_by=f"compared after every line of a repetition: it differs after {line}"
        if line
        else f"compared between the phases of a repetition: it differs {when}",
        moved=moved,
        since_step=since,
    )


def undecided(
    suspects: Sequence[Evidence], how: str, why: str = "removing no single thing stopped it"
) -> Finding:
    """A finding without a cause, that says what is known of it."""
    names = names_of(suspects)
    moved = [one.moved for one in suspects]
    since = min(one.since for one in suspects)
    return finding(
        "frozen-moved",
        names,
        f"{listed(names)} moved {by_how_much(moved)}, since step {since}: {how}",
        why,
        "# compare it before and after each part of your step to narrow it down",
        moved=moved,
        since_step=since,
    )
