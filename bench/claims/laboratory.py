"""Where claims are measured: what several of them share is measured once."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.claims.denoising.experiment import experiment
from bench.claims.denoising.settings import Settings
from bench.measure.training import Recipe, Training
from bench.records import Request
from bench.run import session
from bench.run.progress import Unwatched
from bench.workloads import Options, build
from strategies import find

if TYPE_CHECKING:
    from bench.records import Denoising, Run
    from bench.run.progress import Progress

TOPOLOGIES = {"front": "policy", "middle": "middle", "back": "adapter"}
"""A workload for each place of the frozen part, by the names that partitions use."""

TIMED = tuple(TOPOLOGIES.values())
"""Workloads whose steps are timed."""

TIMED_STRATEGIES = ("full", "requires_grad", "optimizer_subset", "lr_zero")

BUDGET = 85.0
"""Seconds that the timed run may take, its survey included."""


class Laboratory:
    """Measures what claims ask for.

    Args:
        settings: of the experiment on noisy digits; its seeds are the command's.
        progress: is told what happens.
        budget: seconds of the timed run.
        timed: workloads of the timed run.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        progress: Progress | None = None,
        budget: float = BUDGET,
        timed: tuple[str, ...] = TIMED,
    ) -> None:
        self.settings = settings or Settings()
        self.progress = progress or Unwatched()
        self._budget = budget
        self._timed = timed

    @cached_property
    def run(self) -> Run:
        """A run as `freezebench run` makes it: cells in turns, several lives.

        Raises:
            RefusedError: it cannot be run here.
        """
        request = Request(
            workloads=self._timed,
            strategies=TIMED_STRATEGIES,
            device="cpu",
            dtype="float32",
            batch=None,
            threads=None,
            optimizer="adam",
            seed=0,
            steps=5,
            precision=0.03,
            budget=self._budget,
            cell_timeout=120.0,
            freeze=(),
            weights=None,
            compile=False,
            channels_last=False,
        )
        with tempfile.TemporaryDirectory(prefix="freezebench-") as scratch:
            folder, carry_out = session.begin(request, Path(scratch), self.progress)
            try:
                return carry_out()
            finally:
                folder.unlock()

    @cached_property
    def denoising(self) -> Denoising:
        """The experiment on noisy digits."""
        return experiment(self.settings, self.progress)


def training(workload: str, strategy: str, batch: int = 16, optimizer: str = "adam") -> Training:
    """A workload on the CPU under a strategy, ready to step; equal arguments, equal bits."""
    made = build(workload, Options(batch=batch))
    return Training(made, find(strategy), Recipe("cpu", optimizer=optimizer))
