"""Parameters that hold no finite numbers before anything was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audit.pasteable import said
from bench.records import Finding
from bench.rules import RULES

if TYPE_CHECKING:
    from torch import nn


def broken_before(model: nn.Module) -> list[Finding]:
    """One finding for all parameters of `model` that hold NaN or infinity as it stands.

    Buffers are passed over: a mask of attention holds infinities.
    """
    names = [
        name
        for name, parameter in model.named_parameters()
        if (parameter.is_floating_point() or parameter.is_complex())
        and not bool(parameter.detach().isfinite().all())
    ]
    if not names:
        return []
    return [
        Finding(
            rule="non-finite",
            severity=RULES["non-finite"].severity,
            where=names,
            what=f"{said(names, model)} held NaN or infinity before the first step",
            why="nothing can be trained from there, and what is frozen there passes it on",
            mend="assert all(p.isfinite().all() for p in model.parameters())"
            "  # after each line that loads or initialises the weights",
            figures={"tensors": len(names)},
        )
    ]
