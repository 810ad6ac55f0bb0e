"""Who pipes the output into something that stops reading gets the exit code all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.cli.exits import DONE, WRONG_REQUEST

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {
    "a table": (["list"], DONE),
    "lines": (["--help"], DONE),
    "a mistake": (["compare", "nowhere", "neither"], WRONG_REQUEST),
}


@pytest.mark.parametrize("streams", [("stdout",), ("stdout", "stderr")], ids=" and ".join)
@pytest.mark.parametrize(("command", "code"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_whose_reader_left_ends_as_it_would_have(
    tmp_path: Path, streams: tuple[str, ...], command: list[str], code: int
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    kept = tmp_path / "stderr"
    with kept.open("wb") as stderr:
        done = subprocess.run(
            [sys.executable, "-m", "bench", *command],
            stdout=writer,
            stderr=writer if "stderr" in streams else stderr,
            check=False,
        )
    os.close(writer)
    assert done.returncode == code
    assert b"Traceback" not in kept.read_bytes()
    assert b"Exception ignored" not in kept.read_bytes()


def test_what_is_read_is_whole(tmp_path: Path) -> None:
    through = subprocess.run(
        [sys.executable, "-m", "bench", "list"], capture_output=True, check=True
    ).stdout
    with (tmp_path / "file").open("wb") as file:
        subprocess.run([sys.executable, "-m", "bench", "list"], stdout=file, check=True)
    assert through == (tmp_path / "file").read_bytes()
    assert through.endswith(b"\n")
    assert b"requires_grad" in through
