"""`freezebench audit`: does your own training freeze what it means to?"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from bench.cli.options import NearChoice
from bench.cli.outputs import OutputError, refuse_unwritable, write
from bench.cli.telling import refuse, told_in_a_sentence
from bench.exits import CELL_FAILED, DONE, FINDING, INTERRUPTED
from bench.rules import RULES, SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.records import Audit, Finding
    from bench.rules import Severity

FORMATS = ("terminal", "json", "markdown", "junit", "github")


@click.command()
@click.argument("target")
@click.option("--freeze", multiple=True, metavar="PATTERN", help="What is meant to be frozen: shell patterns on names of modules or parameters, `!` excludes. Repeatable; as the training has it if none.")  # fmt: skip
@click.option("--input", "inputs", multiple=True, metavar="SHAPE", help="An input of a module by itself, such as 8x3x224x224 or long:8x16. Repeatable, once for each argument.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True, help="Training steps that are audited.")  # fmt: skip
@click.option("--warm", type=click.IntRange(min=0), default=1, show_default=True, help="Training steps before them.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True)
@click.option("-d", "--device", default="cpu", show_default=True, help="cpu, cuda, cuda:N, another accelerator of torch, or auto.")  # fmt: skip
@click.option("--format", "form", type=NearChoice(FORMATS), default="terminal", show_default=True,
              help="markdown for a pull request, json for machines, junit for CI systems, github for its annotations.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write there instead of to the terminal.")  # fmt: skip
@click.option("--fail-on", type=NearChoice((*reversed(SEVERITIES), "never")), default="error", show_default=True,
              help="Exit 1 for a finding of this severity or above.")  # fmt: skip
@click.option("--ignore", "ignored", multiple=True, metavar="RULE[:PLACE]", help="Leave out findings of a rule, or of a rule at places that a shell pattern matches. Repeatable.")  # fmt: skip
def audit(
    target: str,
    freeze: tuple[str, ...],
    inputs: tuple[str, ...],
    steps: int,
    warm: int,
    seed: int,
    device: str,
    form: str,
    output: Path | None,
    fail_on: str,
    ignored: tuple[str, ...],
) -> None:
    """Run a few of your own training steps and see what is frozen move, and what isn't stand still.

    TARGET is path/to/file.py:factory or package.module:factory, a function that returns the
    model, the optimizer and a step() that trains once (a scheduler, a loader, a loss scaler, a
    running average too, if there are any), or a Lightning module, with a Trainer or without, or a
    module by itself, to go with --freeze.

    What moved is found bit by bit, and its cause by running the steps again with one thing
    removed: the function is called and its steps run several times from the beginning. What they
    print goes to stderr. Exit code 0: no finding at or above --fail-on; 1: one; 2: the request is wrong; 3: a
    step raised.
    """
    try:
        with told_in_a_sentence(OutputError):
            refuse_unwritable({"--output": output})
        ignore = _ignoring(ignored)
        found = _audited(target, freeze, inputs, steps, warm, seed, device)
    except KeyboardInterrupt:
        click.echo("\nInterrupted.", err=True)
        sys.exit(INTERRUPTED)
    shown = _without(found, ignore)
    with told_in_a_sentence(OutputError):
        _show(shown, form, output, fail_on)
    sys.exit(_code(shown, fail_on))


def _audited(
    target: str,
    freeze: tuple[str, ...],
    inputs: tuple[str, ...],
    steps: int,
    warm: int,
    seed: int,
    device: str,
) -> Audit:
    with _stdout_to_stderr(), _progress() as told:
        told("importing torch")
        from bench.audit import AuditError  # noqa: PLC0415
        from bench.audit import audit as carry_out  # noqa: PLC0415
        from bench.audit.target import Asked, world_of  # noqa: PLC0415
        from bench.measure.device import DeviceError, choose  # noqa: PLC0415
        from bench.workloads import label  # noqa: PLC0415

        with told_in_a_sentence(AuditError, DeviceError):
            where = choose(device)
            where.activate()
            told(f"importing {label(target)}")
            world = world_of(target, Asked(freeze, inputs, str(where), seed))
            try:
                return carry_out(world, target=label(target), steps=steps, warm=warm, told=told)
            except AuditError as error:
                raise AuditError(_said_of(label(target), str(error))) from error


def _said_of(target: str, sentence: str) -> str:
    """The sentence behind the target, which some of them begin with already."""
    return sentence if sentence.startswith(f"{target}: ") else f"{target}: {sentence}"


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Whatever the user's code prints, from Python or below it, stays out of the report."""
    sys.stdout.flush()
    with _descriptor_1_as_2(), redirect_stdout(sys.stderr):
        yield


