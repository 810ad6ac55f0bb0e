"""What the differences of one cell, read together, usually mean.

A counter seldom changes alone: a frozen layer that is back in the graph brings FLOPs, nodes and
saved activations with it. Each reader below looks at one such family and says one thing about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.gate.counters.differences import Difference

    By = dict[str, Difference]
    Reader = Callable[[By], Iterator[str]]

SOUND = ("ok", "reference")
COSTS = (
    "forward_flops",
    "backward_flops",
    "operators.forward",
    "operators.backward",
    "operators.update",
    "autograd_nodes",
    "saved_bytes",
    "gradient_bytes.frozen",
    "optimizer_bytes.frozen",
    "strategy_bytes",
    "predicted_peak_bytes",
    "peak_bytes",
)
"""Counters of which less is better. Of the others (the model's bytes, what is frozen, the
trainable part's gradients) neither more nor less is."""

FLAWS = ("moved", "midway_moved", "without_gradient", "midway_without_gradient")


class Reading(Record, frozen=True, omit_defaults=False):
    """Sentences on the differences of a cell, and whether nothing about them is worse."""

    sentences: list[str]
    improvement: bool


def read(differences: Sequence[Difference], why: str = "", midway_why: str = "") -> Reading:
    """What the differences of one cell mean.

    Args:
        differences: as `bench.gate.counters.differences` found them.
        why: the reason of the verdict as it is now, with its figures.
        midway_why: the same for the freeze in mid-training.
    """
    by = {difference.counter: difference for difference in differences}
    sentences = [*_verdict(by, why, midway_why), *_whole(by)]
    if "counted_on" not in by:  # counts of two places need not agree
        for reader in (_model, _gradients, _optimizer, _graph, _paths, _strategy, _peak):
            sentences += reader(by)
    if by and not sentences:
        sentences.append("a figure is there that was absent, or absent that was there")
    return Reading(sentences, improvement=bool(by) and all(map(_better, differences)))


def _better(difference: Difference) -> bool:
    if difference.counter in ("verdict", "midway_verdict"):
        return difference.now in SOUND
    if difference.counter in FLAWS:
        return not difference.added
    change = difference.change
    return difference.counter in COSTS and change is not None and change < 0


def _verdict(by: By, why: str, midway_why: str) -> Iterator[str]:
    for prefix, when, reason in (
        ("", "", why),
        ("midway_", "for a freeze in the middle of training, ", midway_why),
    ):
        verdict = by.get(f"{prefix}verdict")
        if verdict is not None and verdict.now in SOUND:
            yield f"{when}the verdict was {verdict.was} and is {verdict.now} now"
        elif verdict is not None:
            told = f": {reason}" if reason else ""
            yield f"{when}the verdict became {verdict.now}, and was {verdict.was}{told}"
        else:
            moved, without = by.get(f"{prefix}moved"), by.get(f"{prefix}without_gradient")
            yield from _names(moved, f"{when}more of the frozen part moves", "stays in place again")
            yield from _names(without, f"{when}more is left without a gradient", "has one again")


def _names(difference: Difference | None, more: str, fewer: str) -> Iterator[str]:
    if difference is None:
        return
    if difference.added:
        yield f"{more}: {_listed(difference.added)}"
    if difference.removed:
        yield f"{_listed(difference.removed)} {fewer}"


def _whole(by: By) -> Iterator[str]:
    """What changed about the request's surroundings rather than about a counter."""
    if (batch := by.get("batch")) is not None:
        yield (
            f"the workload's own batch has {batch.now} samples, and had {batch.was}: the counts "
            "follow from it"
        )
    if (topology := by.get("topology")) is not None:
        yield (
            f"the frozen part sits elsewhere: its topology is {topology.now}, and was "
            f"{topology.was}"
        )
    if (where := by.get("counted_on")) is not None:
        places = {"meta": "on the meta device", "cpu": "on the CPU", None: "not at all"}
        yield (
            f"the step is counted {places[_text(where.now)]}, and was counted "
            f"{places[_text(where.was)]}"
        )


def _model(by: By) -> Iterator[str]:
    parameters = any(name.startswith("parameter_bytes") for name in by)
    flops = "forward_flops" in by and "batch" not in by
    if _sum(by, "parameter_bytes"):
        yield (
            "the model itself has changed: it has other parameters"
            + (", and its forward pass computes something else" if flops else "")
            + "; look at that first, the rest follows from it"
        )
    elif flops:
        yield (
            "the model itself has changed: its forward pass computes something else (or the "
            "strategy runs a part of it twice, or leaves it out); look at that first"
        )
    if parameters and not _sum(by, "parameter_bytes"):
        yield (
            "parameters went from one part to the other: look at what is frozen, and at how the "
            "strategy keeps it"
        )
    elif not parameters and (frozen := by.get("frozen_tensors")) and frozen.change is not None:
        yield "another number of frozen tensors is compared: look at what is frozen"
    if not parameters and any(name.startswith("buffer_bytes") for name in by):
        yield "the model has other buffers, or other ones of them are frozen"


def _gradients(by: By) -> Iterator[str]:
    frozen = by.get("gradient_bytes.frozen")
    if frozen is not None and (change := frozen.change) is not None:
        if frozen.was == 0:
            yield (
                "a gradient is stored for the frozen part again (a frozen parameter has "
                "requires_grad=True, or its .grad is no longer cleared)"
            )
        elif frozen.now == 0:
            yield "no gradient is stored for the frozen part any more"
        else:
            more = "more" if change > 0 else "fewer"
            yield f"{more} gradients are stored for the frozen part"
    if "gradient_bytes.trainable" in by and not _model_changed(by):
        yield "another share of the trainable part is given a gradient"


def _optimizer(by: By) -> Iterator[str]:
    frozen = by.get("optimizer_bytes.frozen")
    if frozen is not None and (change := frozen.change) is not None:
        if frozen.was == 0:
            yield "the optimizer holds frozen parameters again"
        elif frozen.now == 0:
            yield "the optimizer holds no frozen parameter any more"
        else:
            yield f"the optimizer holds {'more' if change > 0 else 'less'} for the frozen part"
    if "optimizer_bytes.trainable" in by and not _model_changed(by):
        yield (
            "the optimizer keeps another state for the trainable part: other parameters in its "
            "groups, or other options"
        )


def _graph(by: By) -> Iterator[str]:
    """The backward graph: FLOPs, nodes and what it saves."""
    if _model_changed(by):
        return
    flops, nodes, saved = (
        _sign(by, name) for name in ("backward_flops", "autograd_nodes", "saved_bytes")
    )
    if nodes > 0 and flops == 0 and _sign(by, "operators.forward") > 0:
        yield (
            "the graph has more nodes for the same FLOPs: an operator, a copy or a cast was added "
            "where gradients pass, or a frozen layer without FLOPs is back in it"
        )
    elif flops > 0 or (nodes > 0 and flops == 0):
        yield "a frozen layer is back in the graph"
        if saved < 0:
            yield "yet the graph keeps less for the backward pass"
    elif flops < 0 or (nodes < 0 and flops == 0):
        yield "less is in the graph: the backward pass stops sooner"
        if saved > 0:
            yield "yet the graph keeps more for the backward pass"
    elif saved > 0:
        yield "the graph keeps an activation for the backward pass that it did not keep"
    elif saved < 0:
        yield "the graph keeps less for the backward pass"


def _paths(by: By) -> Iterator[str]:
    """Operators without FLOPs of their own."""
    if _model_changed(by):
        return
    graph = {"backward_flops", "autograd_nodes"} & by.keys()
    if "operators.forward" in by and not graph:
        yield (
            "the forward pass takes other operators for the same FLOPs: a copy, a cast or a "
            "wrapper came or went"
        )
    if "operators.backward" in by and not graph:
        yield "the backward pass takes other operators through the same graph"
    optimizer = {"optimizer_bytes.frozen", "optimizer_bytes.trainable"} & by.keys()
    gradients = {"gradient_bytes.frozen", "gradient_bytes.trainable"} & by.keys()
    if "operators.update" in by and not optimizer and not gradients:
        yield (
            "the update takes another path: another form of the optimizer, other parameter "
            "groups, or a strategy that does more or less around its step"
        )


def _strategy(by: By) -> Iterator[str]:
    change = _sign(by, "strategy_bytes")
    if change:
        yield f"the strategy itself keeps {'more' if change > 0 else 'less'} between steps"


def _peak(by: By) -> Iterator[str]:
    """The peak follows from the rest, unless nothing else that takes memory has changed."""
    peak = _sign(by, "predicted_peak_bytes") or _sign(by, "peak_bytes")
    if peak and not any("_bytes" in name and "peak" not in name for name in by):
        where = "a temporary lives longer" if peak > 0 else "a temporary lives shorter"
        yield f"{where}, or is {'larger' if peak > 0 else 'smaller'}: only the peak has changed"


def _model_changed(by: By) -> bool:
    return bool({"forward_flops", "batch"} & by.keys()) or bool(_sum(by, "parameter_bytes"))


def _sum(by: By, name: str) -> int:
    """The change of both parts together; what went from one to the other adds up to nothing."""
    parts = (by.get(f"{name}.frozen"), by.get(f"{name}.trainable"))
    return sum(part.change or 0 for part in parts if part is not None)


def _sign(by: By, name: str) -> int:
    change = by[name].change if name in by else None
    return 0 if change is None else (change > 0) - (change < 0)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _listed(names: list[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")
