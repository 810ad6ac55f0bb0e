"""Scenarios that need several processes: the launch, and what each process does.

    python -m torch.distributed.run --nproc-per-node 2 --standalone -m bench.hazards.ranks WORK

All cells are run in one launch. The first process appends a line to `WORK/done.jsonl` where a cell
begins and where it ends, so that a launch that dies says in which; the others are launched again.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch.distributed as dist

from bench.hazards.judgement import raised
from bench.hazards.roster import ROSTER
from bench.hazards.undisturbed import undisturbed
from bench.records import Outcome
from bench.records.record import Record
from strategies import find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROCESSES = 2
_ANSWER = 20  # seconds that a process waits for another before it calls that a hang
_LAUNCH = 150  # seconds for all cells together
_TASKS, _DONE, _ERRORS = "tasks.json", "done.jsonl", "errors"


class Task(Record, frozen=True, omit_defaults=False):
    """One scenario under one strategy, with or without its mend."""

    hazard: str
    strategy: str
    mended: bool


class Told(Record, frozen=True, omit_defaults=False):
    """What became of the task of this number; of no outcome, that it has begun."""

    number: int
    outcome: Outcome | None


def launch(
    tasks: Sequence[Task], work: Path, told: Callable[[Task], object] = lambda _: None
) -> dict[Task, Outcome]:
    """Run the tasks in processes of their own, and again those behind one that ended them.

    Args:
        tasks: in this order.
        work: an empty folder.
        told: called once for each task as it ends.
    """
    found: dict[Task, Outcome] = {}
    while rest := list(tasks)[len(found) :]:
        folder = work / f"launch-{len(found)}"
        folder.mkdir()
        last = _launch(rest, folder, told)
        begun = {entry.number: entry.outcome for entry in _entries(folder)}
        for number, task in enumerate(rest[: len(begun)]):
            ended = Outcome("error", f"The processes ended or hung in it: {last}", error="hang")
            found[task] = begun[number] or ended
            if begun[number] is None:
                told(task)
        if not begun:
            never = Outcome("broken", f"The processes ended before its turn: {last}")
            for task in rest:
                found[task] = never
                told(task)
    return found


def _launch(tasks: Sequence[Task], work: Path, told: Callable[[Task], object]) -> str:
    """One launch until it ends, and the last line of what went wrong in it."""
    (work / _TASKS).write_bytes(msgspec.json.encode(list(tasks)))
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(PROCESSES), "-m", "bench.hazards.ranks", str(work)]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with (work / _ERRORS).open("wb") as errors:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            _wait(process, work, tasks, told)
        finally:
            process.terminate()
            process.wait()
    lines = (work / _ERRORS).read_text("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else f"no answer within {_LAUNCH} s"


def _wait(
    process: subprocess.Popen[bytes],
    work: Path,
    tasks: Sequence[Task],
    told: Callable[[Task], object],
) -> None:
    """Until the processes end, or the time that they have is over."""
    until = time.monotonic() + _LAUNCH
    heard = 0
    while heard < len(tasks) and time.monotonic() < until:
        ended = process.poll() is not None
        done = sum(entry.outcome is not None for entry in _entries(work))
        for task in tasks[heard:done]:
            told(task)
        heard = done
        if ended:
            return
        time.sleep(0.1)
    if heard == len(tasks):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ANSWER)


def _entries(work: Path) -> list[Told]:
    """The whole lines of what has been told so far."""
    file = work / _DONE
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [msgspec.json.decode(line, type=Told) for line in lines]


def main(work: Path) -> None:
    """What one process does: each task in a process group of its own."""
    tasks = msgspec.json.decode((work / _TASKS).read_bytes(), type=list[Task])
    rank = int(os.environ["RANK"])
    for number, task in enumerate(tasks):
        if rank == 0:
            _append(work, Told(number, None))
        outcome = _carry_out(task, rank, work / f"store-{number}")
        if rank == 0:
            _append(work, Told(number, outcome))


def _carry_out(task: Task, rank: int, store: Path) -> Outcome:
    dist.init_process_group(
        "gloo",
        store=dist.FileStore(str(store), PROCESSES),  # type: ignore[attr-defined]
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(seconds=_ANSWER),
    )
    try:
        with undisturbed():
            return ROSTER[task.hazard].outcome(find(task.strategy), mended=task.mended)
    except Exception as error:
        return Outcome("broken", raised(error).says)
    finally:
        dist.destroy_process_group()


def _append(work: Path, told: Told) -> None:
    with (work / _DONE).open("ab") as stream:
        stream.write(msgspec.json.encode(told) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
