"""A results folder holds whole files only, whatever the disk or the process comes to."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from stored_runs import names, run

from bench import store
from bench.store import RUN_FILE, RunFolder, StoreError, create, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("name", [RUN_FILE, "table.md"])
def test_what_a_killed_process_had_half_written_is_removed_by_the_next_one(
    folder: RunFolder, name: str
) -> None:
    folder.save(run())
    killed = (
        "import os, sys; from bench.store import RunFolder; from pathlib import Path\n"
        "os.fsync = lambda file: os.kill(os.getpid(), 9)\n"
        "RunFolder(Path(sys.argv[1])).write(sys.argv[2], b'half')"
    )
    subprocess.run([sys.executable, "-c", killed, str(folder.path), name], check=False)
    assert len(names(folder.path)) == 2
    folder.lock()
    assert names(folder.path) == [RUN_FILE]
    assert load(folder.path)[1] == run()


def fails(code: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("moment", ["fsync", "chmod", "replace"])
def test_a_write_that_fails_leaves_what_was_there(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    folder.save(run())
    monkeypatch.setattr(store.os, moment, fails(errno.EIO))
    with pytest.raises(StoreError):
        folder.save(run(state="done"))
    assert load(folder.path)[1].state == "running"


@pytest.mark.parametrize("moment", ["fsync", "chmod", "replace"])
def test_a_write_that_fails_leaves_no_half_file(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(store.os, moment, fails(errno.EIO))
    with pytest.raises(StoreError):
        folder.save(run())
    assert names(folder.path) == []


def test_a_crash_before_the_last_moment_leaves_what_was_there(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(BaseException):
        pass

    def cut(*_: object) -> None:
        raise PowerCutError

    folder.save(run())
    monkeypatch.setattr(store.os, "replace", cut)
    with pytest.raises(PowerCutError):
        folder.save(run(state="done"))
    assert load(folder.path)[1].state == "running"


def test_the_content_is_on_the_disk_before_it_gets_its_name(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def noting(*args: Any, name: str = name, real: Any = real) -> None:
            order.append(name)
            real(*args)

        monkeypatch.setattr(store.os, name, noting)
    folder.save(run())
    assert order == ["fsync", "replace"]


def test_a_full_disk_says_how_to_go_on(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.os, "fsync", fails(errno.ENOSPC))
    with pytest.raises(StoreError, match=r"cannot write .*run\.json: no space is left .* --resume"):
        folder.save(run())


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    gone = RunFolder(tmp_path / "gone")
    with pytest.raises(StoreError, match=r"gone.*no such file or directory"):
        gone.save(run())


def test_a_file_in_place_of_the_results_folder_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot write to .*results: .*; choose another with"):
        create(tmp_path / "results", "a machine")


def test_a_folder_that_may_not_be_written_is_named_with_a_way_out(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(StoreError, match=r"permission denied; choose another with --results"):
        create(closed, "a machine")
