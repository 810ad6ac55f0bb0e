"""What people say about freezing, answered by measurement."""

from __future__ import annotations

from typing import Literal

from bench.records.machine import Machine
from bench.records.record import Record, Verdict
from bench.records.run import Project, Run
from bench.records.timing import Interval

CLAIMS_SCHEMA = 1

ClaimVerdict = Literal["holds", "holds only when", "false", "can't tell"]
Source = Literal["forum", "article"]


class Figure(Record, frozen=True):
    """One number that an answer rests on.

    `unit` is `` for a plain number, `×` for a ratio, `%` for a share (of 1, so 0.5 is 50%),
    `bytes`, `FLOPs`, `tensors`, `nodes`, `steps` or `points` (of accuracy, of 1). Bounds are those
    of a 95% interval, where there is one. A value that is no number (NaN, infinity) is absent.
    """

    name: str
    value: float | None
    unit: str = ""
    low: float | None = None
    high: float | None = None


class Answer(Record, frozen=True, omit_defaults=False):
    """One claim and what became of it.

    Attributes:
        claim: what was said, in our words.
        question: what a reader would ask.
        verdict: by the claim's rule; `None` where the measurement broke, and `why` says how.
        condition: completes `holds only when`; empty for the other verdicts.
        answer: one or a few sentences, made from the figures.
        rule: how the verdict follows from the figures.
        how: what was measured.
        command: shows it again.
        short: the claim in a few words; the whole of it where they are empty.
        headline: what answers the question in one line; the first figure where it is empty.
    """

    number: int
    source: Source
    claim: str
    question: str
    verdict: ClaimVerdict | None
    condition: str
    answer: list[str]
    figures: list[Figure]
    rule: str
    how: str
    command: str
    seconds: float
    why: str = ""
    short: str = ""
    headline: str = ""


class Curve(Record, frozen=True, omit_defaults=False):
    """Accuracy of one arm at one noise while it was trained.

    `accuracy` has a list for each seed, parallel to `steps`.
    """

    arm: str
    noise: float
    steps: list[int]
    accuracy: list[list[float]]


class Arm(Record, frozen=True, omit_defaults=False):
    """One way of meeting the noise.

    `accuracy` on held-out digits has a list for each noise level, with one entry a seed; it is
    empty at a level at which the arm was not trained. `layers` counts trained convolutions at the
    input, 0 for none.
    """

    name: str
    layers: int
    told: str
    accuracy: list[list[float]]


class StrategyResult(Record, frozen=True, omit_defaults=False):
    """An adapter trained with one strategy: accuracy before and after, an entry a seed.

    `verdict` is that of the harness on the workload `adapter`; `why` is its reason.
    """

    strategy: str
    verdict: Verdict
    why: str
    before: list[float]
    after: list[float]


class Denoising(Record, frozen=True, omit_defaults=False):
    """The experiment on noisy digits: everything that its plots show.

    Attributes:
        noises: standard deviations of the noise, in those of the images, rising from 0.
        seeds: one entry of each list of accuracies belongs to each.
        steps: training steps of every arm; `batch` images each.
        clean: accuracy of each seed's classifier on held-out digits without noise.
        strategy_noise: at which the strategies were compared, in `strategy_steps` steps each over
            `strategy_batches` batches that repeat; 0 in records that did not keep them.
    """

    noises: list[float]
    seeds: list[int]
    steps: int
    batch: int
    held_out: int
    clean: list[float]
    arms: list[Arm]
    curves: list[Curve]
    strategy_noise: float
    strategies: list[StrategyResult]
    strategy_steps: int = 0
    strategy_batches: int = 0


class Cost(Record, frozen=True):
    """One cell of the run that the claims on cost rest on, with ratios to `full`.

    `allowed_backward` and `allowed_total` are the ratios that the counted FLOPs alone would allow.
    """

    workload: str
    topology: str
    strategy: str
    backward: Interval | None = None
    total: Interval | None = None
    allowed_backward: float | None = None
    allowed_total: float | None = None
    backward_flops: int | None = None
    autograd_nodes: int | None = None
    saved_bytes: int | None = None
    frozen_gradient_bytes: int | None = None
    frozen_optimizer_bytes: int | None = None
    peak_bytes: int | None = None


class Claims(Record, frozen=True, omit_defaults=False):
    """The answers of one invocation.

    `denoising`, and `costs` with the `run` that they are read from, are there where a claim that
    needs them was measured.
    """

    schema: int
    started: str
    seconds: float
    machine: Machine
    project: Project
    seeds: int
    answers: list[Answer]
    costs: list[Cost] = []
    denoising: Denoising | None = None
    run: Run | None = None
