"""What the gate of the counters asks a worker for: counts of a cell, without a clock.

Everything here comes out the same on every machine with the same torch.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import torch
from msgspec.structs import replace
from torch import nn

import strategies
from bench import workloads
from bench.measure.counters import read_counters
from bench.measure.memory import read_memory
from bench.measure.training import NothingReachesTheLossError, Recipe, Training
from bench.records import Counters, Memory
from bench.run import survey
from bench.run.messages import Findings, Known
from bench.run.plan import describe, options

if TYPE_CHECKING:
    from torch import Tensor

    from bench.cells import CellPlan

LAYERS = 5
"""Of the chain whose FLOPs have a closed form: enough for a frozen middle of several sizes."""
WIDTH = 8
SAMPLES = 4


def known() -> Known:
    """The names that a request may leave out, and the torch that counts."""
    return Known(
        torch=str(torch.__version__),
        workloads=tuple(workloads.ROSTER),
        strategies=tuple(strategies.names()),
    )


def count(cell: CellPlan) -> Findings:
    """Bytes and counts of a cell on the `meta` device; on the CPU for a model that fails there.

    The peak is `predicted_peak_bytes` on `meta` and `peak_bytes` on the CPU, never both, so it
    tells where the cell was counted. Notes say why nothing could be counted, or not on `meta`.
    """
    found = _counted(cell)
    gc.collect()
    gc.freeze()  # what torch imported meanwhile; the next cell's collection need not look at it
    return found


def _counted(cell: CellPlan) -> Findings:
    nothing = Findings(Memory(notes=[survey.NO_STEP]), Counters(notes=[survey.NO_STEP]))
    try:
        workload = workloads.build(cell.workload_spec, options(cell), meta=True)
        reading, counters = survey.read_on_meta(cell, workload)
        peak, notes = reading.memory.peak_bytes, reading.memory.notes
        return Findings(
            replace(reading.memory, peak_bytes=None, predicted_peak_bytes=peak, notes=notes),
            counters,
        )
    except NothingReachesTheLossError:
        return nothing
    except Exception as error:  # any model code may fail on tensors without values
        why = f"does not run on meta ({describe(error)})"
    training = survey.start(cell, compiled=False)
    try:
        memory, counters = read_memory(training).memory, read_counters(training)
    except NothingReachesTheLossError:
        return nothing
    return Findings(replace(memory, notes=[*memory.notes, why]), counters)


def check_counting() -> list[str]:
    """What is wrong with this torch's FLOPs of a chain of equal layers; empty if nothing.

    For N layers of F forward FLOPs each and an input without gradient, the backward pass takes
    (2N-1)F with nothing frozen (a product for each weight, and one for each input but the
    first), (2(N-k)-1)F with the first k frozen, and (2N-1-k)F with k frozen anywhere behind a
    trainable first layer, since only the weights' own products are saved there.
    """
    layer = 2 * SAMPLES * WIDTH * WIDTH  # two FLOPs a multiply-add
    wrong = []
    for what, strategy, frozen, layers in _closed_forms():
        found = _chain(strategy, frozen)
        for phase, flops, expected in (
            ("forward", found.forward_flops, LAYERS * layer),
            ("backward", found.backward_flops, layers * layer),
        ):
            if flops != expected:
                wrong.append(
                    f"a chain of {LAYERS} equal layers with {what} has {flops} {phase} FLOPs, "
                    f"and {expected} by the closed form"
                )
    return wrong


def _closed_forms() -> list[tuple[str, str, range, int]]:
    """What is frozen in words, by which strategy, which layers, and backward FLOPs in layers."""
    forms = [("nothing frozen", "full", range(1), 2 * LAYERS - 1)]
    for k in range(1, LAYERS):
        freely = 2 * LAYERS - 1 - k
        last = range(LAYERS - k, LAYERS)
        forms.append((f"the first {k} frozen", "requires_grad", range(k), 2 * (LAYERS - k) - 1))
        forms.append((f"the last {k} frozen", "requires_grad", last, freely))
        if k < LAYERS - 1:
            middle = range(1, 1 + k)
            forms.append((f"{k} behind the first frozen", "requires_grad", middle, freely))
    return forms


def _chain(strategy: str, frozen: range) -> Counters:
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS)))
    workload = workloads.Workload(
        model.to("meta"),
        [torch.empty(SAMPLES, WIDTH, device="meta")],
        [str(index) for index in frozen],
        _mean_square,
    )
    return read_counters(Training(workload, strategies.find(strategy), Recipe(device="meta")))


def _mean_square(model: nn.Module, batch: Tensor) -> Tensor:
    return torch.as_tensor(model(batch)).square().mean()
