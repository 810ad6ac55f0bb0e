"""Gradients at an update that a frozen parameter should not have."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import torch

from bench.audit.causes.experiment import (
    Experiment,
    Setting,
    before_each_update,
    groups_changed,
    names_of,
    no_gradients_at_updates,
)
from bench.audit.causes.words import parameters_code
from bench.audit.updates import around_updates, groups_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.audit.causes.evidence import Evidence
    from bench.audit.intent import Intent


class StaleGradient(Experiment):
    """A gradient that no backward pass of this step brought."""

    doing = "with the left-over gradients dropped at the beginning"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "stale-gradient"

    def applies(self, one: Evidence) -> bool:
        """It has a gradient at the update that backward did not bring."""
        there = one.gradient in ("finite", "non-finite")
        return one.is_parameter and there and not one.renewed and not one.lr_at_zero

    @contextmanager
    def removed(self, setting: Setting) -> Iterator[None]:
        """Drop gradients at the beginning, and at updates where the flag is off."""

        def drop(_: Any) -> None:
            for tensor in setting.parameters():
                if not tensor.requires_grad:
                    tensor.grad = None

        for tensor in setting.parameters():
            tensor.grad = None
        with before_each_update(setting, drop):
            yield

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        return (
            "the optimizer looks at .grad and not at requires_grad, so a gradient from before the "
            "freeze is applied at every update"
        )

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        names = parameters_code(names_of(suspects), meant.partition)
        return f"for p in {names}: p.grad = None  # once, when you freeze"


class ZeroedNotNone(Experiment):
    """A gradient of zeros, where there should be none."""

    doing = "with the gradient None instead of zeros before each update"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "zeroed-not-none"

    def applies(self, one: Evidence) -> bool:
        """Its gradient is all zeros."""
        return one.is_parameter and one.gradient == "zero" and not one.lr_at_zero

    def removed(self, setting: Setting) -> AbstractContextManager[Any]:
        """No gradient at updates."""
        return no_gradients_at_updates(setting)

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        return (
            "a gradient of zeros is a gradient: the optimizer still applies momentum, second "
            "moments and weight decay; only with None it passes the parameter over"
        )

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        names = parameters_code(names_of(suspects), meant.partition)
        if all(not one.renewed for one in suspects):
            return "optimizer.zero_grad(set_to_none=True)"
        return f"for p in {names}: p.grad = None  # before optimizer.step()"


class DecayOnMasked(ZeroedNotNone):
    """Weight decay, which is added after the gradient was masked."""

    doing = "with weight decay 0 in its group"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "decay-on-masked"

    def applies(self, one: Evidence) -> bool:
        """Backward brought a gradient that something masked, and its group decays."""
        return super().applies(one) and one.renewed and one.decay > 0

    def removed(self, setting: Setting) -> AbstractContextManager[Any]:
        """No decay in the groups of the suspects."""
        return groups_changed(setting, lambda key: "decay" in key, 0.0)

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        return "the gradient is masked to zeros, and weight decay is applied after the mask"


class MomentumCoasts(ZeroedNotNone):
    """The optimizer's history, which outlives the mask."""

    doing = "with the optimizer's history of it dropped before each update"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "momentum-coasts"

    def applies(self, one: Evidence) -> bool:
        """Backward brought a gradient that something masked."""
        return super().applies(one) and one.renewed

    @contextmanager
    def removed(self, setting: Setting) -> Iterator[None]:
        """Drop the state of the suspects before each update."""

        def drop(optimizer: Any) -> None:
            state = getattr(optimizer, "state", None)
            for tensor in setting.parameters():
                if isinstance(state, dict):
                    state.pop(tensor, None)

        with before_each_update(setting, drop):
            yield

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        return "the gradient is masked to zeros, and momentum from earlier steps still moves it"


class ZeroTimesInf(Experiment):
    """Zero times infinity."""

    doing = "with its infinite or NaN gradients replaced by zeros"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "zero-times-inf"

    def applies(self, one: Evidence) -> bool:
        """A gradient that is not finite is multiplied by a rate or by a mask of 0."""
        blown = one.gradient == "non-finite"
        return one.is_parameter and blown and (one.lr_at_zero or one.masked)

    @contextmanager
    def removed(self, setting: Setting) -> Iterator[None]:
        """Make the suspects' gradients finite before each update."""

        def mend(_: Any) -> None:
            for tensor in setting.parameters():
                if tensor.grad is not None:
                    tensor.grad = torch.nan_to_num(tensor.grad, nan=0.0, posinf=0.0, neginf=0.0)

        with before_each_update(setting, mend):
            yield

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        by = "a learning rate" if suspects[0].lr_at_zero else "a mask"
        return f"an infinite gradient times {by} of 0 is NaN, and NaN is written to the weights"

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        names = parameters_code(names_of(suspects), meant.partition)
        return f"for p in {names}: p.requires_grad_(False); p.grad = None  # instead"


class ThirdPartyDecay(Experiment):
    """An optimizer that moves what has no gradient."""

    doing = "with it hidden from the optimizer during each update"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "third-party-decay"

    def applies(self, one: Evidence) -> bool:
        """It moved within an update, without a gradient."""
        return one.is_parameter and one.listed and one.phase == "update" and one.gradient == "none"

    @contextmanager
    def removed(self, setting: Setting) -> Iterator[None]:
        """Take the suspects out of the groups before each update, and put them back after it."""
        held: list[tuple[dict[str, Any], list[Any]]] = []

        def hide(optimizer: Any) -> None:
            ids = {id(tensor) for tensor in setting.parameters()}
            for group in groups_of(optimizer):
                if any(id(p) in ids for p in group["params"]):
                    held.append((group, group["params"]))
                    group["params"] = [p for p in group["params"] if id(p) not in ids]

        def show(_: Any) -> None:
            for group, parameters in held:
                group["params"] = parameters
            held.clear()

        with around_updates(setting.subject.optimizers, hide, show):
            try:
                yield
            finally:
                show(None)

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        name = suspects[0].optimizer or "the optimizer"
        return f"{name} also moves parameters that have no gradient (weight decay, or its history)"

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        return "optimizer = …([p for p in model.parameters() if p.requires_grad], …)  # only these"


class UpdateLeftOut(ThirdPartyDecay):
    """An optimizer that keeps a list of its own of what it moves."""

    doing = "with the optimizer's update left out"

    def applies(self, one: Evidence) -> bool:
        """It moved within an update without a gradient; torch's own optimizers don't do that."""
        within = one.phase == "update" and one.gradient == "none"
        return one.is_parameter and within and not one.of_torch

    @contextmanager
    def removed(self, setting: Setting) -> Iterator[None]:
        """No optimizer of that type updates anything."""
        names = {one.optimizer for one in setting.suspects}
        chosen = [o for o in setting.subject.optimizers if type(o).__name__ in names]
        own = [vars(optimizer).get("step") for optimizer in chosen]
        for optimizer in chosen:
            optimizer.step = _no_update
        try:
            yield
        finally:
            for optimizer, step in zip(chosen, own, strict=True):
                del optimizer.step
                if step is not None:
                    optimizer.step = step


def _no_update(*_: Any, **__: Any) -> None:
    return None
