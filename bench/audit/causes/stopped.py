"""A step that raised, by its message and by what makes it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.audit.causes.cuts import Sites, without
from bench.audit.causes.severed import has_no_graph
from bench.audit.causes.words import finding
from bench.audit.raised import told

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import nn

    from bench.audit.causes.laboratory import Laboratory
    from bench.audit.observation import Observation
    from bench.audit.subject import Subject
    from bench.records import Finding


def stopped_findings(lab: Laboratory, seen: Observation, explained: bool) -> list[Finding]:
    """The finding of the exception that ended the steps.

    Args:
        lab: where the training can be begun again.
        seen: the run.
        explained: whether a severed part was found, which is why backward complained.
    """
    error = seen.raised
    if error is None:
        return []
    step = seen.steps + 1
    what = f"step {step} raised {told(error)}"
    said = str(error)
    if "nference tensor" in said:
        return [_inference_tensor(lab, step, what)]
    if "No inf checks were recorded" in said:
        return [
            finding(
                "scaler-no-grads",
                [],
                what,
                "the loss scaler looks for infinities in the gradients of the optimizer's "
                "parameters, and none of them has one",
                "scaler.step(optimizer)  # only for optimizers whose parameters got a gradient",
                since_step=step,
            )
        ]
    if has_no_graph(error) and explained:
        return []
    return [
        finding(
            "step-raised",
            [],
            what,
            "the audit runs your own step, and ends where it does",
            "# run the step by itself; the message says where",
            since_step=step,
        )
    ]


def _inference_tensor(lab: Laboratory, step: int, what: str) -> Finding:
    sites = Sites(["inference_mode"])

    def removed(subject: Subject, model: nn.Module) -> AbstractContextManager[Any]:
        return without(sites, subject)

    lab.told("again without inference_mode")
    again = lab.run(step, removed, eager=True)
    goes_on = again.raised is None or "nference tensor" not in str(again.raised)
    line = next(iter(sites.found["inference_mode"]), "")
    return finding(
        "inference-tensor",
        [],
        what,
        "what is made in inference_mode can't be kept for a backward pass"
        + (f"; it is entered at {line}" if line else ""),
        "features = features.clone()  # outside of inference_mode; or use torch.no_grad()",
        decided_by="with inference_mode made ineffective the step does not raise it"
        if goes_on and line
        else "",
        since_step=step,
    )
