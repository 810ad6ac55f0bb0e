"""The claims as a page for someone with the same question: the answer first, then why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.claims.words import headline, short, value, verdict
from bench.report.units import duration

if TYPE_CHECKING:
    from collections.abc import Collection

    from bench.records import Answer, Claims

SOURCES = {"forum": "a forum thread", "article": "an article"}

# Which plots belong to which claim, with what they show for those who don't see them.
PICTURES: dict[int, tuple[tuple[str, str], ...]] = {
    7: (
        ("accuracy.png", "Accuracy on held-out digits over noise, by way of training"),
        ("training.png", "Accuracy on held-out digits over training, by way of training"),
        ("strategies.png", "Accuracy gained by an adapter under each freezing strategy"),
    ),
    11: (("cost.png", "Time relative to training everything, and what the FLOPs allow"),),
}


def page(found: Claims, pictures: Collection[str]) -> str:
    """Markdown.

    Args:
        found: the claims.
        pictures: the plots that lie beside it; it shows no other.
    """
    blocks = ["# What people say about freezing, measured", _opening(found), _contents(found)]
    for answer in found.answers:
        blocks += _section(answer, pictures)
    blocks += ["## How it was measured", _measured(found)]
    return "\n\n".join(blocks) + "\n"


def _opening(found: Claims) -> str:
    counts: dict[str, int] = {}
    for answer in found.answers:
        name = answer.verdict or "not measured"
        counts[name] = counts.get(name, 0) + 1
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    return (
        f"{len(found.answers)} claims from a forum thread and an article on freezing part of a "
        f"PyTorch model, each with a verdict that follows from a measurement by a stated rule: "
        f"{told}. A figure in brackets is a 95% interval; one without is exact, or of one "
        "measurement that comes out the same each time."
    )


def _contents(found: Claims) -> str:
    lines = [
        "| | question | the claim | its verdict | figure |",
        "| --: | --- | --- | --- | --- |",
    ]
    for answer in found.answers:
        link = f"[{_cell(answer.question)}](#{_anchor(answer)})"
        lines.append(
            f"| {answer.number} | {link} | {_cell(short(answer))} | {_cell(verdict(answer))} "
            f"| {_cell(headline(answer))} |"
        )
    return "\n".join(lines)


def _section(answer: Answer, pictures: Collection[str]) -> list[str]:
    blocks = [f"## {_title(answer)}"]
    blocks.append(
        f"*The claim, from {SOURCES[answer.source]}:* {answer.claim} **It {_verb(answer)}.**"
    )
    if answer.answer:
        blocks.append("\n".join(f"- {sentence}" for sentence in answer.answer))
    blocks += [
        f"![{told}]({name})" for name, told in PICTURES.get(answer.number, ()) if name in pictures
    ]
    blocks.append(f"```sh\n{answer.command}\n```")
    blocks.append(_details(answer))
    return blocks


def _verb(answer: Answer) -> str:
    if answer.verdict is None:
        return f"could not be measured ({answer.why})"
    told = {"false": "is false", "can't tell": "can't be told from these figures"}
    return told.get(answer.verdict, verdict(answer))


def _details(answer: Answer) -> str:
    lines = [
        "<details><summary>all figures, the rule and the measurement</summary>",
        "",
        f"Measured: {answer.how}",
        "",
        f"Rule: {answer.rule}",
    ]
    if answer.figures:
        lines += ["", "| figure | |", "| --- | --: |"]
        lines += [f"| {_cell(one.name)} | {_cell(value(one))} |" for one in answer.figures]
    return "\n".join([*lines, "", "</details>"])


def _measured(found: Claims) -> str:
    machine, project = found.machine, found.project
    code = f"freezebench {project.version}"
    if project.commit is not None:
        code += f", commit {project.commit[:12]}" + (" with changes" if project.dirty else "")
    lines = [
        "- `freezebench claims` measures all of it again and writes this page; "
        "`freezebench claims 7` shows one claim. Everything is in [claims.json](claims.json).",
        f"- Machine: {machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB; "
        f"{machine.os}, Python {machine.python}, torch {machine.torch}; {code}; "
        f"{found.started}, {duration(found.seconds)} in all.",
        "- A verdict is computed from the figures by the rule that stands with it. Claims are in "
        "our words.",
    ]
    run = found.run
    if run is not None:
        lives = {cell.summary.lives for cell in run.cells if cell.summary is not None}
        lines.append(
            "- Times are never absolute: strategies take turns in one process, a ratio is taken "
            f"within a round, and the interval is Student's t over {_span(lives)} lives in fresh "
            f"processes for each workload (batch {_span({cell.batch for cell in run.cells})}, "
            f"{_span({cell.threads for cell in run.cells})} threads, {run.request.optimizer}). "
            "FLOPs, nodes and bytes are exact and equal on every machine with this torch."
        )
    noisy = found.denoising
    if noisy is not None:
        lines.append(
            f"- Noisy digits: {len(noisy.seeds)} seeds, each with a classifier (clean held-out "
            f"digits: {min(noisy.clean):.1%} to {max(noisy.clean):.1%}), adapters, batches and "
            f"noise of its own; {noisy.steps} steps of {noisy.batch} images in every arm; "
            f"{noisy.held_out} held-out digits under two draws of the noise. Differences are "
            "paired by seed, and what is beyond doubt is decided for all noise levels together, by "
            "Holm's method."
        )
        lines += [f"  - {arm.name}: {arm.told}" for arm in noisy.arms]
    return "\n".join(lines)


def _title(answer: Answer) -> str:
    return f"{answer.number}. {answer.question}"


def _anchor(answer: Answer) -> str:
    """The anchor that GitHub and GitLab give a heading: no punctuation, dashes for spaces."""
    kept = [one for one in _title(answer).lower() if one.isalnum() or one in " -_"]
    return "".join(kept).replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _span(values: set[int]) -> str:
    if not values:
        return "no"
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"
