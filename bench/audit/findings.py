"""What was seen, made into findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audit.raised import told as told_error
from bench.records import Finding
from bench.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.audit.intent import Intent
    from bench.audit.observation import Observation
    from bench.audit.subject import World
    from bench.measure.stillness import Stillness


def findings_of(
    world: World, meant: Intent, kept: Stillness, seen: Observation, told: Callable[[str], None]
) -> list[Finding]:
    """One finding for each rule and cause, with all the names that it is about."""
    found = []
    if seen.moved:
        names = [place.name for place in seen.moved]
        found.append(
            Finding(
                rule="frozen-moved",
                severity="error",
                where=names,
                what=f"{len(names)} frozen tensors moved",
                why=RULES["frozen-moved"].summary,
                mend="",
                moved=list(seen.moved.values()),
                since_step=min(seen.since.values()),
            )
        )
    cut = [n for n, t in seen.trained.items() if not t.arrived and t.listed]
    if cut and seen.backward:
        found.append(
            Finding(
                rule="severed",
                severity="error",
                where=cut,
                what=f"{len(cut)} trainable parameters got no gradient",
                why=RULES["severed"].summary,
                mend="",
            )
        )
    unlisted = [n for n, t in seen.trained.items() if not t.listed and not t.moved]
    if unlisted:
        found.append(
            Finding(
                rule="unfrozen-unlisted",
                severity="error" if meant.declared else "warning",
                where=unlisted,
                what=f"{len(unlisted)} parameters are in no optimizer",
                why=RULES["unfrozen-unlisted"].summary,
                mend="",
            )
        )
    if seen.raised is not None:
        found.append(
            Finding(
                rule="step-raised",
                severity="error",
                where=[],
                what=f"step {seen.steps + 1} raised {told_error(seen.raised)}",
                why=RULES["step-raised"].summary,
                mend="",
            )
        )
    return found
