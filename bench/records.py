"""What a run says: typed, versioned, and strict on reading.

Everything a run has measured is in one `Run`, stored as JSON. Raw samples are kept; figures that
follow from them are in `summary` and can be computed again. A figure that could not be measured is
absent, never 0. Times are seconds, sizes are bytes. Nothing here names a host, a user or a path
of the machine.

History of the schema:
    1  the first.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA = 1

CONFIDENCE = 0.95
"""Of every interval in a run."""

PHASES = ("forward", "backward", "update", "total")

Verdict = Literal["reference", "ok", "leaks", "severed", "diverges", "failed"]
Dtype = Literal["float32", "bfloat16", "float16"]
Optimizer = Literal["adam", "adamw", "sgd", "momentum", "adagrad", "rmsprop"]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all records: immutable; a field at its default (`None`, empty) is left out."""


class Request(Record, frozen=True, omit_defaults=False):
    """What was asked for. `precision` is relative, `budget` and `cell_timeout` are seconds.

    No workloads or strategies mean the default ones; `batch` and `threads` are absent where the
    choice was left open.
    """

    workloads: tuple[str, ...]
    strategies: tuple[str, ...]
    device: str
    dtype: Dtype
    batch: int | None
    threads: int | None
    optimizer: Optimizer
    seed: int
    steps: int
    precision: float
    budget: float
    cell_timeout: float
    freeze: tuple[str, ...]
    weights: str | None
    compile: bool
    channels_last: bool


class Machine(Record, frozen=True):
    """The fingerprint that says which results may be compared."""

    name: str
    cpu: str
    cores: int
    memory_bytes: int
    os: str
    python: str
    torch: str
    torchvision: str
    blas: str
    accelerator: str | None = None
    accelerator_memory_bytes: int | None = None
    cuda: str | None = None
    cudnn: str | None = None
    driver: str | None = None


class Samples(Record, frozen=True, omit_defaults=False):
    """Seconds of each phase, one entry a step; the lists are parallel."""

    forward: list[float]
    backward: list[float]
    update: list[float]
    total: list[float]


class Origin(Record, frozen=True, omit_defaults=False):
    """Where each sample comes from, parallel to the lists of `Samples`.

    `position` is the place within its turn: 0 is the first step after other cells had theirs.
    """

    life: list[int]
    round: list[int]
    position: list[int]


class Warmup(Record, frozen=True, omit_defaults=False):
    """The steps before the first round of each life: recorded, and not used in the ratios.

    `first_on_batch` marks the steps that met their batch for the first time in that life.
    """

    samples: Samples
    life: list[int]
    first_on_batch: list[bool]


class Interval(Record, frozen=True, omit_defaults=False):
    """A figure with its confidence interval; no bounds where one life alone was measured."""

    value: float
    low: float | None
    high: float | None


class Phase(Record, frozen=True):
    """One phase of a cell: seconds a step, and the ratio to `full` of the same rounds."""

    seconds: Interval
    ratio: Interval | None = None


class Summary(Record, frozen=True):
    """What follows from the samples of a cell.

    `ideal` is the time ratio to `full` that the FLOPs alone would allow, for `backward` and
    `total`. `fill_seconds` is the extra time a strategy spent once on each batch.
    `host_seconds` (accelerators only, not under a loss scale) is the time the host took to enqueue
    the first step of a turn; `launch_bound` says that it took at least 90% of the device's.
    """

    lives: int
    rounds: int
    phases: dict[str, Phase]
    ideal: dict[str, float]
    precise: bool = False
    fill_seconds: float | None = None
    host_seconds: float | None = None
    launch_bound: bool | None = None


class Split(Record, frozen=True, omit_defaults=False):
    """Bytes of the frozen and of the trainable part."""

    frozen: int
    trainable: int


class Memory(Record, frozen=True):
    """Bytes. Each number has one meaning and never stands in for another.

    Attributes:
        parameter_bytes: storages of the parameters.
        buffer_bytes: storages of the buffers (running statistics, and frozen weights that a
            strategy turned into buffers).
        gradient_bytes: `.grad` at its largest, after the backward pass.
        optimizer_bytes: the optimizer's state.
        saved_bytes: what the graph keeps for the backward pass, each storage once, without
            parameters and buffers.
        strategy_bytes: what the strategy itself keeps between steps (a cache, a snapshot).
        peak_bytes: the highest sum of live tensor storages during a step in steady state.
        resident_bytes: the sum of live tensor storages between two steps.
        predicted_peak_bytes: `peak_bytes` found on the `meta` device, where nothing is allocated.
        allocated_peak_bytes: the accelerator's caching allocator, handed out.
        reserved_peak_bytes: the same, reserved from the device.
        rss_peak_bytes: the highest resident size of the worker process.
        notes: what could not be measured, and why; where prediction and measurement differ.
    """

    parameter_bytes: Split | None = None
    buffer_bytes: Split | None = None
    gradient_bytes: Split | None = None
    optimizer_bytes: Split | None = None
    saved_bytes: int | None = None
    strategy_bytes: int | None = None
    peak_bytes: int | None = None
    resident_bytes: int | None = None
    predicted_peak_bytes: int | None = None
    allocated_peak_bytes: int | None = None
    reserved_peak_bytes: int | None = None
    rss_peak_bytes: int | None = None
    notes: list[str] = []


