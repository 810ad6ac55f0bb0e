"""From a workload's name to a workload that can be trained, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from bench.workloads.batches import batch_size, to_device
from bench.workloads.custom import custom
from bench.workloads.importing import is_path
from bench.workloads.meta import to_meta
from bench.workloads.roster import ROSTER
from bench.workloads.vision import PREFIX, model_names, vision
from bench.workloads.workload import Workload, WorkloadError
from strategies.partition import Partition, PartitionError
from strategies.suggest import suggest

if TYPE_CHECKING:
    from bench.workloads.options import Options


def build(spec: str, options: Options, *, meta: bool = False) -> Workload:
    """Build a workload and check that it can be trained.

    Equal arguments give equal bits, and the global random state stays as it was.

    Args:
        spec: a name of the roster, `torchvision:NAME`, `path/to/file.py:factory` or
            `package.module:factory`.
        options: what the request asks of it.
        meta: return model and batches on `meta`. A torchvision model is built there, without
            memory; any other is built and then moved.

    Raises:
        WorkloadError: there is no such workload, it cannot be built, or what was built has no
            batches of the size asked for, or no frozen and trainable part. The message starts
            with the workload's label.
    """
    if options.batch is not None and options.batch < 1:
        raise WorkloadError(f"the batch must be at least 1 sample, not {options.batch}")
    try:
        workload = _made(spec, options, meta=meta)
        if options.freeze:
            workload = replace(workload, frozen=options.freeze)
        workload = _checked(workload, spec, options.batch)
    except (WorkloadError, PartitionError) as error:
        raise WorkloadError(f"{label(spec)}: {error}") from error
    if meta:
        workload = replace(
            workload,
            model=to_meta(workload.model),
            batches=[to_device(batch, "meta") for batch in workload.batches],
        )
    return workload


def label(spec: str) -> str:
    """A workload's name without folders, for records: `my_model.py:factory` for a path."""
    target, colon, factory = spec.rpartition(":")
    return f"{Path(target).name}:{factory}" if colon and is_path(target) else spec


def _made(spec: str, options: Options, *, meta: bool) -> Workload:
    if spec.startswith(PREFIX):
        return vision(spec.removeprefix(PREFIX), options, meta=meta)
    if options.weights is not None:
        raise WorkloadError(
            f"weights ('{options.weights}') can only be chosen for {PREFIX}NAME workloads; "
            "leave them out"
        )
    if spec in ROSTER:
        size = {} if options.batch is None else {"batch": options.batch}
        return ROSTER[spec](seed=options.seed, **size)
    target, _, factory = spec.rpartition(":")
    if target and factory:
        return custom(spec, options)
    if is_path(spec):
        raise WorkloadError("which function of the file? give path/to/file.py:factory")
    known = [*ROSTER, *(PREFIX + name for name in model_names())]
    raise WorkloadError(
        f"there is no such workload; {suggest(spec, known)} "
        "(or give your own as path/to/file.py:factory)"
    )


def _checked(workload: Workload, spec: str, wanted: int | None) -> Workload:
    if not isinstance(workload.model, nn.Module):
        raise WorkloadError(
            f"its model is not a module ({type(workload.model).__name__}); "
            "make it a torch.nn.Module"
        )
    if not callable(workload.loss):
        raise WorkloadError(
            f"its loss cannot be called ({type(workload.loss).__name__}); "
            "make it a function of model and batch that returns a scalar tensor"
        )
    _check_batches(workload.batches, spec, wanted)
    workload = replace(workload, frozen=_patterns(workload.frozen))
    Partition.of(workload.model, workload.frozen)
    return workload


def _check_batches(batches: Any, spec: str, wanted: int | None) -> None:
    if not isinstance(batches, Sequence):
        raise WorkloadError(
            f"its batches are not a list ({type(batches).__name__}); "
            "give a few batches, such as list(itertools.islice(loader, 4))"
        )
    if not batches:
        raise WorkloadError("it has no batches; give at least one")
    sizes = [batch_size(batch) for batch in batches]
    if len(set(sizes)) > 1 or sizes[0] < 1:
        raise WorkloadError(
            f"its batches hold {', '.join(map(str, sizes))} samples; "
            "give them all one size, as figures are said for one"
        )
    if wanted is not None and sizes[0] != wanted:
        raise WorkloadError(
            f"a batch of {wanted} was asked for and its batches hold {sizes[0]}; "
            f"let {spec.rpartition(':')[2]}() accept an argument `batch` and go by it"
        )


def _patterns(frozen: Any) -> tuple[str, ...]:
    if isinstance(frozen, str):
        return (frozen,)
    if isinstance(frozen, Sequence) and all(isinstance(pattern, str) for pattern in frozen):
        return tuple(frozen)
    raise WorkloadError(
        "what is frozen must be patterns on module or parameter names, such as ['backbone'], "
        f"not {frozen!r:.60}"
    )
