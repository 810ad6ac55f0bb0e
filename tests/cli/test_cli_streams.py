"""What is printed where nobody reads on, or into a full disk, is no traceback and no finding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.exits import DONE, WRONG_REQUEST

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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", [["list"], ["--help"]], ids=" ".join)
def test_a_full_disk_is_told_in_a_sentence(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bench", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == WRONG_REQUEST
    assert done.stderr == (
        "freezebench: cannot write to stdout: no space left on device; send it elsewhere\n"
    )


def test_what_is_read_is_whole(tmp_path: Path) -> None:
    through = subprocess.run(
        [sys.executable, "-m", "bench", "list"], capture_output=True, check=True
    ).stdout
    with (tmp_path / "file").open("wb") as file:
        subprocess.run([sys.executable, "-m", "bench", "list"], stdout=file, check=True)
    assert through == (tmp_path / "file").read_bytes()
    assert through.endswith(b"\n")
    assert b"requires_grad" in through
