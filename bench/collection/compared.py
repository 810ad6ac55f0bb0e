"""What a comparison of runs says, as plain data: forms of it are made from this alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.records import Interval, Record, Verdict

METRICS = ("total", "peak_bytes", "joules")
"""What a strategy can be beaten in: less is better."""


class Figures(Record, frozen=True):
    """What a comparison needs of one cell.

    `total` and `backward` are ratios to `full` of the same run, `seconds` and `backward_seconds`
    the absolute times a step. `peak_ratio` and `joules_ratio` are to `full` as well. `fingerprint`
    is the cell's: with the workload's own equal, another one is another file of the strategy.
    """

    workload: str
    strategy: str
    verdict: Verdict
    why: str = ""
    midway: Verdict | None = None
    lives: int = 0
    total: Interval | None = None
    backward: Interval | None = None
    seconds: Interval | None = None
    backward_seconds: Interval | None = None
    ideal_total: float | None = None
    ideal_backward: float | None = None
    peak_bytes: int | None = None
    peak_ratio: float | None = None
    joules: Interval | None = None
    joules_ratio: float | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class Column:
    """One side of a comparison: the latest finished run of what the axis tells apart.

    Attributes:
        label: the value on the axis, such as a GPU's name or `bfloat16`, told apart from the other
            columns where that alone would not.
        run: id of the run that stands for it: the latest of those in `Compared.stands`.
        started: when that began.
        machine: where.
        runs: how many runs there are of it; the others are older.
        synthetic: whether its figures were made up.
    """

    label: str
    run: str
    started: str
    machine: str
    runs: int = 1
    synthetic: bool = False


@dataclass(frozen=True)
class Agreement:
    """Whether two columns rank the strategies alike; only those that are `ok` in both count.

    Attributes:
        one: place of a column; `other` likewise.
        tau: Kendall's, of the ratios as they came out; absent with fewer than two strategies.
        low: the least that tau can be when every pair whose order is in doubt may go either way;
            `high` the most.
        pairs: of strategies, and how many are `in_doubt`.
        swapped: pairs whose order is beyond doubt in both columns, and differs.
    """

    one: int
    other: int
    tau: float | None
    low: float | None
    high: float | None
    pairs: int
    in_doubt: int
    swapped: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Apart:
    """A strategy whose ratio in column `one` differs from that in `other` by more than noise."""

    strategy: str
    one: int
    other: int


@dataclass(frozen=True)
class Compared:
    """One workload over the columns that have it.

    Attributes:
        settings: what all columns have in common, by name.
        columns: places in `Comparison.columns`.
        strategies: of any column, in the order of the roster or of appearance, `full` first.
        figures: by strategy and column.
        unbeaten: by column, the strategies with verdict `ok` that none other beats in every metric.
        always_unbeaten: those that are unbeaten in every column.
        apart: whose ratio differs between columns, the largest difference first.
        stands: by column, id of the run that these figures are from.
    """

    workload: str
    topology: str
    settings: dict[str, str]
    columns: list[int]
    strategies: list[str]
    figures: dict[tuple[str, int], Figures]
    agreements: list[Agreement]
    unbeaten: dict[int, list[str]]
    always_unbeaten: list[str]
    stands: dict[int, str] = field(default_factory=dict)
    apart: list[Apart] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """All workloads over all columns, and what a reader should know beside them."""

    axis: str
    columns: list[Column]
    workloads: list[Compared]
    notes: list[str] = field(default_factory=list)
