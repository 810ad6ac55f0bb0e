"""Everything about a cell but its time: memory, counters, drift, verdict.

A cell is surveyed in a worker of its own, memory first, so that peaks and random state are its
own too.
"""

from __future__ import annotations

import math
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch

import strategies
from bench import workloads
from bench.cells import EVAL
from bench.measure.counters import read_counters
from bench.measure.device import choose
from bench.measure.drift import Observation, Reference, observe
from bench.measure.memory import MemoryReading, differing_allocations, read_memory
from bench.measure.training import NothingReachesTheLossError, Recipe, Training
from bench.measure.verdict import NOTHING_REACHES_THE_LOSS, judge
from bench.records import Counters, Memory, Midway
from bench.run.messages import Findings, Prediction
from bench.run.plan import describe, options
from strategies.full import Full

if TYPE_CHECKING:
    from bench.cells import CellPlan

WARM_STEPS = 3
"""Steps of ordinary training before a freeze in the middle."""

NO_STEP = "nothing trainable reaches the loss, so there is no step to measure"


class StillReferenceError(Exception):
    """Ordinary training does not move the trainable part, so nothing can be compared with it."""

    def __init__(self, steps: int, size: float) -> None:
        what = "moved by nothing" if size == 0 else "became NaN or infinite"
        super().__init__(
            f"in {steps} steps of ordinary training the trainable part {what}, so no strategy can "
            "be judged by it; look at the loss and its scale, or give more --steps"
        )


def recipe(cell: CellPlan, *, device: str | None = None, compiled: bool = True) -> Recipe:
    """How a cell is trained."""
    return Recipe(
        device=device or cell.device,
        dtype=cell.dtype,
        optimizer=cell.optimizer,
        seed=cell.seed,
        compile=cell.compile and compiled,
        channels_last=cell.channels_last,
    )


def start(cell: CellPlan, *, compiled: bool = True) -> Training:
    """A cell ready to take its first step."""
    workload = _fresh_workload(cell)
    return Training(workload, strategies.find(cell.strategy_spec), recipe(cell, compiled=compiled))


def predict(cell: CellPlan) -> Prediction:
    """Peak and counters of a cell on the `meta` device: nothing is allocated or computed."""
    workload = workloads.build(cell.workload_spec, options(cell), meta=True)
    try:
        reading, counters = read_on_meta(cell, workload)
    except Exception as error:  # any model code may fail on tensors without values
        return Prediction(why_absent=describe(error))
    return Prediction(
        peak_bytes=reading.memory.peak_bytes,
        resident_bytes=reading.memory.resident_bytes,
        counters=counters,
        allocated_by=dict(reading.allocated_by),
    )


def read_on_meta(cell: CellPlan, workload: workloads.Workload) -> tuple[MemoryReading, Counters]:
    """Bytes and counts of a cell whose workload was built on the `meta` device."""
    on_meta = msgspec.structs.replace(cell, dtype="float32", compile=False)
    foreach = True if torch.device(cell.device).type != "cpu" else None
    how = Recipe(**{**vars(recipe(on_meta, device="meta")), "foreach": foreach})
    training = Training(workload, strategies.find(cell.strategy_spec), how)
    return read_memory(training), read_counters(training)


