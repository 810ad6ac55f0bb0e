"""The forum's last question, answered from the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.claims.claim import Claim, Judged, listed
from bench.claims.denoising.arms import ALONE, ARMS, AT_ONCE, EVERYTHING, ArmPlan
from bench.claims.denoising.findings import accuracies, differences, mean
from bench.claims.denoising.networks import LAYERS
from bench.records import Denoising, Figure, Interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.claims.denoising.findings import Difference
    from bench.claims.laboratory import Laboratory

_DEEP = LAYERS[-1]
_CLEAN = 0.97  # what the classifier must read of clean held-out digits to be asked at all
_USABLE = 0.9  # of the digits: what a reader would call still working


_TOGETHER = (
    " (Its interval alone leaves out 0; judged together with all levels by Holm's method, it is "
    "not beyond doubt.)"
)
_NO_LOSS = " (Whether it is a loss is not asked.)"


class LearnsFromNoise(Claim[Denoising]):
    """A new layer at the input, noisy images, a frozen classifier."""

    number = 7
    source = "forum"
    said = (
        "A new layer at the input of a trained network, itself trained on noisy images, does not "
        "learn at all; raising the noise step by step, pretraining a denoiser or more layers may "
        "help."
    )
    short = "a new first layer does not learn from noisy images"
    question = (
        "My new first layer learned quickly on the same images and not at all on noisy ones. What "
        "helps?"
    )
    rule = (
        "Learning at a noise level: the layer, trained at once, reads more noisy held-out digits "
        "than the frozen classifier alone (paired by seed, one-sided t-tests, Holm's method over "
        "the levels at 5%). False if it learns somewhere and its mean gain is above 0 everywhere; "
        "holds only at the levels without a gain, if it learns elsewhere; holds if its mean gain "
        "is nowhere above 0; otherwise can't tell, as when the classifier reads less than 97% of "
        "clean digits."
    )
    how = (
        "scikit-learn's digits as 28×28 images: a classifier trained on clean ones and frozen, "
        "adapters of one and three convolutions at its input, trained on Gaussian noise in "
        "deviations of the images, all with the same number of steps and images; held-out digits "
        "under noise that no training has seen."
    )

    def measure(self, laboratory: Laboratory) -> Denoising:
        """The experiment."""
        return laboratory.denoising

    def headline(self, outcome: Denoising) -> str:
        """The gain at every noise."""
        learned = differences(outcome, AT_ONCE, ALONE, only_gains=True)
        told = [f"{100 * one.points.value:+.1f} at {one.noise:g}" for one in learned]
        return f"points gained at noise: {', '.join(told)}"

    def judge(self, outcome: Denoising) -> Judged:
        """By the one layer that is trained at once; what helps stands in the answer."""
        learned = differences(outcome, AT_ONCE, ALONE, only_gains=True)
        said = [*_learns(learned), *_remedies(outcome), _possible(outcome), _strategies(outcome)]
        figures = list(_figures(outcome, learned))
        without = [one.noise for one in learned if one.points.value <= 0]
        if mean(outcome.clean).value < _CLEAN:
            return Judged("can't tell", said, figures)
        if any(one.better for one in learned):
            if not without:
                return Judged("false", said, figures)
            levels = " or ".join(f"{noise:g}" for noise in without)
            condition = f"the noise is {levels} deviations of the images"
            return Judged("holds only when", said, figures, condition)
        return Judged("holds" if len(without) == len(learned) else "can't tell", said, figures)


def _learns(learned: list[Difference]) -> list[str]:
    """A sentence for each of the three classes that the rule knows."""
    better = [one for one in learned if one.better]
    doubtful = [one for one in learned if not one.better and one.points.value > 0]
    without = [one for one in learned if one.points.value <= 0]
    classes = (
        (better, "gains beyond doubt, so it learns", ""),
        (doubtful, "gains on the mean, but not beyond doubt, so it may learn", _TOGETHER),
        (without, "has no gain on the mean, so the claim holds there", _NO_LOSS),
    )
    return [
        f"One new layer, trained at once, {told}: {_by_level(each)}."
        + (reason if any(map(_apart, each)) else "")
        for each, told, reason in classes
        if each
    ]


def _by_level(each: Iterable[Difference]) -> str:
    return listed([f"{_points(one.points)} at noise {one.noise:g}" for one in each])


def _apart(one: Difference) -> bool:
    """An interval of one level that leaves out 0."""
    low, high = one.points.low, one.points.high
    return low is not None and high is not None and (low > 0 or high < 0)


def _remedies(found: Denoising) -> list[str]:
    """What each advice adds to the same adapter trained at once."""
    usual, deep = ArmPlan("usual start", 1), ArmPlan("at once", _DEEP)
    said = [_compared(f"More layers ({_DEEP} for 1, at once)", differences(found, deep, AT_ONCE))]
    for way, told in (("curriculum", "A noise curriculum"), ("denoiser", "Denoiser pretraining")):
        for layers in LAYERS:
            mine, other = ArmPlan(way, layers), ArmPlan("at once", layers)  # type: ignore[arg-type]
            of = f"{layers} layer{'s' * (layers > 1)}"
            said.append(_compared(f"{told} ({of})", differences(found, mine, other)))
    said.append(
        _compared(
            "Torch's usual random start instead of the identity (1 layer)",
            differences(found, usual, AT_ONCE),
        )
    )
    return said


def _compared(what: str, by_level: list[Difference]) -> str:
    better = [one for one in by_level if one.better]
    worse = [one for one in by_level if one.worse]
    rest = [one for one in by_level if not one.decided]
    found = (("better", better), ("worse", worse))
    parts = [f"{word} by {_by_level(each)}" for word, each in found if each]
    reason = ""
    if rest:
        most = max(rest, key=lambda one: abs(one.points.value))
        where = f"at the other {len(rest)} levels" if len(rest) > 1 else "at the other level"
        parts.append(
            f"no difference beyond doubt {where if parts else 'at any level'}, of which the "
            f"largest is {_points(most.points)} at noise {most.noise:g}"
        )
        reason = _TOGETHER * _apart(most)
    return f"{what}: {'; '.join(parts)}.{reason}"


def _possible(found: Denoising) -> str:
    """How far the best of the frozen arms gets, and where nothing is good enough."""
    everything = accuracies(found, EVERYTHING)
    best: dict[float, tuple[str, float]] = {}
    for arm in ARMS:
        if arm.way in ("alone", "everything"):
            continue
        for noise, values in accuracies(found, arm).items():
            value = mean(values).value
            if noise > 0 and value > best.get(noise, ("", -1.0))[1]:
                best[noise] = (arm.name, value)
    told = [f"{value:.0%} at noise {noise:g} ({name})" for noise, (name, value) in best.items()]
    said = f"The best adapter reads {listed(told)}."
    lost = [noise for noise, (_, value) in best.items() if value < _USABLE]
    if lost:
        whole = [f"{mean(everything[n]).value:.0%} at {n:g}" for n in lost if n in everything]
        said += (
            f" From noise {min(lost):g} on nothing brings a frozen classifier to {_USABLE:.0%}"
            + (
                f"; training the whole classifier on the noise reaches {listed(whole)}."
                * bool(whole)
            )
        )
    return said


def _strategies(found: Denoising) -> str:
    trains, severed, failed = [], [], []
    for one in found.strategies:
        gain = mean([b - a for a, b in zip(one.before, one.after, strict=True)])
        if one.verdict == "failed":
            failed.append(one.strategy)
        elif one.verdict == "severed":
            severed.append(one.strategy)
        else:
            trains.append((one.strategy, gain))
    frozen = [(name, gain) for name, gain in trains if name != "full"]
    said = (
        f"Of the strategies at noise {found.strategy_noise:g}, "
        f"{listed([name for name, _ in frozen]) or 'none'} train the adapter"
    )
    if frozen:
        gains = [gain.value for _, gain in frozen]
        low, high = (f"{100 * value:.1f}" for value in (min(gains), max(gains)))
        said += f" (accuracy +{low} points" + (f" to +{high})" if low != high else " each)")
    if severed:
        said += f"; cut off by {listed(severed)}"
    if failed:
        said += f"; no step could be taken with {listed(failed)}"
    said += "."
    if frozen and found.strategy_steps:
        said += (
            f" These gains are not the one above: {found.strategy_steps} steps over "
            f"{found.strategy_batches} batches that repeat, there {found.steps} over new ones."
        )
    return said


def _figures(found: Denoising, learned: Iterable[Difference]) -> Iterable[Figure]:
    for one in learned:
        yield Figure(
            f"one layer at once less classifier alone, noise {one.noise:g}",
            one.points.value, "points", one.points.low, one.points.high,
        )  # fmt: skip
    clean = mean(found.clean)
    yield Figure("clean digits, classifier", clean.value, "%", clean.low, clean.high)
    for arm in ARMS:
        for noise, values in accuracies(found, arm).items():
            level = mean(values)
            yield Figure(f"{arm.name}, noise {noise:g}", level.value, "%", level.low, level.high)


def _points(interval: Interval) -> str:
    """A difference in points: always with its sign, as a gain can be a loss."""
    text = f"{100 * interval.value:+.1f}"
    if interval.low is not None and interval.high is not None:
        text += f" [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    return f"{text} points"
