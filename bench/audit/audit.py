"""An audit: what is meant to be frozen, what the steps did, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from bench.audit.broken import broken_before
from bench.audit.causes.averages import Averages
from bench.audit.causes.words import listed
from bench.audit.findings import findings_of
from bench.audit.flags import Flags
from bench.audit.intent import intent
from bench.audit.kept import frozen_places, still
from bench.audit.modes import mode_findings
from bench.audit.raised import NotRunAgainError
from bench.audit.raised import told as told_error
from bench.audit.subject import AuditError
from bench.audit.unchecked import LAST, Unchecked, unchecked_by
from bench.audit.waste import wasted
from bench.audit.watching import watch_steps
from bench.measure.stillness import how_to_keep
from bench.measure.unwrapped import unwrapped
from bench.records import Audit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.audit.intent import Intent
    from bench.audit.observation import Observation
    from bench.audit.subject import World
    from bench.records import Finding, KeptBy

_PATIENCE = 26  # further steps that may pass until accumulated gradients are applied


def audit(
    world: World,
    *,
    target: str,
    steps: int = 5,
    warm: int = 1,
    free_bytes: int | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Audit:
    """Watch `warm` and `steps` steps of a training, and find the causes of what is amiss.

    Frozen tensors are compared bitwise from the very beginning, so steps are counted from the
    first warm one.

    Args:
        world: of the training; it is left as it was found.
        target: what is audited, in a few words.
        steps: that are audited.
        warm: steps before these.
        free_bytes: of memory; asked of the system if not given.
        told: is called with a few words on what is being done.

    Raises:
        AuditError: the training cannot be audited.
    """
    if steps < 1 or warm < 0:
        raise AuditError(f"{steps} steps after {warm} warm ones can't be audited; take at least 1")
    try:
        return _audited(world, target, steps, warm, free_bytes, told)
    finally:
        world.end()


def _audited(
    world: World,
    target: str,
    steps: int,
    warm: int,
    free_bytes: int | None,
    told: Callable[[str], None],
) -> Audit:
    subject = world.begin()
    meant = intent(subject)
    model = unwrapped(subject.model)
    frozen = frozen_places(model, meant.partition)
    by: KeptBy = getattr(world, "kept_by", None) or how_to_keep(frozen, free_bytes)
    copy_of = getattr(world, "copy_of", None)
    kept = still(frozen, by, copy_of)
    trainable = len(meant.partition.trainable)
    parameter = next(model.parameters())
    device = str(parameter.device)
    broken = broken_before(model)
    averages = Averages(subject, model, meant)
    flags = Flags(model)
    seen = watch_steps(
        replace(subject, step=flags.around(subject.step)),
        meant,
        kept,
        warm + steps,
        copy_of=copy_of,
        patience=_PATIENCE,
        told=told,
    )
    findings = averages.findings(seen, kept)
    flags.let_go()
    del subject, model, frozen, averages, parameter  # another one may take their memory
    caused, unrepeated = findings_of(world, meant, kept, seen, told)
    findings += caused
    unchecked = unchecked_by(
        seen,
        unrepeated,
        [*broken, *findings],
        can_begin_again=by == "copy" or copy_of is None,
    )
    if not unchecked.why:
        told("counting what is wasted")
        try:
            findings += wasted(world, meant.partition)
            told("trying the modes of frozen modules")
            findings += mode_findings(world, meant.partition)
        except NotRunAgainError as error:
            unchecked = Unchecked(f"the steps can't be repeated, {error} when they were", LAST)
    findings = [*broken, *findings, *flags.findings(findings, meant.partition.frozen)]
    return Audit(
        target=target,
        device=device,
        torch=torch.__version__.split("+")[0],
        steps=max(0, seen.steps - warm),
        warm=min(warm, seen.steps),
        frozen=list(meant.patterns),
        frozen_tensors=len(kept.places),
        frozen_bytes=kept.bytes,
        trainable_tensors=trainable,
        kept_by=by,
        findings=findings,
        notes=[*_notes(meant, by), *unchecked.notes, *_unmoved(seen, findings)],
        stopped=None
        if seen.raised is None
        else f"step {seen.steps + 1} raised {told_error(seen.raised)}",
        unchecked=unchecked.rules({one.rule for one in findings}),
    )


def _notes(meant: Intent, by: KeptBy) -> list[str]:
    notes = []
    if not meant.declared:
        notes.append("what is frozen was read off flags and learning rates at the beginning")
    if by == "hash":
        notes.append(
            "there is too little memory for a copy of the frozen tensors, so a hash of each was "
            "kept: by how much one moved is unknown, and one that moved is not put back"
        )
    return notes


def _unmoved(seen: Observation, findings: Sequence[Finding]) -> list[str]:
    """Which trainable parameters did not move, where no finding names them."""
    if seen.raised is not None:
        return []  # there was no time to see it
    named = {name for one in findings for name in one.where}
    left = [name for name, one in seen.trained.items() if not one.moved and name not in named]
    if not left:
        return []
    return [f"{len(left)} of {len(seen.trained)} trainable parameters did not move: {listed(left)}"]
