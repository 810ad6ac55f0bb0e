"""An audit of a set-up, as the command line would run it."""

from __future__ import annotations

import gc
import logging
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from bench.audit import audit
from bench.audit.state import random_state
from bench.audit_study import SEED
from bench.audit_study.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.audit.subject import Subject, World
    from bench.audit_study.set_up import SetUp
    from bench.records.audit import Finding

PROCESSOR = "cpu"
STEPS_ALONE = 3


class Fresh:
    """A world that makes the training anew each time that it begins."""

    def __init__(self, set_up: SetUp, seed: int = SEED) -> None:
        self._set_up = set_up
        self._seed = seed
        self._subject: Subject | None = None
        self._put_back: Callable[[], None] | None = None

    def begin(self) -> Subject:
        """What the set-up makes, from the same random state each time."""
        if self._put_back is None:
            self._put_back = random_state()
        self._subject = None  # one model at a time
        torch.set_grad_enabled(True)
        self._subject = self._set_up.make(self._seed)
        return self._subject

    def end(self) -> None:
        """Put the random state and the grad mode back."""
        self._subject = None
        if self._put_back is not None:
            self._put_back()
            self._put_back = None


def observe(
    set_up: SetUp, world: World | None = None, device: str = PROCESSOR, seed: int = SEED
) -> Outcome:
    """Audit a set-up with the command line's numbers of steps.

    Args:
        set_up: what is audited.
        world: that it begins in; a fresh one if not given.
        device: on which it makes its tensors, where it names none.
        seed: of the random numbers that a fresh world begins with.
    """
    started = time.perf_counter()
    findings: list[Finding] = []
    failed: str | None = None
    try:
        with _quiet(), torch.device(device):
            findings = audit(world or Fresh(set_up, seed), target=set_up.name).findings
    except Exception as error:  # the study goes on with the next and reports this one
        failed = _in_a_line(error)
    finally:
        gc.collect()
    return Outcome(
        name=set_up.name,
        kind="fault" if set_up.expected else "clean",
        architecture=set_up.architecture,
        about=set_up.about,
        expected=list(set_up.expected),
        where=list(set_up.where),
        also=list(set_up.also),
        findings=findings,
        failed=failed,
        seconds=time.perf_counter() - started,
    )


def why_not_on(device: str, set_up: SetUp, seed: int = SEED) -> str | None:
    """What the set-up raises on `device` by itself, without an audit; `None` if it runs there.

    Its code was written for a processor. What it also raises there is a part of it.
    """
    raised = _raised_alone(set_up, device, seed)
    return raised if raised and not _raised_alone(set_up, PROCESSOR, seed) else None


def _raised_alone(set_up: SetUp, device: str, seed: int) -> str | None:
    world = Fresh(set_up, seed)
    try:
        with _quiet(), torch.device(device):
            subject = world.begin()
            for _ in range(STEPS_ALONE):
                subject.step()
    except Exception as error:  # whatever the set-up's own code raises
        return _in_a_line(error)
    finally:
        world.end()
    return None


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings of torch about the mistakes that are planted are not shown."""
    transformers = logging.getLogger("transformers")
    level = transformers.level
    transformers.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.setLevel(level)
