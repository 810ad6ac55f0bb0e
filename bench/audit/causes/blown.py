"""Values that are not finite any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audit.causes.words import finding, listed

if TYPE_CHECKING:
    from bench.audit.observation import Observation
    from bench.records import Finding


def non_finite_findings(seen: Observation, frozen_since: int | None) -> list[Finding]:
    """One finding for all trainable parameters whose gradient or value blew up.

    Args:
        seen: the run.
        frozen_since: the step since which a frozen tensor is NaN, which makes everything so.
    """
    steps = {name: t.non_finite for name, t in seen.trained.items() if t.non_finite is not None}
    if not steps:
        return []
    since = min(steps.values())
    if frozen_since is not None and frozen_since < since:
        return []
    first = [name for name, step in steps.items() if step == since]
    more = len(steps) - len(first)
    return [
        finding(
            "non-finite",
            steps,
            f"{listed(first)} is NaN or infinite in step {since}, itself or its gradient"
            + (f", and {more} more later" if more else ""),
            "one NaN in an update makes every later step NaN",
            "torch.autograd.set_detect_anomaly(True)  # names the operation; look at the input, "
            "the learning rate and the loss scale first",
            since_step=since,
            figures={"tensors": float(len(steps))},
        )
    ]
