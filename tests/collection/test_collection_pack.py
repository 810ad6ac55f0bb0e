"""A pack holds finished, honest runs as they are, and the same runs give the same bytes."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner
from travel_stage import COMMITTED, committed, encoded, keep, path_of

from bench.cli import main
from bench.collection.find import FindError, find_runs
from bench.collection.manifest import digest
from bench.collection.pack import PackError, pack

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "20261124-101112-0a1b"


def test_a_pack_holds_each_run_as_it_is_and_a_manifest_of_it(tmp_path: Path) -> None:
    (tmp_path / "runs.zip").write_bytes(pack([COMMITTED / "run.json"]).content)
    content = (COMMITTED / "run.json").read_bytes()
    with zipfile.ZipFile(tmp_path / "runs.zip") as archive:
        assert archive.read(f"{COMMITTED.parent.name}/{COMMITTED.name}/run.json") == content
        manifest = msgspec.json.decode(archive.read("manifest.json"))
    assert manifest["files"] == [
        {
            "path": f"{COMMITTED.parent.name}/{COMMITTED.name}/run.json",
            "sha256": digest(content),
            "bytes": len(content),
        }
    ]


def test_the_order_in_which_runs_are_named_leaves_no_trace(tmp_path: Path) -> None:
    one = keep(tmp_path, committed("full"))
    other = keep(tmp_path, committed("full"), id=OTHER)
    assert pack([one, other]).content == pack([other, one]).content


def test_a_run_that_is_named_twice_is_packed_once_with_a_note(tmp_path: Path) -> None:
    one, again = keep(tmp_path / "a", committed("full")), keep(tmp_path / "b", committed("full"))
    packed = pack([one, again])
    assert len(packed.places) == 1
    assert packed.notes == [f"{again}: packed once, though it was named twice"]


def test_two_contents_of_one_id_are_refused(tmp_path: Path) -> None:
    one = keep(tmp_path / "a", committed("full"))
    other = keep(tmp_path / "b", committed("full"), timed_seconds=1.0)
    with pytest.raises(PackError, match="named twice with other content"):
        pack([one, other])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "running"}, "is running, not done"),
        ({"synthetic": True}, "made up"),
        ({"cells": []}, "has no cell"),
    ],
)
def test_a_run_that_is_not_fit_to_travel_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    file = keep(tmp_path, committed("full"), **changes)
    with pytest.raises(PackError) as refused:
        pack([file])
    assert str(file) in str(refused.value)
    assert why in str(refused.value)


def test_a_results_folder_means_all_its_runs_each_once(tmp_path: Path) -> None:
    files = [keep(tmp_path, committed("full"), id=run_id) for run_id in (OTHER, committed().id)]
    assert find_runs([tmp_path, files[0], files[1].parent]) == sorted(files)


def test_what_is_still_being_written_is_no_run(tmp_path: Path) -> None:
    file = keep(tmp_path, committed("full"))
    keep(tmp_path / ".merging-x", committed("full"))
    assert find_runs([tmp_path]) == [file]


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_a_run_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FindError, match=name):
        find_runs([tmp_path / name])


def typed(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["pack", *map(str, arguments)])


def test_the_command_says_what_it_packed(tmp_path: Path) -> None:
    done = typed(COMMITTED, "-o", tmp_path / "runs.zip")
    assert done.exit_code == 0
    assert f"packed {COMMITTED.parent.name}/{COMMITTED.name}" in done.output


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "runs.zip").write_text("mine")
    refused = typed(COMMITTED, "-o", tmp_path / "runs.zip")
    assert refused.exit_code == 2
    assert (tmp_path / "runs.zip").read_text() == "mine"
    assert typed(COMMITTED, "-o", tmp_path / "runs.zip", "--force").exit_code == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, 2]", b'{"schema": 99}', b'{"a":' + b"[" * 10**5]
)
def test_what_is_no_run_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    refused = typed(tmp_path / "run.json", "-o", tmp_path / "runs.zip")
    assert refused.exit_code == 2
    assert refused.output.startswith(f"freezebench: {tmp_path / 'run.json'}")


def test_a_pack_into_no_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    refused = typed(COMMITTED, "-o", tmp_path / "missing" / "runs.zip")
    assert refused.exit_code == 2
    assert "there is no folder" in refused.output


def test_packing_changes_no_run(tmp_path: Path) -> None:
    run = committed("full")
    file = keep(tmp_path, run)
    pack([file])
    assert file.read_bytes() == encoded(run)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / path_of(run)]
