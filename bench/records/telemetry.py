"""What the machine was doing meanwhile, and what a step took from the socket."""

from __future__ import annotations

from typing import Literal

from bench.records.record import Record
from bench.records.timing import Interval

Column = list[float | None]

BRAKES = frozenset({"hw_slowdown", "hw_thermal", "sw_thermal", "hw_power_brake"})
"""Names in `throttled_by` of what slows a GPU down for heat, a power brake or its hardware.

Not among them: `sw_power_cap`, at which many GPUs live under load.
"""


class Telemetry(Record, frozen=True):
    """Readings beside the turns of a cell, one entry a turn, parallel to `interference`.

    A counter that the machine doesn't give has no column; a single reading that failed is `None`.
    Figures are read right before and right after a turn, never during it: those over time are the
    difference, those of a moment are from right after it. What a GPU's driver takes long to tell
    is asked less often, and is `None` in between; `throttled_by` is asked each time.

    Attributes:
        cpu_mhz: mean frequency of the processors that the worker may use; absent where the kernel
            has no more than the processor's label, as in most virtual machines.
        load: processes that ran or wanted to, averaged by the kernel over a minute.
        stolen_seconds: processor time that the hypervisor gave to others, of all processors
            together that the worker may use.
        quota_seconds: how long the container's quota held its processes back, all processors
            together.
        cpu_joules: what the processor packages took (RAPL), other processes included. `Energy` is
            the figure to go by.
        sm_mhz: clock of the streaming multiprocessors.
        memory_mhz: clock of the GPU's memory.
        celsius: temperature of the GPU.
        watts: power of the GPU board, as the driver averages it: over up to a second, so of turns
            before this one too.
        gpu_joules: what the board took, by its energy counter. It moves some ten times a second,
            and a tick books all that was spent since the last one, on whatever mix of turns, to the
            turn that it falls in. So cells that take turns look alike, however many turns are
            summed up; `Energy` is the figure to go by.
        throttled_by: what held the GPU's clock down, by the driver's names, joined by spaces; ""
            for nothing.
        process_bytes: the GPU's memory that the driver books for the worker.
        device_bytes: the GPU's memory in use, by whomever.
        foreign_processes: processes on the GPU that are not of this run.
        foreign_bytes: GPU memory of those, as far as the driver tells.
    """

    cpu_mhz: Column | None = None
    load: Column | None = None
    stolen_seconds: Column | None = None
    quota_seconds: Column | None = None
    cpu_joules: Column | None = None
    sm_mhz: Column | None = None
    memory_mhz: Column | None = None
    celsius: Column | None = None
    watts: Column | None = None
    gpu_joules: Column | None = None
    throttled_by: list[str | None] | None = None
    process_bytes: list[int | None] | None = None
    device_bytes: list[int | None] | None = None
    foreign_processes: list[int | None] | None = None
    foreign_bytes: list[int | None] | None = None


class Energy(Record, frozen=True):
    """What a step takes from the socket, from a pass of its own: one cell alone, without a pause.

    Short turns are no place to read it, since counters move some ten times a second.

    Attributes:
        joules: a step, with an interval over windows of the pass, widened by what a tick of the
            counter can hide; idle power is in it.
        source: `gpu counter` and `gpu power` (integrated) are of the board, `cpu package` of the
            processor and whatever else ran on it.
        steps: that the figure is from, in all windows.
        seconds: that they took.
        windows: joules a step of each window, in order; empty where they were not kept. They are
            from one pass of one process, so noise between processes is neither in them nor in the
            interval.
    """

    joules: Interval
    source: Literal["gpu counter", "gpu power", "cpu package"]
    steps: int
    seconds: float
    windows: list[float] = []
