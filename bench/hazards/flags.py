"""Freezes that were never there, or are taken back: names, flags, and lists of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from bench.hazards.judgement import affected, immune, still
from bench.hazards.loop import Loop
from bench.hazards.models import FEATURES, HIDDEN, OUTPUTS, in_front, with_head
from bench.hazards.scenario import Scenario
from strategies import Partition, Strategy, find_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from bench.records import Outcome

THEME = "flags and names"


class Tied(nn.Module):
    """A frozen body whose weight the trainable head uses once more, as language models do."""

    def __init__(self, *, tied: bool) -> None:
        super().__init__()
        self.body = nn.Linear(HIDDEN, HIDDEN)
        self.head = nn.ModuleDict(
            {"decoder": nn.Linear(HIDDEN, HIDDEN), "out": nn.Linear(HIDDEN, OUTPUTS)}
        )
        self.enter = nn.Linear(FEATURES, HIDDEN).requires_grad_(False)
        if tied:
            decoder = self.head["decoder"]
            decoder.weight = self.body.weight

    def forward(self, inputs: Tensor) -> Tensor:
        """Through the body, then through the twin."""
        hidden = self.body(self.enter(inputs).tanh()).tanh()
        outputs: Tensor = self.head["out"](self.head["decoder"](hidden))
        return outputs


class TiedWeights(Scenario):
    """A tied weight moves through its other name.

    A tied weight is one parameter with two names. Who freezes the module of one name only cuts
    one of two ways to it, and the gradient comes through the other.
    """

    name = "tied-weights"
    theme = THEME
    mend = "untie before freezing, or freeze the parameter and not its module"
    sources = (
        "https://github.com/huggingface/transformers/issues/11903",
        "https://github.com/huggingface/transformers/issues/31467",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """The body is frozen, and its weight is that of a decoder in the head too."""
        loop = Loop(Tied(tied=not mended), strategy)
        loop.freeze()
        return still(loop.run(5))


class FlagReEnabled(Scenario):
    """A library call switches requires_grad on again.

    Trainers and library calls set `requires_grad` back to True for all parameters, or replace
    them by new ones that have it.
    """

    name = "flag-re-enabled"
    theme = THEME
    mend = "freeze behind the call, and keep frozen parameters out of the optimizer"
    sources = ("https://github.com/ultralytics/yolov5/issues/1213",)

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """A call as trainers make it, two steps behind the freeze, or before it."""
        loop = Loop(in_front(), strategy)
        if mended:
            loop.model.requires_grad_(True)
        loop.freeze()
        loop.run(2)
        had = bool(loop.frozen_gradients())
        if not mended:
            loop.model.requires_grad_(True)
        outcome = still(loop.run(3))
        gradients = loop.frozen_gradients()
        if outcome.kind != "immune" or had or not gradients:
            return outcome
        size = sum(gradient.nbytes for gradient in gradients)
        return affected(
            size,
            "bytes",
            f"It stands still, out of the optimizer; but gradients of the frozen part are computed "
            f"and kept again ({size} bytes), and add up.",
        )


class NoOpFreeze(Scenario):
    """The freeze names nothing.

    `module.requires_grad = False` sets a plain attribute that nothing reads, and a pattern that
    matches no name freezes nothing: no error says so, and all of it trains.
    """

    name = "no-op-freeze"
    theme = THEME
    mend = "count what is frozen; refuse a pattern that matches nothing"
    sources = (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html"
        "#torch.nn.Module.requires_grad_",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """The strategy is told an empty frozen part, as an unguarded filter on names gives it."""
        model = in_front()
        given = None if mended else Partition.of_names(model, ())
        loop = Loop(model, strategy, given=given)
        loop.freeze()
        return still(loop.run(5))


class WeightNormNames(Scenario):
    """A filter on names misses a parametrised weight.

    Parametrised layers have other names: behind `weight_norm` there is no parameter `weight` but
    `parametrizations.weight.original0` and `original1`, which a filter on names passes over.
    """

    name = "weight-norm-names"
    theme = THEME
    mend = "freeze by module, and compare the effective weight"
    sources = (
        "https://docs.pytorch.org/docs/stable/generated/"
        "torch.nn.utils.parametrizations.weight_norm.html",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Frozen is what ends in `.weight` or `.bias` in the body; or the body."""
        model = with_head(nn.Sequential(weight_norm(nn.Linear(FEATURES, HIDDEN)), nn.Tanh()))
        names = [name for name, _ in model.named_parameters() if name.startswith("body.")]
        found = [name for name in names if name.endswith((".weight", ".bias"))]
        given = None if mended else Partition.of_names(model, found)
        loop = Loop(model, strategy, given=given)
        loop.freeze()
        return still(loop.run(5))


class UnfrozenUnlisted(Scenario):
    """What is thawed later is in no optimizer.

    An optimizer made of what was trainable at the time does not learn of a later thaw: the
    thawed part gets gradients, and nothing applies them.
    """

    name = "unfrozen-unlisted"
    theme = THEME
    mend = "optimizer.add_param_group for the thawed part, or make a new optimizer"
    sources = (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.add_param_group.html",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Two steps frozen; then the freeze is undone as far as a user can; three steps."""
        loop = Loop(in_front(), strategy)
        loop.freeze()
        loop.run(2)
        _thaw(loop)
        if mended:
            loop.optimizer = loop.new_optimizer(
                Strategy().param_groups(loop.model, loop.meant, loop.lr)
            )
        before = [find_tensor(loop.model, name).detach().clone() for name in loop.meant.frozen]
        loop.run(3)
        idle = [
            name
            for name, old in zip(loop.meant.frozen, before, strict=True)
            if find_tensor(loop.model, name).equal(old)
        ]
        if not idle:
            return immune("All that was thawed is trained.")
        return affected(
            len(idle),
            "thawed and not trained",
            f"{', '.join(idle)} did not move in 3 steps behind the thaw.",
        )


def _thaw(loop: Loop) -> None:
    """Flags on, wrappers and hooks off, no more of the strategy; buffers and rates stay."""
    loop.strategy = Strategy()
    loop.model.requires_grad_(True)
    for module in loop.meant.modules_of(loop.model):
        vars(module).pop("forward", None)
    for tensor in loop.meant.frozen_tensors(loop.model):
        tensor._backward_hooks = None


SCENARIOS = (
    NoOpFreeze,
    WeightNormNames,
    TiedWeights,
    FlagReEnabled,
    UnfrozenUnlisted,
)
