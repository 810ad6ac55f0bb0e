"""What the comparison of two stored runs says: on the terminal, and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from bench.gate.stored.gate import (
    FAIL_CONFIDENCE,
    GATED,
    LEAST_HISTORY,
    PASS_CONFIDENCE,
    POWER,
)
from bench.names import printable
from bench.report import units
from bench.report.table_md import code, escape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from bench.gate.stored.gate import Comparison, Row

_COLOURS = {"PASS": "green", "FAIL": "bold red", "CAN'T TELL": "yellow"}
_TITLES = ("strategy", "phase", "base", "head", "head ÷ base", "could see", "answer")
_HOW_TO_READ = (
    f"Ratios to full are compared. Bounds are one-sided: {FAIL_CONFIDENCE:.0%} below, "
    f"{PASS_CONFIDENCE:.0%} above. `could see` is the smallest true head ÷ base that this "
    f"comparison would have failed {POWER:.0%} of the time. Forward and update are shown only."
)
_ROOMY = 100  # columns from which the two ratios to `full` are shown as well
_HUGE = 10  # from here a detectable change is no longer told by its digits


def show(comparison: Comparison, console: Console) -> None:
    """A table a workload, the reasons, the notes, and the answer last."""
    shown = [title for title in _TITLES if console.width >= _ROOMY or title not in ("base", "head")]
    for workload, rows in _by_workload(comparison.rows).items():
        console.print(Text(printable(workload), "bold"))
        console.print(_table(rows, shown))
        console.print()
    for line in (*_reasons(comparison), *(f"note: {note}" for note in comparison.notes)):
        console.print(Text(printable(line)))
    console.print(Text(_HOW_TO_READ.replace("`", ""), "dim"))
    console.print()
    console.print(Text(printable(headline(comparison)), _COLOURS[comparison.answer]))
    for sentence in advice(comparison):
        console.print(Text(printable(sentence)))


def _table(rows: list[Row], shown: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for title in shown:
        table.add_column(
            title,
            justify="left" if title in ("strategy", "phase", "answer") else "right",
            overflow="fold",
            no_wrap=title != "strategy",
        )
    for row in rows:
        style = "" if row.phase in GATED else "dim"
        texts = dict(zip(_TITLES, _texts(row), strict=True))
        styles = {"answer": _COLOURS.get(row.answer or "", style)}
        table.add_row(*(Text(texts[title], styles.get(title, style)) for title in shown))
    return table


def markdown(comparison: Comparison) -> bytes:
    """The same as UTF-8 Markdown, for a CI's summary or a comment: the answer first."""
    blocks = [f"## {escape(headline(comparison))}"]
    if said := advice(comparison):
        blocks.append("\n".join(f"- {escape(sentence)}" for sentence in said))
    for workload, rows in _by_workload(comparison.rows).items():
        lines = [f"### {escape(workload)}", "", "| " + " | ".join(_TITLES) + " |"]
        lines.append("| --- | --- | --: | --: | --: | --: | --- |")
        for row in rows:
            strategy, *texts = _texts(row)
            lines.append(f"| {code(strategy)} | " + " | ".join(map(escape, texts)) + " |")
        blocks.append("\n".join(lines))
    told = [*_reasons(comparison), *comparison.notes]
    if told:
        blocks.append("\n".join(f"- {escape(line)}" for line in told))
    blocks.append(_HOW_TO_READ)
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "replace")


def headline(comparison: Comparison) -> str:
    """The answer, with how many rows it rests on."""
    gated = [row for row in comparison.rows if row.answer is not None]
    counts = ", ".join(
        f"{sum(row.answer == answer for row in gated)} {answer}"
        for answer in ("PASS", "FAIL", "CAN'T TELL")
    )
    total, phase = (f"{100 * margin:g}%" for margin in comparison.margins)
    runs = len(comparison.history)
    return (
        f"{comparison.answer}: {comparison.head} against {comparison.base}: {counts} "
        f"(margin {total} total, {phase} backward; history of {runs} run{'' if runs == 1 else 's'})"
    )


def advice(comparison: Comparison) -> list[str]:
    """What would turn each CAN'T TELL into an answer."""
    open_rows = [row for row in comparison.rows if row.answer == "CAN'T TELL"]
    said = []
    timed = [row for row in open_rows if row.change is not None]
    if short := [row.runs for row in timed if row.runs < LEAST_HISTORY]:
        more = LEAST_HISTORY - min(short)
        said.append(
            "The noise between runs is unknown: measure the same request of base "
            f"{more} more time{'' if more == 1 else 's'} on this machine, and keep the runs beside "
            "BASE or name them with --history."
        )
    if any(row.runs >= LEAST_HISTORY and row.error is None for row in timed):
        said.append("A run of one life has no error of its own: measure with a larger --budget.")
    if wide := [row for row in timed if row.error is not None]:
        between = sum(_mostly_between(row) for row in wide)
        if between:
            said.append(
                f"In {between} of {len(wide)} open rows most of the noise is between runs, which "
                "longer runs do not lessen: a longer history narrows it a little; base and head "
                "measured in turns, in one go, narrow it much (`freezebench gate --help`)."
            )
        if between < len(wide):
            said.append(
                f"In {len(wide) - between} of {len(wide)} open rows most of the noise is within "
                "the runs: measure both with a larger --budget and a smaller --precision."
            )
    return said


def _mostly_between(row: Row) -> bool:
    return row.between is not None and 2 * row.between**2 > (row.within or 0) ** 2


def _by_workload(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.workload, []).append(row)
    return groups


def _texts(row: Row) -> list[str]:
    return [
        printable(row.strategy),
        row.phase,
        *(units.ABSENT if value is None else units.share(value) for value in (row.base, row.head)),
        _change(row),
        _detectable(row),
        row.answer or units.ABSENT,
    ]


def _change(row: Row) -> str:
    if row.change is None:
        return units.ABSENT
    text = f"{row.change:.3f}"
    if row.low is None or row.high is None:
        return f"{text} [?]"
    return f"{text} [{row.low:.3f}, {row.high:.3f}]"


def _detectable(row: Row) -> str:
    if row.detectable is None:
        return units.ABSENT
    if row.detectable >= _HUGE:
        return f"> {_HUGE}{units.TIMES}"
    return f"{row.detectable:.2f}{units.TIMES}"


def _reasons(comparison: Comparison) -> list[str]:
    """Why rows have no answer, each reason once."""
    reasons: dict[str, list[str]] = {}
    for row in comparison.rows:
        if row.answer == "CAN'T TELL":
            name = f"{row.workload} × {row.strategy} {row.phase}"
            reasons.setdefault(row.why, []).append(name)
    told = []
    for why, names in reasons.items():
        rest = len(names) - 3
        who = ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")
        told.append(f"can't tell: {why}: {who}")
    return told
