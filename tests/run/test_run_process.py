from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from stage import make_request

from bench.run.process import CellError, ForkedWorker, RefusedError, WorkerLostError, fork_server

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("at_most_a_minute")

# What a user's workload may do to its worker.
MISDEEDS = """
import os, signal, time
from torch import nn

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

def leaves():
    os._exit(7)

def hangs():
    while True:
        time.sleep(1)

def raises():
    raise ValueError("not today")
"""


@pytest.fixture
def worker():
    process = ForkedWorker(fork_server([]))
    yield process
    process.end()


@pytest.fixture
def misdeeds(tmp_path: Path) -> Path:
    file = tmp_path / "misdeeds.py"
    file.write_text(MISDEEDS)
    return file


def test_a_killed_worker_is_told_with_its_signal(worker: ForkedWorker, misdeeds: Path) -> None:
    with pytest.raises(WorkerLostError, match="killed by SIGKILL"):
        worker.ask("plan", make_request(workloads=(f"{misdeeds}:killed",)))


def test_a_worker_that_leaves_is_told_with_its_exit_code(
    worker: ForkedWorker, misdeeds: Path
) -> None:
    with pytest.raises(WorkerLostError, match="exit code 7"):
        worker.ask("plan", make_request(workloads=(f"{misdeeds}:leaves",)))


def test_a_worker_that_hangs_is_ended_at_the_timeout(worker: ForkedWorker, misdeeds: Path) -> None:
    with pytest.raises(WorkerLostError, match="no answer within 2 s"):
        worker.ask("plan", make_request(workloads=(f"{misdeeds}:hangs",)), timeout=2.0)


def test_a_request_that_cannot_run_is_refused_with_a_sentence(
    worker: ForkedWorker, misdeeds: Path
) -> None:
    with pytest.raises(RefusedError, match="not today"):
        worker.ask("plan", make_request(workloads=(f"{misdeeds}:raises",)))


def test_a_worker_lives_on_after_a_failure(worker: ForkedWorker, misdeeds: Path) -> None:
    with pytest.raises(RefusedError):
        worker.ask("plan", make_request(workloads=(f"{misdeeds}:raises",)))
    with pytest.raises(CellError, match="AttributeError") as failure:
        worker.ask("no_such_request")
    assert not failure.value.worker_lost


def test_ending_a_worker_twice_does_no_harm(worker: ForkedWorker) -> None:
    worker.end()


def test_the_conductor_itself_never_imports_torch() -> None:
    program = """
import sys
from bench.run import session
from bench.run.process import RefusedError
import sys; sys.path.insert(0, "tests/run")
from stage import make_request
from bench.run.progress import Unwatched
from pathlib import Path
if __name__ == "__main__":
    try:
        session.begin(make_request(workloads=("no-such-thing",)), Path("unused"), Unwatched())
    except RefusedError as error:
        print("refused:", error)
    print("torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "refused: no-such-thing: there is no such workload" in done.stdout
    assert done.stdout.split()[-1] == "False"
