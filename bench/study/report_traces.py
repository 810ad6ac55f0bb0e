"""What the traces say, as blocks of Markdown: rivals, lives, coverage, designs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bench.gate.time.decision import Effect
from bench.records import CONFIDENCE
from bench.report.units import ABSENT, TIMES
from bench.study.coverage import LIVES, range_of
from bench.study.designs import DESIGNS
from bench.study.markdown import change, percentage, table
from bench.study.rates import percent
from bench.study.rivals import RIVALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.time.record import Bounds
    from bench.study.findings import Findings, Scene

_ERROR_LIVES = 5
"""Of a gate at its first look."""


def rivals_blocks(found: Findings) -> list[str]:
    """How often each rule calls the head slower, on every trace."""
    rows = []
    for name in RIVALS:
        rows.append((name, *(percent(scene.rivals[name][0].value) for scene in found.scenes)))
    for margin in dict.fromkeys(margin for scene in found.scenes for margin, _ in scene.tallies):
        fails = [scene.tallies[margin, "lives"].rates["FAIL"] for scene in found.scenes]
        rows.append(
            (f"**this gate, {percentage(margin)}**", *(f"**{percent(f.value)}**" for f in fails))
        )
    several = {
        name: sorted({scene.rivals[name][1] for scene in found.scenes})
        for name, rival in RIVALS.items()
        if rival.processes > 1
    }
    blocks = [
        "![False alarms and what was found, by tool](rivals.png)",
        "How often each calls the head slower: a false alarm where the sides are equal, power "
        "where they are not. A stored run is what one process measured at one time, by the wall "
        "clock: the base in one life against the head in another one. "
        + " ".join(
            f"{name} takes {_range(sizes)} lives for each run." for name, sizes in several.items()
        )
        + f" *One after the other* takes the life that follows. {found.settings.gates} draws each.",
        table(("judged by", *(f"`{scene.scenario}`" for scene in found.scenes)), rows),
    ]
    if equal := [scene for scene in found.scenes if scene.fault == "none"]:
        worst = {name: max(scene.rivals[name][0].value for scene in equal) for name in RIVALS}
        most = max(worst, key=lambda name: worst[name])
        useful = min(worst, key=lambda name: worst[name])
        blocks.append(
            f"On equal sides, {most} alarms most, in up to {percent(worst[most])}; {useful} least, "
            f"in up to {percent(worst[useful])}."
        )
    return blocks


def lives_blocks(found: Findings) -> list[str]:
    """What each trace shows of head and base, and how alike its lives are."""
    rows = [
        (
            f"`{scene.scenario}`",
            str(scene.lives),
            f"{100 * scene.nominal:+g}%" if scene.nominal else "0%",
            change(scene.head),
            change(scene.again),
            ABSENT if scene.load is None else f"{scene.load:.2f}{TIMES}",
            ABSENT if scene.alike is None else f"{scene.alike:.2f}",
        )
        for scene in found.scenes
    ]
    header = ("trace", "lives", "slowed by", "head seen", "again seen", "wall ÷ cpu", "alike")
    off = [scene for scene in found.scenes if not scene.again.low <= 1 <= scene.again.high]
    said = (
        "The base's two processes are equal in every trace as far as its lives can tell."
        if not off
        else "The base's two processes, which are equal, differ by more than the interval in "
        + ", ".join(f"`{scene.scenario}`" for scene in off)
        + f"; of {len(found.scenes)} such intervals, {(1 - CONFIDENCE) * len(found.scenes):.2g} "
        "would by chance."
    )
    return [
        "Whole steps over all lives of a trace: the head, and the base's other process, over the "
        "base. *wall ÷ cpu* is how much longer the base's steps took than the processor worked on "
        "them: what the neighbours really took. *alike* is the part of the variance that lives of "
        "one process share (intraclass correlation); around 0 there is none.",
        table(header, rows),
        said,
        f"Over all lives, that other process took {change(_pooled(found.scenes, 'again'))}"
        + (
            f"; where the sides are equal, the head took {change(_pooled(equal, 'head'))}."
            if (equal := [scene for scene in found.scenes if scene.fault == "none"])
            else "."
        ),
    ]


def _pooled(scenes: Sequence[Scene], arm: Literal["head", "again"]) -> Bounds:
    """The ratio to the base over the lives of several traces."""
    return Effect.of(
        [
            effect
            for scene in scenes
            for effect in (scene.head_effects if arm == "head" else scene.again_effects)
        ]
    ).ratio()


def covered_blocks(found: Findings) -> list[str]:
    """How often intervals hold the truth."""
    rows = []
    for scene in found.scenes:
        for truth in dict.fromkeys(case.truth for case in scene.covered):
            cells = []
            for lives in LIVES:
                cases = [c for c in scene.covered if (c.truth, c.lives) == (truth, lives)]
                cells.append(
                    "–".join(dict.fromkeys(percent(v) for v in range_of(cases)))
                    if cases
                    else ABSENT
                )
            told = "a ratio of 1" if truth == "equal" else "the trace's mean"
            rows.append((f"`{scene.scenario}`", told, *cells))
    return [
        "How often the 95% interval of the head holds the truth, the lowest and the highest of the "
        "three phases and the whole step. Where the truth is the trace's own mean, lives are drawn "
        "with replacement. Where it is a ratio of 1, each group of lives that follow each other "
        "counts once; these are few.",
        table(("trace", "truth", *(f"{lives} lives" for lives in LIVES)), rows),
    ]


def designs_blocks(found: Findings) -> list[str]:
    """How far the head's effect scatters by design."""
    equal = [scene for scene in found.scenes if scene.fault == "none"]
    if not equal:
        return ["There is no trace of equal sides yet."]
    rows = []
    for name in DESIGNS:
        cells = []
        for scene in equal:
            spread = scene.spreads.get(name)
            cells.append(
                ABSENT
                if spread is None
                else f"{100 * spread.deviation:.2f}% [{100 * spread.low:.2f}, "
                f"{100 * spread.high:.2f}], ±{100 * spread.error(_ERROR_LIVES):.2f}%"
            )
        rows.append((name, *cells))
    return [
        "![Spread of the head's effect by design](designs.png)",
        "The standard deviation of the effect of a life, where the sides are equal, and behind it "
        f"the standard error that a gate of {_ERROR_LIVES} lives has from it. Each design differs "
        "from the gate's in what it is called by; all of them see the same turns.",
        table(("design", *(f"`{scene.scenario}`" for scene in equal)), rows),
    ]


def _range(sizes: Sequence[int]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
