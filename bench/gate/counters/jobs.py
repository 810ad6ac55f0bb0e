"""What a request for counts amounts to, beside what the golden file already holds.

What was left open is taken from the golden file, so that `freezebench gate counters` alone repeats
what was last agreed to, and from the defaults where there is no such file yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from bench.gate.counters.golden import Entry, Settings, WorkloadCounts, update_command
from bench.records import Request
from bench.run.process import RefusedError
from bench.run.session import without_folders

if TYPE_CHECKING:
    from bench.run.messages import Known


@dataclass(frozen=True)
class Asked:
    """What was typed. Empty and absent is what was not.

    `settings` holds those of `Settings` that were typed; `cell_timeout` is in seconds.
    """

    workloads: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    cell_timeout: float = 300.0

    @property
    def complete(self) -> bool:
        """Whether every workload was asked for."""
        return not self.workloads


@dataclass(frozen=True)
class Job:
    """One workload to count.

    Attributes:
        key: how the golden file calls it.
        spec: where it is.
        stored: what the golden file has of it under the same settings.
        every_strategy: whether all strategies that go by name are to be counted.
        strategies: others beside those.
        complete: whether these are all that the golden file has of it.
    """

    key: str
    spec: str
    settings: Settings
    every_strategy: bool
    strategies: tuple[str, ...]
    stored: WorkloadCounts | None
    complete: bool

    def request(self, known: Known, timeout: float) -> Request:
        """What to plan. The timeout is in seconds."""
        names = known.strategies if self.every_strategy else ()
        return request_for((self.spec,), (*names, *self.strategies), self.settings, timeout)


def jobs_of(
    asked: Asked, basis: Entry | None, known: Known, golden: str, *, update: bool
) -> list[Job]:
    """The workloads to count, in order.

    Args:
        asked: what was typed.
        basis: the golden file's entry of this torch, or of the one nearest to it.
        known: what goes by name.
        golden: the golden file, as it was given.
        update: whether the counts are to be kept, so that they may be new or otherwise settled.

    Raises:
        RefusedError: the golden file has not what was asked for, or has it under other settings.
    """
    specs = asked.workloads or _all_of(basis, known)
    jobs: dict[str, Job] = {}
    for spec in dict.fromkeys(specs):
        job = _job(asked, spec, basis, golden, update=update)
        if job.key in jobs:
            raise RefusedError(
                f"two workloads are called {job.key} ({jobs[job.key].spec} and {spec}); call the "
                "gate from a folder that both are in, so that their paths tell them apart"
            )
        jobs[job.key] = job
    return list(jobs.values())


def _all_of(basis: Entry | None, known: Known) -> tuple[str, ...]:
    if basis is None:
        return known.workloads
    if not basis.built_in:
        return tuple(basis.workloads)
    others = (spec for spec in basis.workloads if ":" in spec)  # a name alone is a built-in one
    return (*known.workloads, *others)


def _job(asked: Asked, spec: str, basis: Entry | None, golden: str, *, update: bool) -> Job:
    key = key_of(spec)
    kept = None if basis is None else basis.workloads.get(key)
    if kept is None and basis is not None and asked.workloads and not update:
        there = ", ".join(basis.workloads) or "no workload"
        raise RefusedError(
            f"{golden} has no workload {key} (it has {there}); add it with: "
            f"{update_command(golden)} --workload {spec}"
        )
    settings = replace(kept.settings if kept else Settings(), **asked.settings)
    same = kept is not None and settings == kept.settings
    if kept is not None and not same and not (update and not asked.strategies):
        advice = (
            "to count all its strategies anew leave --strategy out, to keep both give another "
            "--golden"
            if update
            else "leave the option out, or rewrite the golden file with --update"
        )
        raise RefusedError(
            f"{golden} has {key} with {_differing(kept.settings, settings)}; counts of two "
            f"requests cannot be compared: {advice}"
        )
    return Job(
        key=key,
        spec=spec,
        settings=settings,
        every_strategy=not asked.strategies and (kept is None or kept.every_strategy),
        strategies=asked.strategies or (kept.strategies if kept else ()),
        stored=kept if same else None,
        complete=not asked.strategies,
    )


def key_of(spec: str) -> str:
    """How the golden file calls a workload: by name, or by its path from this folder."""
    return without_folders(request_for((spec,))).workloads[0]


def strategy_specs(specs: tuple[str, ...]) -> tuple[str, ...]:
    """How the golden file calls strategies: by name, or by their path from this folder."""
    return without_folders(request_for((), specs)).strategies


def request_for(
    workloads: tuple[str, ...],
    strategies: tuple[str, ...] = (),
    settings: Settings | None = None,
    timeout: float = 1.0,
) -> Request:
    """A request for counts: on the CPU, with one thread, and without a clock."""
    return Request(
        workloads=workloads,
        strategies=strategies,
        device="cpu",
        dtype="float32",
        threads=1,
        precision=0.05,
        budget=1.0,
        cell_timeout=timeout,
        compile=False,
        channels_last=False,
        **asdict(settings or Settings()),
    )


def _differing(stored: Settings, asked: Settings) -> str:
    return ", ".join(
        f"{name} {_said(getattr(stored, name))} (asked for: {_said(getattr(asked, name))})"
        for name in stored.__struct_fields__
        if getattr(stored, name) != getattr(asked, name)
    )


def _said(value: object) -> str:
    if value is None or value == ():
        return "of its own"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
