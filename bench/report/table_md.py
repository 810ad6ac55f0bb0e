"""The run as Markdown, for a person."""

from __future__ import annotations

import re
from itertools import compress
from typing import TYPE_CHECKING

from bench.names import printable
from bench.report import units
from bench.report.command import command
from bench.report.reading import (
    by_workload,
    frozen_kept,
    ideal,
    is_reference,
    joules,
    ratio,
    seconds,
    words,
)
from bench.report.sentences import sentences

if TYPE_CHECKING:
    from bench.records import Cell, Run

_ENERGY = "J a step"
_COLUMNS = (
    ("strategy", "---"),
    ("verdict", "---"),
    ("midway", "---"),
    ("forward ms", "--:"),
    ("backward ms", "--:"),
    ("update ms", "--:"),
    ("total ms", "--:"),
    ("backward ÷ full", "--:"),
    ("total ÷ full", "--:"),
    ("FLOPs allow", "--:"),
    ("peak MiB", "--:"),
    ("saved MiB", "--:"),
    (_ENERGY, "--:"),
    ("frozen grad+opt MiB", "--:"),
)


_HOW_TO_READ = (
    "Each row trains the same model on the same batches, and differs only in how the frozen part "
    "is kept from being updated; brackets hold a confidence interval over fresh processes, "
    "or a question mark where too few of them leave none that says anything. "
    "`÷ full` is the time relative to training everything within the same rounds, so 0.50 is twice "
    "as fast, and *FLOPs allow* is that ratio if time followed the counted FLOPs alone. "
    "The verdict says what training did: `ok` kept the frozen part bitwise and gave the rest its "
    "reference update, `leaks` moved something frozen, `severed` left something trainable without "
    "a gradient, `diverges` updated it otherwise, `failed` did not run; *midway* is the same for a "
    "freeze in the middle of training. "
    "*Peak* is the highest sum of live tensors during a step, *saved* what the graph keeps for the "
    "backward pass, *frozen grad+opt* the gradients and optimizer state that the frozen part still "
    f"costs, and {units.ABSENT} was not measured."
)
_HOW_TO_READ_ENERGY = f" *{_ENERGY}* is what came from the socket, idle power included."


def table_md(run: Run) -> bytes:
    """UTF-8 Markdown: what won, a table a workload, the reasons, and how to measure it again."""
    blocks = [f"# {escape(run.id)}", _machine(run)]
    blocks.append("\n".join(f"- {escape(sentence)}" for sentence in sentences(run)))
    for workload, cells in by_workload(run).items():
        blocks.append(f"## {escape(workload)}")
        blocks.append(_setting(cells))
        blocks.append(_table(cells))
        if reasons := _reasons(cells):
            blocks.append(reasons)
    energy = _HOW_TO_READ_ENERGY if _energy_known(run.cells) else ""
    blocks += ["## How to read this", _HOW_TO_READ + energy]
    blocks += ["## The command that measures this again", f"    {command(run.request)}"]
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "replace")


def escape(text: str) -> str:
    """`text` on one line with everything that Markdown or HTML would take as markup escaped.

    An underscore inside a word is no markup, and stays.
    """
    text = re.sub(r"[\\`*<>|~&$]|\](?=[(\[])|(?<!\w)_|_(?!\w)", r"\\\g<0>", printable(text))
    text = re.sub(r"^(\s*)([-+=#])", r"\1\\\2", text)
    return re.sub(r"^(\s*\d+)([.)])(?=\s|$)", r"\1\\\2", text)


def code(name: str) -> str:
    """`name` as a code span that survives inside a table."""
    name = printable(name)
    longest = max((len(run) for run in re.findall("`+", name)), default=0)
    fence = "`" * (longest + 1)
    space = " " if name[:1] in ("`", " ", "") or name[-1:] in ("`", " ") else ""
    return f"{fence}{space}{name}{space}{fence}".replace("|", "\\|")


def _machine(run: Run) -> str:
    machine, project = run.machine, run.project
    commit = ""
    if project.commit is not None:
        commit = f" ({project.commit[:12]}{', modified' if project.dirty else ''})"
    facts = [
        (
            "machine",
            f"{machine.name}: {machine.cpu}, {machine.cores} cores, "
            f"{machine.memory_bytes / 2**30:.1f} GiB, {machine.os}",
        ),
    ]
    if machine.accelerator is not None:
        accelerator = [machine.accelerator]
        if machine.accelerator_memory_bytes is not None:
            accelerator.append(f"{machine.accelerator_memory_bytes / 2**30:.1f} GiB")
        for label, value in (("CUDA", machine.cuda), ("driver", machine.driver)):
            accelerator += [f"{label} {value}"] if value is not None else []
        facts.append(("accelerator", ", ".join(accelerator)))
    facts += [
        ("torch", f"{machine.torch}, Python {machine.python}, {machine.blas}"),
        ("freezebench", f"{project.version}{commit}"),
        (
            "measured",
            f"{run.started}, {units.duration(run.timed_seconds)} of timing, {run.state}"
            + (f", stopped by {run.stopped_by}" if run.stopped_by else ""),
        ),
    ]
    return "\n".join(f"- {name}: {escape(value)}" for name, value in facts)


def _setting(cells: list[Cell]) -> str:
    def each(name: str) -> str:
        return ", ".join(dict.fromkeys(str(getattr(cell, name)) for cell in cells))

    return escape(
        f"Topology {each('topology')}, batch {each('batch')}, {each('dtype')} on {each('device')}, "
        f"threads {each('threads')}, optimizer {each('optimizer')}."
    )


def _table(cells: list[Cell]) -> str:
    energy = _energy_known(cells)
    kept = [energy or title != _ENERGY for title, _ in _COLUMNS]
    titles, rules = zip(*_COLUMNS, strict=True)
    rows = [titles, rules, *(_row(cell) for cell in cells)]
    return "\n".join("| " + " | ".join(compress(row, kept)) + " |" for row in rows)


def _energy_known(cells: list[Cell]) -> bool:
    return any(joules(cell) is not None for cell in cells)


def _row(cell: Cell) -> list[str]:
    allowed, spent = ideal(cell, "total"), joules(cell)
    return [
        code(cell.strategy),
        words(cell.verdict),
        units.ABSENT if cell.midway is None else words(cell.midway.verdict),
        *(
            units.milliseconds(seconds(cell, phase))
            for phase in ("forward", "backward", "update", "total")
        ),
        *(
            "1" if is_reference(cell) else units.ratio(ratio(cell, phase))
            for phase in ("backward", "total")
        ),
        units.ABSENT if allowed is None else units.share(allowed),
        units.mebibytes(cell.memory.peak_bytes),
        units.mebibytes(cell.memory.saved_bytes),
        units.ABSENT if spent is None else units.number(spent.value),
        units.mebibytes(frozen_kept(cell)),
    ]


def _reasons(cells: list[Cell]) -> str:
    lines = []
    for cell in cells:
        midway = cell.midway
        same = midway is not None and (midway.verdict, midway.why) == (cell.verdict, cell.why)
        if cell.verdict not in ("ok", "reference"):
            when = ", midway too" if same else ""
            lines.append(f"- {code(cell.strategy)} {cell.verdict}{when}: {escape(cell.why)}")
        if midway is not None and not same and midway.verdict not in ("ok", "reference"):
            lines.append(f"- {code(cell.strategy)} midway {midway.verdict}: {escape(midway.why)}")
    return "\n".join(lines)
