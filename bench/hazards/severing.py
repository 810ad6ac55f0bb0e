"""Gradients that are cut off, lost or wrong on their way to what is meant to be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from msgspec.structs import replace
from torch import nn
from torch.utils.checkpoint import checkpoint

from bench.hazards.judgement import affected, connected, immune, still, stopped, worst
from bench.hazards.leftovers import again
from bench.hazards.loop import Loop, StoppedError, mean_square, nothing
from bench.hazards.models import HIDDEN, OUTPUTS, behind, in_front, in_the_middle, linear
from bench.hazards.scenario import Scenario
from bench.hazards.undisturbed import undisturbed
from bench.records import Outcome
from strategies import find_tensor
from strategies.requires_grad import RequiresGrad

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from strategies import Strategy

THEME = "gradients cut or wrong"


class Severed(Scenario):
    """The gradient to something trainable is cut.

    `no_grad`, `detach`, `inference_mode` and a cache end the backward pass at the frozen part.
    What is trainable upstream gets no gradient: silently if there is something trainable
    downstream as well, and with an error if there is not.
    """

    name = "severed"
    theme = THEME
    mend = "freeze the parameters (requires_grad_(False)) and leave the graph alone"
    sources = ("https://discuss.pytorch.org/t/187063",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Frozen in the middle, and behind; with nothing trainable upstream if mended."""
        models = {"in front": in_front} if mended else {"middle": in_the_middle, "back": behind}

        def of(build: Callable[[], nn.Module]) -> Outcome:
            loop = Loop(build(), again(strategy))
            try:
                loop.freeze()
                return connected(loop.run(2))
            except StoppedError as error:
                return stopped(error)

        found = {name: of(build) for name, build in models.items()}
        silent = found.get("middle")
        if silent is None or silent.kind != "severed":
            return worst(found.values())
        behind_all = f"With the frozen part behind all that trains: {found['back'].says}"
        return replace(silent, says=f"{silent.says} {behind_all}")


class Keeps(nn.Module):
    """A body that also keeps its features, for whoever reads them later."""

    kept: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = linear()

    def forward(self, inputs: Tensor) -> Tensor:
        """The features, which are kept as well."""
        self.kept = self.layer(inputs)
        return self.kept


class ReadsKept(nn.Module):
    """A head over what the body returned, or over what it kept."""

    def __init__(self, *, returned: bool) -> None:
        super().__init__()
        self.body = Keeps()
        self.head = nn.Linear(HIDDEN, OUTPUTS)
        self._returned = returned

    def forward(self, inputs: Tensor) -> Tensor:
        """The head's output."""
        features = self.body(inputs)
        outputs: Tensor = self.head(features if self._returned else self.body.kept)
        return outputs


class InferenceTensor(Scenario):
    """An inference tensor is needed for backward.

    A tensor that was made under `inference_mode` cannot be saved for a backward pass. Cloning
    what a module returns mends that, but not what it hands on by another way.
    """

    name = "inference-tensor"
    theme = THEME
    mend = "clone() the tensor outside of inference_mode, or use no_grad"
    sources = (
        "https://github.com/pytorch/pytorch/issues/161164",
        "https://docs.pytorch.org/docs/stable/notes/autograd.html#inference-mode",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """The head reads features that the frozen body keeps on itself."""
        with undisturbed():
            expected = _with_kept(RequiresGrad(), returned=mended).losses
        loop = _with_kept(strategy, returned=mended)
        apart = max(abs(mine - other) for mine, other in zip(loop.losses, expected, strict=True))
        outcomes = [still(loop), connected(loop)]
        if apart > 1e-5:
            outcomes.append(
                affected(
                    apart,
                    "difference of the loss",
                    f"The loss is up to {apart:.2g} apart from what it is with requires_grad: the "
                    "head reads what was kept in another step.",
                )
            )
        return worst(outcomes)


def _with_kept(strategy: Strategy, *, returned: bool) -> Loop:
    """Four steps on two batches in turn, so that each batch comes twice."""
    torch.manual_seed(0)
    loop = Loop(ReadsKept(returned=returned), strategy)
    loop.freeze()
    return loop.run(4)


class Checkpointed(nn.Module):
    """A frozen body, a trainable block that is recomputed in the backward pass, a head."""

    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.body = linear()
        self.block = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.Tanh())
        self.head = nn.Linear(HIDDEN, OUTPUTS)
        self._reentrant = reentrant

    def forward(self, inputs: Tensor) -> Tensor:
        """The block is a checkpoint."""
        hidden = checkpoint(self.block, self.body(inputs), use_reentrant=self._reentrant)
        outputs: Tensor = self.head(hidden)
        return outputs


class ReentrantCheckpoint(Scenario):
    """Reentrant checkpointing behind a frozen part.

    Reentrant checkpointing runs its block without a graph and takes part in the backward pass
    only if one of its inputs requires a gradient. Behind a frozen part none does.
    """

    name = "reentrant-checkpoint"
    theme = THEME
    mend = "checkpoint(..., use_reentrant=False), or enable_input_require_grads()"
    sources = (
        "https://github.com/huggingface/transformers/issues/21381",
        "https://github.com/huggingface/transformers/issues/23170",
        "https://docs.pytorch.org/docs/stable/checkpoint.html",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """The first trainable block behind the frozen part is checkpointed."""
        loop = Loop(Checkpointed(reentrant=not mended), strategy)
        loop.freeze()
        return connected(loop.run(2))


class InplaceData(Scenario):
    """A weight written through .data between the passes.

    A backward pass through a frozen layer needs its weight as it was in the forward pass.
    Writing through `.data` between the two passes is not seen by the version check of autograd, so
    the gradient upstream is wrong, without an error.
    """

    name = "inplace-data"
    theme = THEME
    mend = "write under torch.no_grad(): then autograd says that it was modified"
    sources = ("https://docs.pytorch.org/docs/stable/notes/autograd.html",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """The gradient of the stem against finite differences, in double precision.

        With the mend the write is behind the backward pass.
        """
        loop = Loop(in_the_middle().double(), strategy, update=nothing, zero=nothing)
        loop.batches = [(inputs.double(), targets.double()) for inputs, targets in loop.batches]
        expected = _slope(loop)
        names = loop.meant.frozen

        def write(_: object) -> None:
            for name in names:
                find_tensor(loop.model, name).data.mul_(2)

        if not mended:
            loop.at_half = write
        loop.freeze()
        loop.run(1)
        gradient = loop.model.get_parameter("stem.weight").grad
        if gradient is None:
            return Outcome("not applicable", "No gradient comes upstream that could be wrong.")
        error = abs(float(gradient.sum()) - expected) / abs(expected)
        if error < 1e-6:
            return immune("The gradient upstream is that of finite differences.")
        return affected(
            error,
            "relative error of a gradient",
            f"The gradient upstream is wrong by {error:.0%} of what finite differences say.",
        )


def _slope(loop: Loop, step: float = 1e-5) -> float:
    """Derivative of the loss along a shift of every element of the stem's weight."""
    weight = loop.model.get_parameter("stem.weight")
    losses = []
    with torch.no_grad():
        for shift in (step, -2 * step):
            weight.add_(shift)
            losses.append(float(mean_square(loop.model, loop.batches[0])))
        weight.add_(step)
    return (losses[0] - losses[1]) / (2 * step)


SCENARIOS = (Severed, InferenceTensor, ReentrantCheckpoint, InplaceData)