def measure_memory(cell: CellPlan, prediction: Prediction) -> Findings:
    """Bytes of a cell on its device, beside their prediction, and its counters.

    Under autocast, or where the model does not run on `meta`, counters are taken on the device
    and there is no prediction to record.
    """
    device = choose(cell.device)
    training = start(cell, compiled=False)
    try:
        reading = read_memory(training, before_last_step=device.reset_peaks)
    except NothingReachesTheLossError:
        return Findings(Memory(notes=[NO_STEP]), Counters(notes=[NO_STEP]))
    device.synchronize()
    peaks = device.peaks()
    memory = msgspec.structs.replace(
        reading.memory,
        rss_peak_bytes=_resident_peak(),
        allocated_peak_bytes=peaks.allocated if peaks else None,
        reserved_peak_bytes=peaks.reserved if peaks else None,
    )
    notes = list(memory.notes)
    if cell.compile:
        notes.append("bytes and counts are of the model before compilation")
    counters = prediction.counters
    if cell.dtype != "float32":
        notes.append("predicted_peak_bytes: autocast has no effect on meta, so nothing is said")
        counters = None
    elif prediction.peak_bytes is None:
        notes.append(f"predicted_peak_bytes: does not run on meta ({prediction.why_absent})")
    else:
        memory = msgspec.structs.replace(memory, predicted_peak_bytes=prediction.peak_bytes)
        if prediction.peak_bytes != memory.peak_bytes:
            notes.append("predicted_peak_bytes: " + _difference(reading, prediction))
    if counters is None:
        counters = read_counters(training)
    return Findings(msgspec.structs.replace(memory, notes=notes), counters)


def measure_reference(cell: CellPlan, folder: str, in_eval: bool) -> None:
    """Keep the reference updates of a workload, for both moments of the freeze, in `folder`.

    That is full gradients with an optimizer on the trainable part alone: `optimizer_subset`.
    """
    spec = "optimizer_subset" + (EVAL if in_eval else "")
    chosen = msgspec.structs.replace(cell, strategy_spec=spec)
    for midway in (False, True):
        path = reference_path(folder, cell.workload, in_eval=in_eval, midway=midway)
        first = _observe(chosen, midway=midway)
        # Only an accelerator may add up in another order the next time.
        repeats = choose(cell.device).is_accelerator
        reference = first.reference(_observe(chosen, midway=midway) if repeats else first)
        if reference.size == 0 or not math.isfinite(reference.size):
            raise StillReferenceError(cell.steps, reference.size)
        reference.save(path)


def measure_drift(cell: CellPlan, folder: str, midway: bool) -> Midway:
    """The verdict on a freeze before the first step, or in the middle of training."""
    in_eval = cell.strategy_spec.endswith(EVAL)
    reference = Reference.load(
        reference_path(folder, cell.workload, in_eval=in_eval, midway=midway)
    )
    try:
        observation = _observe(cell, midway=midway)
    except NothingReachesTheLossError:
        return Midway(verdict="severed", why=NOTHING_REACHES_THE_LOSS, drift=None)
    is_reference = cell.strategy.removesuffix(EVAL) == "full"
    drift = observation.drift(None if is_reference else reference)
    verdict, why = judge(
        drift, cell.dtype, is_reference=is_reference, repeat_error=reference.repeat_error
    )
    return Midway(verdict=verdict, why=why, drift=drift)


def reference_path(folder: str, workload: str, *, in_eval: bool, midway: bool) -> Path:
    """Where the reference of a workload is kept while a run lasts."""
    moment = "midway" if midway else "fresh"
    mode = "eval" if in_eval else "train"
    return Path(folder) / f"{workload.encode().hex()[-80:]}-{mode}-{moment}.pt"


def _observe(cell: CellPlan, *, midway: bool) -> Observation:
    if not midway:
        return observe(start(cell), cell.steps)
    workload = _fresh_workload(cell)
    before = Training(workload, Full(), recipe(cell))
    for number in range(WARM_STEPS):
        # The last step leaves its gradients in place, as a loop does that clears them first.
        before.step(lambda *_: None, zero=number < WARM_STEPS - 1)
    strategy = strategies.find(cell.strategy_spec)
    return observe(Training(workload, strategy, recipe(cell), before=before), cell.steps)


def _fresh_workload(cell: CellPlan) -> workloads.Workload:
    choose(cell.device).activate()
    torch.set_num_threads(cell.threads)
    torch.manual_seed(cell.seed)
    return workloads.build(cell.workload_spec, options(cell))


def _difference(reading: MemoryReading, prediction: Prediction) -> str:
    return differing_allocations(reading.allocated_by, Counter(prediction.allocated_by))


def _resident_peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
