"""What freezing saves: bytes and FLOPs exactly, time with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bench.claims.claim import Claim, Judged, figure, interval_figure, listed
from bench.claims.cost_of_run import versus
from bench.claims.counted import counted
from bench.report.units import percent, times

if TYPE_CHECKING:
    from bench.claims.cost_of_run import Versus
    from bench.claims.counted import Counted
    from bench.claims.laboratory import Laboratory
    from bench.records import Cost, Figure, Interval

_TIMED = (
    "A run as `freezebench run` makes it: strategies in turns, several lives, intervals of 95% "
    "over the lives; FLOPs, nodes and bytes of the same cells, exact."
)


_NOTHING = Judged("can't tell", ["No workload could be measured under both strategies."])


def faster(ratio: Interval | None) -> Literal["yes", "no", "unclear"]:
    """Whether an interval of a time ratio lies below 1, above it, or on both sides."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return "unclear"
    if ratio.high < 1:
        return "yes"
    return "no" if ratio.low > 1 else "unclear"


class WorthTheFlag(Claim["list[Versus]"]):
    """What the flag saves beside an optimizer that holds only the rest."""

    number = 5
    source = "forum"
    said = (
        "Even if the optimizer holds only the new layer, it is still a good idea to set "
        "requires_grad = False, so that gradients are not accumulated for nothing."
    )
    short = "the flag pays even outside the optimizer"
    question = "My optimizer holds only the new layer. Should I still set `requires_grad = False`?"
    rule = (
        "holds if in every workload frozen gradients take fewer bytes and backward fewer FLOPs "
        "with the flag off; holds only for those where it is so; false if for none."
    )
    how = f"requires_grad beside optimizer_subset on each workload. {_TIMED}"

    def measure(self, laboratory: Laboratory) -> list[Versus]:
        """With the flag off beside the optimizer alone."""
        return versus(laboratory.run, "requires_grad", "optimizer_subset")

    def headline(self, outcome: list[Versus]) -> str:
        """The gradients kept without the flag and with it."""
        return "; ".join(
            f"{pair.workload}: {pair.other.frozen_gradient_bytes or 0:,} → "
            f"{pair.mine.frozen_gradient_bytes or 0:,} bytes of gradients"
            for pair in outcome[:1]
        )

    def judge(self, outcome: list[Versus]) -> Judged:
        """By bytes and FLOPs; times are told."""
        if not outcome:
            return _NOTHING
        said, figures, saves = [], [], []
        for pair in outcome:
            gradients = (pair.other.frozen_gradient_bytes or 0) - (
                pair.mine.frozen_gradient_bytes or 0
            )
            flops = (pair.other.backward_flops or 0) - (pair.mine.backward_flops or 0)
            share = flops / (pair.other.backward_flops or 1)
            if gradients > 0 and flops > 0:
                saves.append(pair.workload)
            figures += [
                figure(f"{pair.workload}, gradients not kept", gradients, "bytes"),
                figure(f"{pair.workload}, backward FLOPs not spent", flops, "FLOPs"),
                *_time_figures(pair),
            ]
            said.append(
                f"Frozen {_place(pair)}, it saves {gradients:,} bytes of gradients and "
                f"{percent(share)} of the backward FLOPs{_step_takes(pair)}."
            )
        if len(saves) == len(outcome):
            return Judged("holds", said, figures)
        if saves:
            return Judged("holds only when", said, figures, f"the workload is {listed(saves)}")
        return Judged("false", said, figures)


