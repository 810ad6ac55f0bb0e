"""What an audit or a watch can find, by a name that stays: for reports, `--ignore` and baselines.

A rule whose mechanism is a scenario of `freezebench hazards` has that scenario's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["notice", "warning", "error"]
"""A notice costs bytes or time, a warning may change what is learnt, an error has changed it."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding.

    Attributes:
        name: stable, in kebab-case.
        severity: of its findings, unless they say otherwise.
        summary: what is the matter, in a few words that fit behind a list of tensors.
    """

    name: str
    severity: Severity
    summary: str


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        # Frozen, and moved all the same.
        Rule("bn-statistics", "error", "BatchNorm statistics of a frozen part moved"),
        Rule("bn-counter", "error", "the batch counter of a frozen BatchNorm moved"),
        Rule("train-undoes-eval", "error", "train() put a frozen part back into training mode"),
        Rule("spectral-norm", "error", "the power iteration changed a frozen weight"),
        Rule("stale-gradient", "error", "a gradient from before the freeze is applied again"),
        Rule("zeroed-not-none", "error", "a gradient of zeros let the optimizer move it"),
        Rule("decay-on-masked", "error", "weight decay moved what had a masked gradient"),
        Rule("momentum-coasts", "error", "the optimizer's history went on moving it"),
        Rule("third-party-decay", "error", "the optimizer moves parameters without a gradient"),
        Rule("lr-revived", "error", "a learning rate of 0 was overwritten"),
        Rule("zero-times-inf", "error", "learning rate 0 times an infinite gradient is NaN"),
        Rule("rprop-floor", "error", "the optimizer moves it at learning rate 0"),
        Rule("tied-weights", "error", "it is the same tensor as something trainable"),
        Rule("flag-re-enabled", "error", "requires_grad was switched on again"),
        Rule("no-op-freeze", "error", "it was never frozen: it has a gradient and is updated"),
        Rule("weight-norm-names", "error", "its parts are trained, so the effective weight moves"),
        Rule("inplace-data", "error", "code other than the optimizer wrote to it"),
        Rule("parameter-replaced", "error", "another tensor has taken its place"),
        Rule("frozen-moved", "error", "it moved, and removing no single thing stopped that"),
        Rule("ema-rounding", "warning", "its running average moved by rounding"),
        # Trainable, and not trained.
        Rule("severed", "error", "its gradient is cut off"),
        Rule("reentrant-checkpoint", "error", "reentrant checkpointing cut its gradient off"),
        Rule("flag-off", "error", "requires_grad is off outside of what is frozen"),
        Rule("unfrozen-unlisted", "error", "it has a gradient and is in no optimizer"),
        Rule("not-updated", "error", "it has a gradient and the optimizer does not move it"),
        Rule("lost-to-rounding", "error", "its updates are smaller than its precision"),
        Rule("unused", "warning", "the loss does not depend on it"),
        Rule("no-backward", "error", "no backward pass has run"),
        Rule("non-finite", "error", "it holds NaN or infinity"),
        Rule("clip-counts-frozen", "warning", "frozen gradients shrink the clipped update"),
        # The step could not be finished.
        Rule("step-raised", "error", "a step raised an exception"),
        Rule("inference-tensor", "error", "an inference tensor was needed for backward"),
        Rule("scaler-no-grads", "error", "the loss scaler's optimizer got no gradients"),
        # What frozen modules do in passing.
        Rule("dropout-active", "warning", "a frozen part answers at random"),
        Rule("batch-statistics", "warning", "a frozen part normalises by the batch"),
        Rule("flags-changed", "warning", "flags changed between steps"),
        # What is paid for and not needed.
        Rule("gradient-pile-up", "warning", "frozen gradients are added up without end"),
        Rule("wasted-gradients", "notice", "gradients are computed and kept for a frozen part"),
        Rule("state-for-frozen", "notice", "the optimizer keeps state for a frozen part"),
        Rule("wasted-backward", "notice", "backward runs through a frozen part for nothing"),
    )
}
