"""An audit of a set-up, as the command line would run it."""

from __future__ import annotations

import gc
import logging
import random
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.audit import audit
from bench.audit_study.outcome import Outcome

if TYPE_CHECKING:
    from bench.audit.subject import Subject, World
    from bench.audit_study.set_up import SetUp
    from bench.records.audit import Finding


class Fresh:
    """A world that makes the training anew each time that it begins."""

    def __init__(self, set_up: SetUp) -> None:
        self._set_up = set_up
        self._subject: Subject | None = None
        self._before: tuple[Any, Any, Any] | None = None
        self._grad = torch.is_grad_enabled()

    def begin(self) -> Subject:
        """What the set-up makes, from the same random state each time."""
        if self._before is None:
            self._before = (random.getstate(), np.random.get_state(), torch.get_rng_state())
        self._subject = None  # one model at a time
        torch.set_grad_enabled(True)
        self._subject = self._set_up.make()
        return self._subject

    def end(self) -> None:
        """Put the random state and the grad mode back."""
        self._subject = None
        torch.set_grad_enabled(self._grad)
        if self._before is not None:
            random.setstate(self._before[0])
            np.random.set_state(self._before[1])
            torch.set_rng_state(self._before[2])
            self._before = None


def observe(set_up: SetUp, world: World | None = None) -> Outcome:
    """Audit a set-up with the command line's numbers of steps.

    Args:
        set_up: what is audited.
        world: that it begins in; a fresh one if not given.
    """
    started = time.perf_counter()
    findings: list[Finding] = []
    failed: str | None = None
    transformers = logging.getLogger("transformers")
    level = transformers.level
    try:
        transformers.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about the mistakes that are planted
            findings = audit(world or Fresh(set_up), target=set_up.name).findings
    except Exception as error:  # the study goes on with the next and reports this one
        failed = f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        transformers.setLevel(level)
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