@contextmanager
def _descriptor_1_as_2() -> Iterator[None]:
    try:
        before = os.dup(1)
    except OSError:  # stdout is closed
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        if sys.__stdout__ is not None and not sys.__stdout__.closed:
            sys.__stdout__.flush()
        os.dup2(before, 1)
        os.close(before)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What is being done, on one line of stderr that is gone again afterwards."""
    from rich.console import Console  # noqa: PLC0415

    from bench.names import printable  # noqa: PLC0415

    console = Console(stderr=True)
    with console.status("") as status:
        yield lambda doing: status.update(printable(doing).replace("[", r"\["))


def _ignoring(ignored: tuple[str, ...]) -> list[tuple[str, str]]:
    """Rules and patterns on places; a rule that there is none of is refused."""
    pairs = []
    for text in ignored:
        rule, _, place = text.partition(":")
        if rule not in RULES:
            from strategies.suggest import suggest  # noqa: PLC0415

            refuse(f"--ignore {text}: there is no rule '{rule}'; {suggest(rule, list(RULES))}")
        pairs.append((rule, place or "*"))
    return pairs


def _without(found: Audit, ignore: list[tuple[str, str]]) -> Audit:
    """The audit without the findings to ignore; a note says how many there were."""
    left = [finding for finding in found.findings if not _is_ignored(finding, ignore)]
    number = len(found.findings) - len(left)
    if not number:
        return found
    said = f"{number} finding{'s' if number > 1 else ''} left out by --ignore"
    return replace(found, findings=left, notes=[*found.notes, said], left_out=number)


def _is_ignored(finding: Finding, ignore: list[tuple[str, str]]) -> bool:
    """All its places have to match, lest a part that nobody spoke of is lost with the others.

    As with `--freeze`, a pattern that matches a module covers everything below it.
    """
    _, _, place = finding.id.partition(":")
    return any(
        rule == finding.rule
        and (
            _covers(pattern, place)
            or (bool(finding.where) and all(_covers(pattern, name) for name in finding.where))
        )
        for rule, pattern in ignore
    )


def _covers(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _show(shown: Audit, form: str, output: Path | None, fail_on: str) -> None:
    if form == "terminal" and output is None:
        from rich.console import Console  # noqa: PLC0415

        from bench.report.audit.terminal import show  # noqa: PLC0415

        show(shown, Console())
        return
    content = _content(shown, form, fail_on)
    if output is None:
        click.echo(content, nl=False)
    else:
        write(output, content)


def _content(shown: Audit, form: str, fail_on: str) -> bytes:
    if form == "json":
        from bench.report.audit.json import audit_json  # noqa: PLC0415

        return audit_json(shown)
    if form == "markdown":
        from bench.report.audit.markdown import audit_markdown  # noqa: PLC0415

        return audit_markdown(shown).encode()
    if form == "junit":
        from bench.report.audit.junit import audit_junit  # noqa: PLC0415

        return audit_junit(shown, _severity(fail_on))
    if form == "github":
        from bench.report.audit.github import audit_github  # noqa: PLC0415

        return audit_github(shown).encode()
    from bench.report.audit.terminal import plain  # noqa: PLC0415

    return plain(shown).encode()


def _severity(fail_on: str) -> Severity | None:
    return next((severity for severity in SEVERITIES if severity == fail_on), None)


def _code(shown: Audit, fail_on: str) -> int:
    least = _severity(fail_on)
    if shown.stopped is not None:
        return CELL_FAILED
    if least is None:
        return DONE
    counting = SEVERITIES[SEVERITIES.index(least) :]
    return FINDING if any(f.severity in counting for f in shown.findings) else DONE
