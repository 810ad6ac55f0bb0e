from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from bench.run import interruption
from bench.run.process import ForkedWorker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    hook = sys.unraisablehook
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    interruption.listen()
    yield
    interruption.listen()  # forgets what was asked for
    for number, handler in before.items():
        signal.signal(number, handler)
    sys.unraisablehook = hook


class Dies:
    """Is interrupted in its destructor, where Python drops exceptions."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_that_python_drops_is_found_at_the_next_check(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    interruption.check()
    thing = Dies(number)
    del thing
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        interruption.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_raised_at_once(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_that_is_held_back_comes_at_the_next_check(number: signal.Signals) -> None:
    with interruption.held_back():
        os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        interruption.check()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


class Starting:
    """A worker's process that is asked to stop while it starts."""

    started = False
    sentinel = 0

    def start(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        self.started = True


def test_a_worker_is_started_in_full_before_a_run_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Starting()
    context = multiprocessing.get_context("forkserver")
    monkeypatch.setattr(context, "Process", lambda **_: process, raising=False)

    worker = ForkedWorker(context)

    assert process.started
    with pytest.raises(KeyboardInterrupt):
        worker.ask("anything")
