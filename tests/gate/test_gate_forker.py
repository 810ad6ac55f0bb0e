"""Forkers and their workers as processes; an interpreter without torch starts at once."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from side_folders import HELLO, at_most_two_minutes, checkout, freezebench_of

from bench.gate.time import sides
from bench.gate.time.sides import Side, SideError, Stable
from bench.gate.time.wire import PROTOCOL
from bench.run.process import WorkerLostError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["at_most_two_minutes"]
pytestmark = pytest.mark.usefixtures("at_most_two_minutes")


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60
    )
    return folder / "bin" / "python"


def bare_stable(bare_python: Path, scratch: Path) -> Stable:
    stable = Stable([bare_python], 1, [], scratch)
    stable.renew()
    return stable


def refused_hello(stable: Stable, side: Side) -> str:
    with pytest.raises(SideError) as refused:
        stable.fork(side).hello(side.checkout)
    return str(refused.value)


def test_an_interpreter_without_freezebench_is_told(bare_python: Path, tmp_path: Path) -> None:
    with bare_stable(bare_python, tmp_path) as stable:
        said = refused_hello(stable, Side(checkout("base", tmp_path), bare_python))
    # Unpacked, this harness is found from there, and what it needs is not.
    assert said in {
        f"base (BASE) cannot take part: its interpreter has no module {name}; "
        "install freezebench there"
        for name in ("msgspec", "bench", "psutil")
    }


def test_another_protocol_is_told_with_both_numbers(bare_python: Path, tmp_path: Path) -> None:
    other = {"protocol": PROTOCOL + 1, "version": "9.9", "new": ["field"]}
    with bare_stable(bare_python, tmp_path) as stable:
        said = refused_hello(stable, Side(freezebench_of(tmp_path, other), bare_python))
    assert said == (
        f"base (BASE) brings a freezebench (9.9) whose gate speaks protocol {PROTOCOL + 1}, and "
        f"this one speaks {PROTOCOL}; compare commits between which it did not change"
    )


def test_an_interpreter_that_is_none_is_told(tmp_path: Path) -> None:
    nothing = tmp_path / "python"
    with pytest.raises(SideError, match="does not start: No such file"):
        Stable([nothing], 1, [], tmp_path).renew()
    nothing.write_text("#!/bin/sh\necho all is lost >&2\nexit 1\n")
    nothing.chmod(0o755)
    with Stable([nothing], 1, [], tmp_path) as stable, pytest.raises(SideError) as refused:
        stable.renew()
    assert str(refused.value) == (
        f"{nothing} cannot start (all is lost); give an interpreter that freezebench is "
        "installed in"
    )


def test_an_interpreter_that_never_gets_ready_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sides, "START_TIMEOUT", 0.1)
    stuck = tmp_path / "python"
    stuck.write_text("#!/bin/sh\nsleep 1000\n")
    stuck.chmod(0o755)
    with Stable([stuck], 1, [], tmp_path) as stable, pytest.raises(SideError) as refused:
        stable.renew()
    assert "has not imported torch after" in str(refused.value)
    assert _gone(psutil.Process().children(recursive=True), but=stuck)


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt])
def test_no_process_outlives_its_stable(
    bare_python: Path, tmp_path: Path, error: type[BaseException] | None
) -> None:
    side = Side(freezebench_of(tmp_path, HELLO), bare_python)
    processes: list[psutil.Process] = []

    def live() -> None:
        with bare_stable(bare_python, tmp_path) as stable:
            workers = [stable.fork(side) for _ in range(3)]
            for worker in workers:  # which leave something behind, too
                processes.append(psutil.Process(worker.ask("spawn")))
                processes.append(psutil.Process(worker._worker))
            processes.append(psutil.Process(processes[-1].ppid()))
            workers[0].end()
            if error is not None:
                raise error

    if error is None:
        live()
    else:
        with pytest.raises(error):
            live()
    assert len(processes) == 7
    assert _gone(processes)


def test_a_renewal_ends_the_processes_before_and_forks_from_others(
    bare_python: Path, tmp_path: Path
) -> None:
    side = Side(freezebench_of(tmp_path, HELLO), bare_python)
    with bare_stable(bare_python, tmp_path) as stable:
        before = psutil.Process(stable.fork(side)._worker)
        forker = before.parent()
        stable.renew()
        after = psutil.Process(stable.fork(side)._worker)
        assert _gone([before, forker])
        assert after.parent() != forker


def test_one_forker_serves_both_sides_of_an_interpreter(bare_python: Path, tmp_path: Path) -> None:
    one = freezebench_of(tmp_path / "one", HELLO)
    other = freezebench_of(tmp_path / "other", HELLO)
    with Stable([bare_python, bare_python], 1, [], tmp_path) as stable:
        stable.renew()
        workers = [stable.fork(Side(one, bare_python)), stable.fork(Side(other, bare_python))]
        parents = {psutil.Process(worker._worker).ppid() for worker in workers}
    assert len(parents) == 1


def test_without_its_forker_no_worker_can_be_forked(bare_python: Path, tmp_path: Path) -> None:
    side = Side(freezebench_of(tmp_path, HELLO), bare_python)
    with bare_stable(bare_python, tmp_path) as stable:
        worker = stable.fork(side)
        process = psutil.Process(worker._worker)
        process.parent().kill()  # type: ignore[union-attr]
        assert _gone([process])  # it ends with its parent
        with pytest.raises(WorkerLostError, match=r"forked from ended: .* killed by SIGKILL"):
            worker.ask("hello", timeout=30.0)
        with pytest.raises(SideError, match=r"^base \(BASE\): no worker can be forked"):
            stable.fork(side)


def _gone(processes: list[Any], but: Path | None = None) -> bool:
    """Whether all have ended; whoever inherits an orphan may take a moment to bury it."""
    until = time.monotonic() + 10.0
    while time.monotonic() < until:
        if not any(_lives(process, but) for process in processes):
            return True
        time.sleep(0.02)
    return False


def _lives(process: psutil.Process, named: Path | None) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return named is None or str(named) in process.cmdline()
    except psutil.NoSuchProcess:
        return False
