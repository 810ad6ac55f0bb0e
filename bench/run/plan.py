"""A request becomes cells: names are looked up, defaults chosen, workloads rehearsed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

import strategies
from bench import workloads
from bench.cells import EVAL, CellPlan, Plan
from bench.measure.device import Device, choose
from bench.measure.memory import read_memory
from bench.measure.telemetry import energy_meters
from bench.measure.training import Recipe, Training
from bench.run.machine import fingerprint, physical_cores
from strategies.boundary import tensors_in
from strategies.full import Full

if TYPE_CHECKING:
    from bench.records import Request
    from bench.workloads import Workload

MOST_AT_ONCE = 8
HOST_BYTES = 4 * 2**30
"""What a worker may take of the host's memory while it surveys."""


class RequestError(ValueError):
    """The request cannot be run as it stands; the message says what to change."""


def plan(request: Request) -> Plan:
    """All cells of a request: for each workload `full` first, then the strategies in order.

    Raises:
        RequestError, WorkloadError, StrategyError, DeviceError: what was asked for cannot be run.
    """
    device = choose(request.device)
    device.activate()
    threads = request.threads or physical_cores()
    processors = psutil.cpu_count() or threads
    if threads > processors:
        raise RequestError(
            f"{threads} threads were asked for, and this machine has {processors} processors; "
            f"more threads than those only wait for each other, so give at most {processors}"
        )
    torch.set_num_threads(threads)
    specs = request.workloads or workloads.DEFAULT
    if not request.workloads and device.is_accelerator:
        specs = (*specs, *workloads.ON_ACCELERATOR)
    if request.energy:
        _refuse_silent_machine(device)
    contestants = _contestants(request.strategies or tuple(strategies.names()))
    cells: list[CellPlan] = []
    for spec in dict.fromkeys(specs):
        workload, topology = rehearse(spec, request, device)
        batch = workloads.batch_size(workload.batches[0])
        cells += [
            CellPlan(
                workload=workloads.label(spec),
                workload_spec=spec,
                strategy=name,
                strategy_spec=strategy_spec,
                topology=topology,
                device=str(device),
                dtype=request.dtype,
                batch=batch,
                batch_option=request.batch,
                threads=threads,
                optimizer=request.optimizer,
                seed=request.seed,
                steps=request.steps,
                freeze=request.freeze,
                weights=request.weights,
                compile=request.compile,
                channels_last=request.channels_last,
                fills_each_batch=fills,
                fingerprint=fingerprint_of(workload, spec, strategy_spec),
            )
            for name, strategy_spec, fills in contestants
        ]
    _refuse_twins(cells)
    return Plan(
        machine=fingerprint(device),
        memory_bytes=device.memory_bytes(),
        cells=tuple(cells),
        energy=request.energy,
        surveyed_at_once=_surveyed_at_once(device),
    )


def _refuse_silent_machine(device: Device) -> None:
    if energy_meters.source(device) is None:
        what = "GPU" if device.is_accelerator else "processor"
        raise RequestError(
            f"--energy was given, and this machine's {what} has no counter of energy that can be "
            "read here; leave it out"
        )


