"""The hazard matrix as Markdown, for a person: the picture, the table, then each hazard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.hazards.words import (
    MEANINGS,
    SIGNS,
    by_theme,
    cells_of,
    groups,
    kinds,
    mended,
    signed,
    summary,
)
from bench.report.table_md import code, escape

if TYPE_CHECKING:
    from bench.records import Hazard, Hazards

_AGAIN = "`freezebench hazards` measures it again; `hazards.json` and `hazards.csv` hold all of it."


def markdown(hazards: Hazards) -> bytes:
    """UTF-8 Markdown that leads to `hazards.png` in the same folder."""
    machine = hazards.machine
    blocks = [
        "# How a freeze goes wrong, and for whom",
        "Each hazard is a small training in which one thing is wrong, run with every strategy. "
        "What is said here was measured: frozen tensors are compared bit by bit, buffers and "
        "effective weights included. `requires_grad` stands for both halves of it: flags off, "
        "and an optimizer without the frozen part. `full` freezes nothing, so no hazard concerns "
        "it, though statistics move under it as well.",
        "![Hazards by strategies, a colour and a sign for each outcome](hazards.png)",
        escape(
            f"{summary(hazards)} Measured with torch {machine.torch} on {machine.cpu} in "
            f"{hazards.seconds:.0f} s."
        ),
        "\n".join(f"- `{SIGNS[kind]}` **{kind}**: {MEANINGS[kind]}" for kind in kinds(hazards)),
        "## All of it",
        _table(hazards),
    ]
    for theme, members in by_theme(hazards):
        blocks.append(f"## {escape(theme[:1].upper() + theme[1:])}")
        for hazard in members:
            blocks += _told(hazards, hazard)
    blocks.append(
        "`freezebench hazards` measures it again; hazards.json and hazards.csv hold it all."
    )
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "replace")


def _table(hazards: Hazards) -> str:
    rows = [
        ["hazard", *(code(name) for name in hazards.strategies)],
        ["---", *(":-:" for _ in hazards.strategies)],
    ]
    for hazard in hazards.hazards:
        cells = cells_of(hazards, hazard.name)
        shown = (escape(signed(cells[name].outcome)) for name in hazards.strategies)
        rows.append([f"[{escape(hazard.name)}](#{hazard.name})", *shown])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _told(hazards: Hazards, hazard: Hazard) -> list[str]:
    cells = list(cells_of(hazards, hazard.name).values())
    outcomes = [
        f"- `{SIGNS[outcome.kind]}` **{outcome.kind}**: {', '.join(map(code, names))}. "
        + escape(outcome.says)
        for outcome, names in groups(cells)
    ]
    sources = ", ".join(f"<{source}>" for source in hazard.sources)
    return [
        f"### {escape(hazard.name)}",
        f"**{escape(hazard.title)}.** {escape(hazard.mechanism)}",
        "\n".join(outcomes),
        f"*Mend:* {escape(hazard.mend)}. {escape(mended(cells))}",
        f"*See:* {sources}",
    ]
