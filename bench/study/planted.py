"""Faults as people really make them, planted into a checkout of this project."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bench.gate.time.checkout import checked_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "strategies/requires_grad.py"

PATCHES = {
    # A frozen layer back in the graph: its gradients are computed, and nobody uses them.
    "layer": (
        "in partition.frozen_tensors(model):",
        "in partition.frozen_tensors(model)[:-2]:",
    ),
    # A stray synchronisation: the norm of every gradient, read back in each step for a log.
    "log": (
        "    def param_groups(",
        "    def before_update(self, step: Any) -> None:\n"
        "        self.norms = [\n"
        "            parameter.grad.norm().item()\n"
        "            for parameter in step.model.parameters()\n"
        "            if parameter.grad is not None\n"
        "        ]\n\n"
        "    def param_groups(",
    ),
}


class NoSuchLineError(ValueError):
    """The code has changed, so the fault has no place in it; the message says which."""


@contextlib.contextmanager
def planted(fault: str, here: Path) -> Iterator[Path]:
    """A checkout of the current commit with a fault in it, as long as the context lasts.

    Raises:
        CheckoutError: there is no repository.
        NoSuchLineError: the file no longer has the line that the fault changes.
    """
    before, after = PATCHES[fault]
    with checked_out("head", "HEAD", here) as checkout:
        file = checkout.root / FILE
        text = file.read_text()
        if text.count(before) != 1:
            raise NoSuchLineError(f"{FILE} has no single line {before!r} to plant {fault} in")
        file.write_text(text.replace(before, after))
        yield checkout.root
