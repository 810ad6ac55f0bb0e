"""The study as Markdown: every sentence and every figure from what was measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.report.units import duration
from bench.study.aims import aims
from bench.study.collect import LIVES_A_FORKER
from bench.study.markdown import counted, percentage, table
from bench.study.rates import percent
from bench.study.report_traces import covered_blocks, designs_blocks, lives_blocks, rivals_blocks

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bench.study.findings import Findings, Tally


def report(found: Findings, pictures: Collection[str]) -> bytes:
    """UTF-8 Markdown; without traces or gates it says that there are none.

    Args:
        found: what it tells.
        pictures: the files that there are; it shows no other.
    """
    blocks = ["# How often is the time gate wrong?", _opening(found)]
    blocks += ["## Aims, and what was reached", *_aims(found)]
    blocks += ["## Gates that were really run", *_real(found)]
    if found.scenes:
        blocks += ["## Gates over drawn lives", *_drawn(found)]
        blocks += ["## What people use now, on the same lives", *rivals_blocks(found)]
        blocks += ["## What the lives look like", *lives_blocks(found)]
        blocks += ["## Do the intervals hold the truth?", *covered_blocks(found)]
        blocks += ["## Designs tried", *designs_blocks(found)]
    blocks += ["## What this does not say", _limits(found)]
    shown = [
        block
        for block in blocks
        if not block.startswith("![") or any(f"({name})" in block for name in pictures)
    ]
    return ("\n\n".join(shown) + "\n").encode()


def _opening(found: Findings) -> str:
    lives = sum(scene.lives for scene in found.scenes)
    real = sum(tally.rates["PASS"].of for _, tally in found.real.values())
    lines = [
        f"Written by `make gate-study` from {counted(lives, 'life', 'lives')} in "
        f"{counted(len(found.scenes), 'trace')} and {counted(real, 'gate')} that were really run; "
        "both are kept beside this file, and `python -m bench.study analyse` makes the rest again. "
        "A figure in brackets is a 95% interval; that of a rate is exact (Clopper and Pearson)."
    ]
    for machine in found.machines:
        lines.append(
            f"- machine: {machine.name} ({machine.cpu}, {machine.cores} cores, "
            f"{machine.memory_bytes / 2**30:.0f} GiB), {machine.os}, torch {machine.torch}, "
            f"Python {machine.python}"
        )
    if found.commits:
        lines.append(f"- commit: {', '.join(commit[:12] for commit in found.commits)}")
    return f"{lines[0]}\n\n" + "\n".join(lines[1:]) if lines[1:] else lines[0]


def _aims(found: Findings) -> list[str]:
    reached = aims(found)
    if not reached:
        return ["There is nothing yet that an aim could be seen on."]
    missed = [aim for aim in reached if aim.verdict.startswith("missed")]
    return [
        table(
            ("aim", "where", "found", "so"),
            reached,
            text=4,
        ),
        f"{counted(len(missed), 'line')} of {len(reached)} "
        f"{'misses' if len(missed) == 1 else 'miss'} an aim.",
    ]


def _real(found: Findings) -> list[str]:
    if not found.real:
        return ["No gate has been run yet."]
    rows = [
        (
            f"`{gate.scenario}`", percentage(gate.margin), *_answers(tally),
            duration(tally.typical_seconds), duration(max(tally.seconds)), f"{tally.lives:.1f}",
        )
        for gate, tally in found.real.values()
    ]  # fmt: skip
    header = ("gates", "margin", "of", "FAIL", "CAN'T TELL", "PASS", "took", "longest", "lives")
    blocks = [
        "Each with checkouts, interpreters and lives of its own, one after the other. *took* is "
        "the median of the whole gate, from its start to its answer.",
        table(header, rows),
    ]
    return blocks + _why([tally for _, tally in found.real.values()])


def _drawn(found: Findings) -> list[str]:
    rows = []
    for scene in found.scenes:
        for (margin, kind), tally in scene.tallies.items():
            if kind == "forkers":
                continue
            fails = scene.tallies[margin, "forkers"].rates["FAIL"]
            seconds = sorted(tally.seconds)
            rows.append(
                (
                    f"`{scene.scenario}`", percentage(margin), *_answers(tally),
                    percent(fails.value), duration(tally.typical_seconds),
                    duration(seconds[math.ceil(0.95 * len(seconds)) - 1]), f"{tally.lives:.1f}",
                )
            )  # fmt: skip
    header = (
        "trace", "margin", "of", "FAIL", "CAN'T TELL", "PASS", "FAIL by forkers", "took",
        "95% within", "lives",
    )  # fmt: skip
    settings = found.settings
    return [
        "![Share of FAIL and of CAN'T TELL against the slow-down](operating.png)",
        "The gate's own code, its looks, controls, confirmation and budget, over lives that are "
        "drawn from a trace, with replacement. A drawn gate takes the time that its lives took, "
        f"and {settings.renewal:g} s for each time that it asks for fresh processes. The intervals "
        "say how well so many draws know the rate of this trace, not how much another trace "
        f"would differ. *By forkers*: the {LIVES_A_FORKER} lives that came from one process are "
        "drawn together, so that what they have in common stays in common; with few of them in a "
        "trace it is a rough figure.",
        table(header, rows),
        *_why([scene.tallies[key] for scene in found.scenes for key in scene.tallies]),
    ]


def _why(tallies: Sequence[Tally]) -> list[str]:
    reasons: dict[str, int] = {}
    for tally in tallies:
        for reason, count in tally.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    whole = sum(reasons.values())
    if not whole:
        return ["Every one of them could tell."]
    parts = [
        f"{reason} ({percent(count / whole)})"
        for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1])
    ]
    return [f"Why the {whole} that can't tell can't, by their first reason: {'; '.join(parts)}."]


def _limits(found: Findings) -> str:
    lines = [
        "- One machine, one workload, one thread of torch. Another machine has other neighbours.",
        "- A trace is some minutes of that machine. Drawing from it again and again does not make "
        "it longer: rare events that it has not seen are in no drawn gate. The real gates are "
        "fewer, and see whatever came.",
        "- A slow-down on purpose is a spin of the processor after each phase, which is more even "
        "than most real ones.",
    ]
    short = [scene for scene in found.scenes if scene.lives < 30]
    if short:
        lines.append(
            f"- {counted(len(short), 'trace')} of {len(found.scenes)} "
            f"{'has' if len(short) == 1 else 'have'} fewer than 30 lives, the shortest "
            f"{min(scene.lives for scene in short)}."
        )
    return "\n".join(lines)


def _answers(tally: Tally) -> tuple[str, str, str, str]:
    fail, unsure, passed = (tally.rates[answer] for answer in ("FAIL", "CAN'T TELL", "PASS"))
    return str(fail.of), fail.text, unsure.text, passed.text