class Counters(Record, frozen=True):
    """Counts of one step in steady state: no noise, equal on every machine with the same torch.

    FLOPs are of the operators that torch has a formula for (products and convolutions, attention);
    `uncounted_operators` names the others that compute something, with how often they ran.
    """

    forward_flops: int | None = None
    backward_flops: int | None = None
    operators: dict[str, int] = {}
    autograd_nodes: int | None = None
    uncounted_operators: dict[str, int] = {}
    notes: list[str] = []


class Moved(Record, frozen=True, omit_defaults=False):
    """A tensor that differs from its value at the freeze. NaN counts as moved by infinity.

    `max_abs` is the largest absolute difference, `l2` the Euclidean norm of the difference, and
    `relative` that norm divided by the norm at the freeze. JSON has no infinity: `None` there.
    """

    name: str
    kind: Literal["parameter", "buffer", "effective weight"]
    max_abs: float | None
    l2: float | None
    relative: float | None


class Drift(Record, frozen=True):
    """What `steps` training steps did to the frozen and to the trainable part.

    `frozen_tensors` were compared bitwise; `moved` lists those that differ. `without_gradient`
    names trainable parameters that never received a gradient. `update_error` is
    ‖Δ - Δref‖ / ‖Δref‖ over the trainable part, against the reference update.
    """

    steps: int
    frozen_tensors: int = 0
    moved: list[Moved] = []
    without_gradient: list[str] = []
    update_error: float | None = None


class Midway(Record, frozen=True, omit_defaults=False):
    """The verdict for a freeze in the middle of training, with gradients and history in place."""

    verdict: Verdict
    why: str
    drift: Drift | None


class Cell(Record, frozen=True, omit_defaults=False):
    """One workload trained with one strategy, and what was found.

    `fingerprint` stands for the model, the shapes of its batches and the files that made them.
    `midway`, `summary` and `drift` are null where there was nothing to find: a cell that failed, or
    whose loss nothing trainable reaches.
    """

    workload: str
    strategy: str
    topology: str
    device: str
    dtype: Dtype
    batch: int
    threads: int
    optimizer: Optimizer
    verdict: Verdict
    why: str
    midway: Midway | None = None
    samples: Samples = msgspec.field(default_factory=lambda: Samples([], [], [], []))
    summary: Summary | None = None
    memory: Memory = msgspec.field(default_factory=Memory)
    counters: Counters = msgspec.field(default_factory=Counters)
    drift: Drift | None = None
    origin: Origin = msgspec.field(default_factory=lambda: Origin([], [], []))
    warmup: Warmup | None = None
    host_samples: Samples | None = None
    fingerprint: str = ""
    interference: list[Interference] = []


class Interference(Record, frozen=True, omit_defaults=False):
    """One turn's share of the machine.

    `cpu_seconds` of the process within `wall_seconds`, and how often the kernel took the processor
    away (`None` where the system doesn't say).
    """

    life: int
    round: int
    wall_seconds: float
    cpu_seconds: float
    involuntary_switches: int | None


class Run(Record, frozen=True, omit_defaults=False):
    """All cells of one invocation on one machine.

    `state` is `running` while work is left (a run that was killed stays so), `interrupted` after
    Ctrl-C and `done` at the end. `stopped_by` says what ended the timing: `precision` or `budget`.
    `surveyed_seconds` went into everything but time, `timed_seconds` into the lives.
    """

    schema: int
    id: str
    started: str
    state: Literal["running", "interrupted", "done"]
    stopped_by: Literal["precision", "budget"] | None
    surveyed_seconds: float
    timed_seconds: float
    request: Request
    machine: Machine
    project: Project
    cells: list[Cell]


class Project(Record, frozen=True, omit_defaults=False):
    """The code that measured.

    Its version, its git commit where it ran from a checkout, and whether files differed from that.
    """

    version: str
    commit: str | None
    dirty: bool | None