def _surveyed_at_once(device: Device) -> int:
    """On an accelerator a survey mostly waits for its worker; on a processor it computes."""
    if not device.is_accelerator:
        return 1
    fit = psutil.virtual_memory().available // HOST_BYTES
    return int(max(1, min(MOST_AT_ONCE, physical_cores() // 2, fit)))


def fingerprint_of(workload: Workload, *specs: str) -> str:
    """Stands for a model's tensors, its batches' shapes, and the files of a user's own."""
    digest = hashlib.sha256()
    tensors = {**dict(workload.model.named_parameters()), **dict(workload.model.named_buffers())}
    for name, tensor in tensors.items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
    for tensor in tensors_in(list(workload.batches)):
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype};".encode())
    for spec in specs:
        file = Path(spec.removesuffix(EVAL).rpartition(":")[0])
        if file.suffix == ".py" and file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _contestants(specs: tuple[str, ...]) -> list[tuple[str, str, bool]]:
    """Name, spec and `fills_each_batch` of each strategy; `full` is always there, and first."""
    found = []
    for spec in dict.fromkeys(("full", *specs)):
        strategy = strategies.find(spec)
        found.append((strategy.name, spec, strategy.fills_each_batch))
    return found


def _refuse_twins(cells: list[CellPlan]) -> None:
    seen: dict[tuple[str, str], CellPlan] = {}
    for cell in cells:
        other = seen.setdefault(cell.key, cell)
        if other is not cell:
            raise RequestError(
                f"two cells are called {cell.workload} × {cell.strategy} "
                f"({other.workload_spec}, {other.strategy_spec} and {cell.workload_spec}, "
                f"{cell.strategy_spec}); give one of them another name"
            )


def options(request: Request | CellPlan) -> workloads.Options:
    """What a workload's factory is told."""
    batch = request.batch_option if isinstance(request, CellPlan) else request.batch
    return workloads.Options(
        batch=batch, seed=request.seed, freeze=request.freeze, weights=request.weights
    )


def rehearse(spec: str, request: Request, device: Device) -> tuple[Workload, str]:
    """Build a workload, see that it fits in memory and that its loss can be trained on.

    Returns:
        The workload and its topology.

    Raises:
        RequestError: it needs more memory than there is, or its loss is no finite scalar.
    """
    chosen = options(request)
    _refuse_what_cannot_fit(spec, request, chosen, device)
    workload = workloads.build(spec, chosen)
    recipe = Recipe(
        device=str(device),
        dtype=request.dtype,
        optimizer=request.optimizer,
        seed=request.seed,
        channels_last=request.channels_last,
    )
    training = Training(workload, Full(), recipe)
    batch = workload.batches[0]
    name = workloads.label(spec)
    for part, tensors in (
        ("frozen", training.partition.frozen_tensors(training.model)),
        ("trainable", training.partition.trainable_tensors(training.model)),
    ):
        if not any(tensor.requires_grad for tensor in tensors):
            raise RequestError(
                f"every parameter of the {part} part of {name} has requires_grad=False before any "
                "strategy has begun, so there would be nothing to compare; leave freezing to "
                "`frozen`, and build the model with everything trainable"
            )
    try:
        with torch.no_grad():
            loss = workload.loss(
                training.model,
                workloads.to_device(
                    batch, device.torch_device, channels_last=request.channels_last
                ),
            )
    except Exception as error:
        raise RequestError(
            f"the workload {name} cannot run its first batch: {describe(error)}; "
            "see that the model takes the batch and that `loss` takes (model, batch)"
        ) from error
    if not isinstance(loss, torch.Tensor) or loss.ndim != 0:
        shape = tuple(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise RequestError(
            f"the loss of {name} must be a scalar tensor, and is {shape}; reduce it, "
            "for example by .mean()"
        )
    if not bool(loss.isfinite()):
        raise RequestError(
            f"the loss of {name} is {float(loss)} on its first batch; see that inputs are "
            "finite and the model is initialised"
        )
    return workload, training.partition.topology


def _refuse_what_cannot_fit(
    spec: str, request: Request, chosen: workloads.Options, device: Device
) -> None:
    if request.dtype != "float32":
        return  # autocast has no effect on meta: nothing is known
    available = device.memory_bytes()
    needed = predicted_peak(spec, request, chosen, device)
    if needed is None or available is None or needed <= available:
        return
    workload = workloads.build(spec, chosen, meta=True)
    batch = workloads.batch_size(workload.batches[0])
    largest = _largest_that_fits(spec, request, chosen, device, batch, needed, available)
    advice = f"the largest that fits is {largest}" if largest else "even 1 does not fit"
    raise RequestError(
        f"{workloads.label(spec)} with batch {batch} needs {_gib(needed)} (predicted), and "
        f"{device} has {_gib(available)}; {advice}"
    )


def _largest_that_fits(
    spec: str,
    request: Request,
    chosen: workloads.Options,
    device: Device,
    batch: int,
    needed: int,
    available: int,
) -> int:
    """By bisection over predictions, each of which costs a pass on `meta`."""
    fits, too_large = 0, batch
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        smaller = workloads.Options(middle, chosen.seed, chosen.freeze, chosen.weights)
        try:
            peak = predicted_peak(spec, request, smaller, device)
        except workloads.WorkloadError:  # a factory that does not take a batch size
            return 0
        if peak is not None and peak <= available:
            fits = middle
        else:
            too_large = middle
    return fits


def predicted_peak(
    spec: str, request: Request, chosen: workloads.Options, device: Device
) -> int | None:
    """`peak_bytes` of `full`, found on `meta`; `None` for a model that does not run there."""
    workload = workloads.build(spec, chosen, meta=True)
    foreach = True if device.is_accelerator else None
    recipe = Recipe(device="meta", optimizer=request.optimizer, foreach=foreach)
    try:
        return read_memory(Training(workload, Full(), recipe)).memory.peak_bytes
    except Exception:  # models may ask for values, and then prediction is not to be had
        return None


def describe(error: BaseException) -> str:
    """Type and first line of an exception."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