class FeatureExtractorFrozen(Claim["Versus | None"]):
    """The article's first example."""

    number = 8
    source = "article"
    said = (
        "With the feature extractor's flags off (example 1), no gradient is computed for it and "
        "backward is faster."
    )
    short = "a frozen feature extractor makes backward faster"
    question = "The article's first example: does freezing the feature extractor pay?"
    rule = (
        "holds if the frozen part keeps no gradient and the 95% interval of the backward time, "
        "relative to training everything, lies below 1; false if it keeps gradients or the "
        "interval lies above 1; otherwise can't tell."
    )
    how = f"requires_grad beside full on `policy`, batch 64. {_TIMED}"

    def measure(self, laboratory: Laboratory) -> Versus | None:
        """The workload `policy`; `None` where it is not among the timed ones."""
        pairs = versus(laboratory.run, "requires_grad", "full")
        return next((pair for pair in pairs if pair.workload == "policy"), None)

    def judge(self, outcome: Versus | None) -> Judged:
        """By gradients and the interval of backward."""
        if outcome is None or outcome.backward is None:
            return _NOTHING
        mine, other = outcome.mine, outcome.other
        kept = mine.frozen_gradient_bytes or 0
        said = [
            f"The front end keeps {kept:,} bytes of gradients instead of "
            f"{other.frozen_gradient_bytes or 0:,}. Backward takes {times(outcome.backward)} of "
            "the time of training everything; the FLOPs "
            f"({mine.backward_flops or 0:,} instead of {other.backward_flops or 0:,}) would allow "
            f"{(mine.backward_flops or 0) / (other.backward_flops or 1):.2f}×"
            + (f". A whole step takes {times(outcome.total)}." if outcome.total else ".")
        ]
        figures = [
            *reversed(_time_figures(outcome)),
            figure("backward FLOPs, frozen", mine.backward_flops or 0, "FLOPs"),
            figure("backward FLOPs, full", other.backward_flops or 0, "FLOPs"),
            figure("gradients of the front end", kept, "bytes"),
        ]
        decided = faster(outcome.backward)
        if kept or decided == "no":
            return Judged("false", said, figures)
        return Judged("holds" if decided == "yes" else "can't tell", said, figures)


@dataclass(frozen=True)
class SpeedUp:
    """Each workload frozen and not, and larger models by their counts alone."""

    timed: list[Versus]
    counted: list[Counted] = field(default_factory=list)


class SpeedsUpTraining(Claim[SpeedUp]):
    """Where freezing makes training faster."""

    number = 11
    source = "article"
    said = "requires_grad = False avoids unnecessary computation and so speeds up training."
    short = "freezing speeds up training"
    question = "How much faster is training with a part frozen?"
    rule = (
        "holds if the 95% interval of the time of a whole step, relative to training everything, "
        "lies below 1 for every workload; holds only for those where it does; false if it lies "
        "above 1 for all; otherwise can't tell."
    )
    how = (
        f"requires_grad beside full on each workload. {_TIMED} Models of torchvision by their "
        "FLOPs and saved bytes alone, computed on torch's meta device."
    )

    def measure(self, laboratory: Laboratory) -> SpeedUp:
        """Timed workloads, counted models."""
        return SpeedUp(versus(laboratory.run, "requires_grad", "full"), counted())

    def judge(self, outcome: SpeedUp) -> Judged:
        """By whole steps."""
        if not outcome.timed:
            return _NOTHING
        answers = {pair.workload: faster(pair.total) for pair in outcome.timed}
        said, figures = [], []
        for pair in outcome.timed:
            figures += _time_figures(pair)
            said.append(_gain(pair))
        for model in outcome.counted:
            figures += [
                figure(f"{model.name}, FLOPs of a step", model.flops, "×"),
                figure(f"{model.name}, saved for backward", model.saved, "×"),
            ]
            said.append(
                f"{model.name}: the FLOPs allow {model.flops:.2f}× of a step's time, and the graph "
                f"keeps {model.saved:.2f}× of the bytes."
            )
        yes = [name for name, decided in answers.items() if decided == "yes"]
        if len(yes) == len(answers):
            return Judged("holds", said, figures)
        if yes:
            return Judged("holds only when", said, figures, f"the workload is {listed(yes)}")
        known = all(decided == "no" for decided in answers.values())
        return Judged("false" if known else "can't tell", said, figures)


