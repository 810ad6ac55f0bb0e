"""What a forward pass changes or draws, whatever becomes of gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from bench.hazards.judgement import affected, immune, still
from bench.hazards.loop import Loop, nothing, train_mode
from bench.hazards.models import FEATURES, HIDDEN, with_head
from bench.hazards.scenario import Scenario

if TYPE_CHECKING:
    from bench.records import Outcome
    from strategies import Strategy

THEME = "statistics and modes"


def normalised(momentum: float = 0.1) -> nn.Module:
    """A model whose body ends in a BatchNorm."""
    norm = nn.BatchNorm1d(HIDDEN, momentum=momentum)
    return with_head(nn.Sequential(nn.Linear(FEATURES, HIDDEN), norm))


def body_to_eval(loop: Loop) -> None:
    """What stops all of these: after each `train()`, the body goes back into eval mode."""
    loop.model.train()
    loop.model.get_submodule("body").eval()


class BnStatistics(Scenario):
    """BatchNorm's running statistics move.

    BatchNorm writes its running mean and variance in the forward pass in training mode.

    It is no gradient and no update, so neither flags nor `no_grad` nor an optimizer stop it.
    """

    name = "bn-statistics"
    theme = THEME
    mend = "put the frozen modules into eval mode after each model.train()"
    sources = (
        "https://github.com/pytorch/pytorch/issues/86590",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Buffers alone are looked at: `no-op-freeze` and others are about weights."""
        loop = Loop(normalised(), strategy, kinds=("buffer",))
        loop.at_start = body_to_eval if mended else train_mode
        loop.freeze()
        return still(loop.run(5))


class TrainUndoesEval(Scenario):
    """model.train() takes the frozen part out of eval mode.

    `Module.train()` goes through all children, so a frozen part that was put into eval mode at
    the freeze is back in training mode when the next epoch begins.
    """

    name = "train-undoes-eval"
    theme = THEME
    mend = "call eval() after each train(), or override train() of the frozen module"
    sources = ("https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#train",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Eval mode at the freeze; a second epoch begins with `train()`, as loops do."""
        loop = Loop(normalised(), strategy, at_start=nothing, kinds=("buffer",))
        loop.model.train()
        loop.freeze()
        loop.model.get_submodule("body").eval()
        loop.run(2)
        body_to_eval(loop) if mended else train_mode(loop)
        return still(loop.run(3))


class BatchStatistics(Scenario):
    """No running statistics: outputs depend on the batch.

    With `track_running_stats=False` there is no statistic that could move, and in eval mode too
    the frozen part normalises by the batch: what it makes of a sample depends on its neighbours.
    """

    name = "batch-statistics"
    theme = THEME
    mend = "track running statistics, and hold the frozen part in eval mode"
    sources = ("https://github.com/pytorch/pytorch/issues/37823",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """One sample among two sets of neighbours, through the frozen part."""
        norm = nn.BatchNorm1d(HIDDEN, track_running_stats=mended)
        model = with_head(nn.Sequential(nn.Linear(FEATURES, HIDDEN), norm))
        loop = Loop(model, strategy, at_start=body_to_eval if mended else train_mode)
        loop.freeze()
        loop.run(2)
        loop.at_start(loop)
        body = loop.model.get_submodule("body")
        (first, _), (second, _) = loop.batches
        second = torch.cat([first[:1], second[1:]])
        with torch.no_grad():
            apart = float((body(first)[0] - body(second)[0]).abs().max())
        if apart < 1e-5:  # products of other batches may round otherwise
            return immune("A sample's output does not depend on its neighbours in the batch.")
        return affected(
            apart,
            "difference of an output",
            f"The same sample comes out of the frozen part up to {apart:.2g} apart, according to "
            "its neighbours in the batch.",
        )


class BnCounter(Scenario):
    """momentum=0 holds the mean, not the counter.

    With `momentum=0` the running mean and variance stay, but the forward pass in training mode
    still counts its batches in `num_batches_tracked`.
    """

    name = "bn-counter"
    theme = THEME
    mend = "put the frozen modules into eval mode after each model.train()"
    sources = ("https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Like `bn-statistics`."""
        loop = Loop(normalised(0.0), strategy, kinds=("buffer",))
        loop.at_start = body_to_eval if mended else train_mode
        loop.freeze()
        return still(loop.run(5))


class SpectralNorm(Scenario):
    """Spectral norm's power iteration changes the effective weight.

    Each forward pass in training mode does a step of the power iteration, also under `no_grad`:
    its vectors `_u` and `_v` move, and with them the weight that is really used.
    """

    name = "spectral-norm"
    theme = THEME
    mend = "put the frozen modules into eval mode after each model.train()"
    sources = (
        "https://github.com/pytorch/pytorch/issues/8208",
        "https://docs.pytorch.org/docs/stable/generated/"
        "torch.nn.utils.parametrizations.spectral_norm.html",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Five steps with a normalised layer in the body."""
        # Wide enough that the iterations torch does at construction have not converged.
        wide = spectral_norm(nn.Linear(32, 32))
        body = nn.Sequential(nn.Linear(FEATURES, 32), wide, nn.Linear(32, HIDDEN))
        loop = Loop(with_head(body), strategy, at_start=body_to_eval if mended else train_mode)
        loop.freeze()
        return still(loop.run(5))


class DropoutActive(Scenario):
    """Dropout in the frozen part still draws.

    Dropout goes by the mode and not by gradients: a frozen part in training mode answers the
    same input otherwise each time.
    """

    name = "dropout-active"
    theme = THEME
    mend = "put the frozen modules into eval mode after each model.train()"
    sources = ("https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html",)
    _rate: ClassVar[float] = 0.5

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Two visits to one batch, while nothing at all is updated."""
        body = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.Dropout(self._rate))
        loop = Loop(with_head(body), strategy, update=nothing)
        loop.at_start = body_to_eval if mended else train_mode
        loop.batches = loop.batches[:1]
        loop.freeze()
        loop.run(2)
        apart = abs(loop.losses[1] - loop.losses[0])
        if apart == 0:
            return immune("Two visits to a batch have the same loss to the bit.")
        return affected(
            apart,
            "difference of the loss",
            f"Two visits to one batch, with nothing updated between, differ by {apart:.2g} in a "
            f"loss of {loop.losses[0]:.2g}.",
        )


SCENARIOS = (
    BnStatistics,
    TrainUndoesEval,
    BatchStatistics,
    BnCounter,
    SpectralNorm,
    DropoutActive,
)
