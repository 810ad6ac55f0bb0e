"""Bytes and counts of one step in steady state."""

from __future__ import annotations

from bench.records.record import Record


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
