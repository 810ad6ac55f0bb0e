"""Flags set before and after a DistributedDataParallel wrap, on two processes with gloo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

PROCESSES = 2
LIMIT = 60.0
"""Seconds for all of it; a reducer that waits for a gradient may wait for ever."""

_STEPS = 3
_PATIENCE = timedelta(seconds=20)

MOMENTS = {
    "before the wrap": (True, False),
    "after the wrap": (False, False),
    "after the wrap, with find_unused_parameters": (False, True),
}
"""Whether the flags are off before the wrap, and whether the wrap looks for unused parameters."""


@dataclass(frozen=True)
class Wrapped:
    """Some steps with the flags set at one moment.

    Attributes:
        error: of the first process that raised, or `no answer` where the limit ran out.
        still: no frozen parameter moved.
        agree: the trained parameters are the same to the bit in all processes.
        averaged: and moved as they do where the flags were off before the wrap.
    """

    error: str
    still: bool
    agree: bool
    averaged: bool

    @property
    def works(self) -> bool:
        """It ran, froze, and averaged the gradients of the rest."""
        return not self.error and self.still and self.agree and self.averaged


class NoDistributedError(RuntimeError):
    """The processes could not be started, or told nothing; the message says the last line."""


def wrapped() -> dict[str, Wrapped]:
    """Each moment's outcome, from two processes of `torch.distributed.run`.

    Raises:
        NoDistributedError: the processes told nothing at all.
    """
    with tempfile.TemporaryDirectory(prefix="freezebench-") as folder:
        said, late = _launched(Path(folder))
        found = {}
        for moment in MOMENTS:
            file = Path(folder) / f"{list(MOMENTS).index(moment)}.json"
            if file.exists():
                found[moment] = Wrapped(**json.loads(file.read_text()))
            elif late and found:
                found[moment] = Wrapped("no answer", still=False, agree=False, averaged=False)
    if not found:
        last = (said.strip().splitlines() or ["they ended without a word"])[-1]
        raise NoDistributedError(f"two processes with gloo told nothing: {last}")
    return found


def _launched(folder: Path) -> tuple[str, bool]:
    """What the processes said on stderr, and whether their time ran out."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        f"--nproc-per-node={PROCESSES}", "-m", __name__, str(folder),
    ]  # fmt: skip
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        return process.communicate(timeout=LIMIT)[1], False
    except subprocess.TimeoutExpired:
        return "", True
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _main(folder: Path) -> None:
    """One of the processes; the first one writes what all found."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    expected: torch.Tensor | None = None
    for place, (before, unused) in enumerate(MOMENTS.values()):
        error, still, trained = _train(flags_first=before, find_unused=unused)
        if expected is None:
            expected = trained
        mine = (error, still, bool(torch.equal(trained, expected)), trained)
        everyone: list[tuple[str, bool, bool, torch.Tensor]] = [mine] * PROCESSES
        distributed.all_gather_object(everyone, mine)
        found = Wrapped(
            error=next((said for said, *_ in everyone if said), ""),
            still=all(still for _, still, *_ in everyone),
            agree=all(torch.equal(each, everyone[0][3]) for *_, each in everyone),
            averaged=all(same for *_, same, _ in everyone),
        )
        if distributed.get_rank() == 0:
            (folder / f"{place}.json").write_text(json.dumps(asdict(found)))
    distributed.destroy_process_group()


def _train(*, flags_first: bool, find_unused: bool) -> tuple[str, bool, torch.Tensor]:
    """The error if one was raised, whether the frozen part stayed, and the trained part."""
    torch.manual_seed(0)
    frozen = nn.Linear(6, 8)
    model = nn.Sequential(frozen, nn.ReLU(), nn.Linear(8, 3))
    start = frozen.weight.detach().clone()
    if flags_first:
        frozen.requires_grad_(False)
    parallel = DistributedDataParallel(model, find_unused_parameters=find_unused)
    frozen.requires_grad_(False)
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    torch.manual_seed(1 + distributed.get_rank())  # other samples in each process
    error = ""
    try:
        for _ in range(_STEPS):
            optimizer.zero_grad()
            labels = torch.randint(3, (8,))
            nn.functional.cross_entropy(parallel(torch.randn(8, 6)), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    except RuntimeError as problem:
        error = str(problem).split(". ")[0].splitlines()[0]
    trained = torch.cat([parameter.detach().flatten() for parameter in model[2].parameters()])
    return error, bool(torch.equal(frozen.weight, start)), trained


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
