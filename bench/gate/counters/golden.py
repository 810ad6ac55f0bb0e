"""The golden file: what the counters of every cell were when somebody last agreed to them.

It is keyed inside by torch's minor version, since another torch may count otherwise and is no
change of the model's. Written sorted, one figure a line, so that a pull request shows what changed.

History of the schema:
    1  the first.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from bench.records import Optimizer, Record, Split, Verdict
from bench.store import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1

PLACE = "results/counters.json"
"""Where it is looked for if nobody says otherwise."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Minor = Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+$")]


class GoldenError(Exception):
    """A golden file cannot be read or used; the message says which, why, and what to do."""


class CellCounts(Record, frozen=True):
    """What is the same to the digit on every machine with the same torch.

    Of the drift that is verdicts and names alone: how far a tensor moved, and the error of an
    update, differ in the last bits between processors and are left out.

    Attributes:
        verdict: of a freeze before the first step.
        midway_verdict: of a freeze in the middle of training.
        counted_on: where the step was counted; absent where there is no step to count.
        forward_flops: as in `bench.records.Counters`, like the two that follow.
        predicted_peak_bytes: of a step counted on `meta`; `peak_bytes` of one on the CPU.
        frozen_tensors: how many were compared bitwise.
        moved: frozen tensors that moved, each as `name (kind)`, sorted.
        without_gradient: trainable parameters that never received a gradient, sorted.
    """

    verdict: Verdict
    midway_verdict: Verdict
    counted_on: Literal["meta", "cpu"] | None = None
    forward_flops: Count | None = None
    backward_flops: Count | None = None
    operators: dict[str, Count] = msgspec.field(default_factory=dict)
    autograd_nodes: Count | None = None
    parameter_bytes: Split | None = None
    buffer_bytes: Split | None = None
    gradient_bytes: Split | None = None
    optimizer_bytes: Split | None = None
    saved_bytes: Count | None = None
    strategy_bytes: Count | None = None
    predicted_peak_bytes: Count | None = None
    peak_bytes: Count | None = None
    frozen_tensors: Count | None = None
    moved: tuple[str, ...] = ()
    midway_moved: tuple[str, ...] = ()
    without_gradient: tuple[str, ...] = ()
    midway_without_gradient: tuple[str, ...] = ()


class Settings(Record, frozen=True, omit_defaults=False):
    """What was asked for and decides the counts; `batch` is absent for the workload's own."""

    batch: int | None = None
    optimizer: Optimizer = "adam"
    steps: int = 5
    seed: int = 0
    freeze: tuple[str, ...] = ()
    weights: str | None = None


class WorkloadCounts(Record, frozen=True, omit_defaults=False):
    """The cells of a workload, by strategy.

    Attributes:
        settings: another request than this cannot be compared with it.
        every_strategy: whether all strategies that go by name were asked for.
        strategies: those that were asked for beside, as typed.
        topology: where the frozen part sits.
        batch: samples a step, as found.
        fingerprint: stands for the model's tensors, the shapes of its batches and the bytes of its
            file. Another one is no difference: it tells that a difference comes from there.
    """

    settings: Settings
    every_strategy: bool
    strategies: tuple[str, ...]
    topology: str
    batch: int
    fingerprint: str
    cells: dict[str, CellCounts]


class Entry(Record, frozen=True, omit_defaults=False):
    """What one minor version of torch counted.

    `torch` is the version to the patch, `built_in` whether all built-in workloads were asked for.
    `workloads` are by what was typed: a name, or a path relative to the folder of the command.
    """

    torch: str
    built_in: bool
    workloads: dict[str, WorkloadCounts]


class Golden(Record, frozen=True, omit_defaults=False):
    """A whole golden file."""

    schema: int
    torch: dict[Minor, Entry]


def update_command(path: str) -> str:
    """What to type to keep the counts of now."""
    command = "freezebench gate counters --update"
    return command if path == PLACE else f"{command} --golden {shlex.quote(path)}"


def minor(version: str) -> str:
    """`2.15` of `2.15.0+cpu`."""
    found = re.match(r"\d+\.\d+", version)
    return found[0] if found else version


def nearest(golden: Golden, version: str) -> str | None:
    """The stored minor version nearest to another one, the older of two; `None` if there is none.

    A major version is farther away than any minor one.
    """

    def distance(stored: str) -> tuple[int, int, str]:
        (major, patch), (own_major, own_patch) = _numbers(stored), _numbers(version)
        return abs(major - own_major), abs(patch - own_patch), f"{patch:06}"

    return min(golden.torch, key=distance, default=None)


def _numbers(version: str) -> tuple[int, int]:
    major, _, rest = minor(version).partition(".")
    return (int(major), int(rest)) if rest.isdigit() else (0, 0)


def read(path: Path) -> Golden | None:
    """The golden file at `path`; `None` where there is none.

    Raises:
        GoldenError: it is truncated, of another schema, or holds a wrong value.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise GoldenError(
            f"cannot read {path}: {(error.strerror or str(error)).lower()}"
        ) from error
    try:
        schema = msgspec.json.decode(content, type=_Versioned).schema
        if schema != SCHEMA:
            raise GoldenError(
                f"{path} has schema {schema}, and this freezebench reads {SCHEMA}; use the "
                "version that wrote it, or write it anew: delete it and run with --update"
            )
        return msgspec.json.decode(content, type=Golden)
    except msgspec.ValidationError as error:
        raise GoldenError(
            f"{path} is no valid golden file: {error}; take it from git again, or delete it and "
            "run with --update"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GoldenError(
            f"{path} is truncated or no JSON: {error}; take it from git again, or delete it and "
            "run with --update"
        ) from error


def encoded(golden: Golden) -> bytes:
    """The bytes of a golden file: sorted, one figure a line."""
    plain = msgspec.json.encode(golden, order="sorted")
    return msgspec.json.format(plain, indent=2) + b"\n"


def write(path: Path, golden: Golden) -> None:
    """Write a golden file whole, or leave the one that is there.

    Raises:
        GoldenError: its folder cannot be made.
        StoreError: the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GoldenError(
            f"cannot make the folder of {path}: {(error.strerror or str(error)).lower()}"
        ) from error
    RunFolder(path.parent).write(path.name, encoded(golden))


class _Versioned(msgspec.Struct):
    schema: int
