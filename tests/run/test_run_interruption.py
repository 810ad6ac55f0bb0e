from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from bench.run import interruption

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