class MoreEfficientGraph(Claim["list[Versus]"]):
    """The flag beside a learning rate of 0."""

    number = 14
    source = "article"
    said = "requires_grad = False often leads to a more efficient graph than a learning rate of 0."
    short = "the flag makes a leaner graph than a learning rate of 0"
    question = "What does the flag save that a learning rate of 0 does not?"
    rule = (
        "holds if in every workload the graph has fewer nodes and backward fewer FLOPs with the "
        "flag off than with learning rate 0; holds only for those where it is so; false if for "
        "none."
    )
    how = f"requires_grad beside lr_zero on each workload. {_TIMED}"

    def measure(self, laboratory: Laboratory) -> list[Versus]:
        """The flag beside a learning rate of 0."""
        return versus(laboratory.run, "requires_grad", "lr_zero")

    def headline(self, outcome: list[Versus]) -> str:
        """The nodes with a learning rate of 0 and with the flag."""
        return "; ".join(
            f"{pair.workload}: {pair.other.autograd_nodes or 0} → {pair.mine.autograd_nodes or 0}"
            " nodes"
            for pair in outcome[:1]
        )

    def judge(self, outcome: list[Versus]) -> Judged:
        """By nodes and FLOPs; bytes and times are told."""
        if not outcome:
            return _NOTHING
        said, figures, better = [], [], []
        for pair in outcome:
            mine, other = pair.mine, pair.other
            nodes, other_nodes = mine.autograd_nodes or 0, other.autograd_nodes or 0
            if nodes < other_nodes and (mine.backward_flops or 0) < (other.backward_flops or 0):
                better.append(pair.workload)
            figures += [
                figure(f"{pair.workload}, nodes, flag off", nodes, "nodes"),
                figure(f"{pair.workload}, nodes, learning rate 0", other_nodes, "nodes"),
                figure(
                    f"{pair.workload}, backward FLOPs", _share(mine, other, "backward_flops"), "×"
                ),
                figure(f"{pair.workload}, saved bytes", _share(mine, other, "saved_bytes"), "×"),
                *_time_figures(pair),
            ]
            said.append(
                f"Frozen {_place(pair)}: {nodes} nodes instead of {other_nodes}, "
                f"{_share(mine, other, 'backward_flops'):.2f}× of the backward FLOPs, "
                f"{_share(mine, other, 'saved_bytes'):.2f}× of the saved bytes{_step_takes(pair)}."
            )
        if len(better) == len(outcome):
            return Judged("holds", said, figures)
        if better:
            return Judged("holds only when", said, figures, f"the workload is {listed(better)}")
        return Judged("false", said, figures)


def _gain(pair: Versus) -> str:
    if pair.total is None:
        return f"Frozen {_place(pair)}: not timed."
    saved = _share(pair.mine, pair.other, "saved_bytes")
    words = {"yes": "faster", "no": "slower", "unclear": "not told apart from training everything"}
    kept = "all" if saved == 1 else f"{saved:.2f}×"
    return (
        f"Frozen {_place(pair)}: a step takes {times(pair.total)} of the time "
        f"({words[faster(pair.total)]}), and the graph keeps {kept} of the bytes."
    )


def _place(pair: Versus) -> str:
    words = {"front": "in front", "middle": "in the middle", "back": "behind"}
    return f"{words.get(pair.topology, pair.topology)} (`{pair.workload}`)"


def _step_takes(pair: Versus) -> str:
    return f"; a step takes {times(pair.total)} of the time" if pair.total else ""


def _share(mine: Cost, other: Cost, name: str) -> float:
    whole = getattr(other, name) or 0
    return (getattr(mine, name) or 0) / whole if whole else 1.0


def _time_figures(pair: Versus) -> list[Figure]:
    found = {"a step": pair.total, "backward": pair.backward}
    return [
        interval_figure(f"{pair.workload}, time of {name}", interval)
        for name, interval in found.items()
        if interval is not None
    ]
