"""The golden file on the disk, and what a request amounts to beside it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from counts import cell, cells, entry, golden, workload
from hypothesis import given
from hypothesis import strategies as st

from bench.gate.counters.golden import (
    PLACE,
    Entry,
    Golden,
    GoldenError,
    Settings,
    encoded,
    minor,
    nearest,
    read,
    update_command,
    write,
)
from bench.gate.counters.jobs import Asked, jobs_of
from bench.run.messages import Known
from bench.run.process import RefusedError
from bench.store import StoreError

if TYPE_CHECKING:
    from bench.gate.counters.golden import CellCounts
    from bench.gate.counters.jobs import Job

KNOWN = Known("2.15.0+cpu", ("policy", "adapter"), ("full", "requires_grad"))


# --- on the disk ----------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "new" / "counters.json"
    stored = golden(v2_9=entry(), v2_15=entry(w=workload({"full": cell(moved=("a (buffer)",))})))
    write(file, stored)
    assert read(file) == stored


@given(st.dictionaries(st.text(max_size=5), cells, max_size=2))
def test_any_counts_survive_the_file(
    tmp_path_factory: pytest.TempPathFactory, some: dict[str, CellCounts]
) -> None:
    file = tmp_path_factory.mktemp("golden") / "counters.json"
    stored = golden(v2_15=entry(w=workload(some)))
    write(file, stored)
    assert read(file) == stored


def test_there_is_no_golden_file(tmp_path: Path) -> None:
    assert read(tmp_path / "counters.json") is None


def test_each_figure_has_a_line_of_its_own_in_an_order_that_stays() -> None:
    one = encoded(golden(v2_15=entry(a=workload(), b=workload()))).decode()
    other = encoded(golden(v2_15=entry(b=workload(), a=workload()))).decode()
    assert one == other
    assert one.endswith("}\n")
    changed = encoded(
        golden(v2_15=entry(a=workload(), b=workload({"requires_grad": cell(saved_bytes=1)})))
    )
    lines = zip(one.splitlines(), changed.decode().splitlines(), strict=True)
    assert [(was.strip(), now.strip()) for was, now in lines if was != now] == [
        ('"saved_bytes": 640,', '"saved_bytes": 1,')
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (encoded(golden())[:200], "truncated"),
        (b"", "truncated or no JSON"),
        (b"\xff\xfe", "truncated or no JSON"),
        (b"[]", "no valid golden file"),
        (b"{}", "no valid golden file"),
        (b'{"schema": 99, "torch": {}}', "schema 99, and this freezebench reads 1"),
        (b'{"schema": 1, "torch": {"new": {}}}', "no valid golden file"),
        (encoded(golden()).replace(b"640", b'"640"'), "no valid golden file"),
        (encoded(golden()).replace(b"640", b"-640"), "no valid golden file"),
        (encoded(golden()).replace(b"saved_bytes", b"saved_bits"), "saved_bits"),
        (encoded(golden()).replace(b'"ok"', b'"fine"'), "fine"),
    ],
)
def test_a_damaged_golden_file_is_told_in_a_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "counters.json"
    file.write_bytes(content)
    with pytest.raises(GoldenError) as refusal:
        read(file)
    assert said in str(refusal.value)
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_folder_is_no_golden_file(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="is a directory"):
        read(tmp_path)


def test_a_golden_file_that_cannot_be_replaced_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "counters.json"
    write(file, golden())
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="cannot write"):
        write(file, golden(v2_9=entry()))
    assert read(file) == golden()
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GoldenError, match="cannot make the folder"):
        write(tmp_path / "file" / "counters.json", golden())


@pytest.mark.parametrize(
    ("stored", "own", "expected"),
    [
        (["2.9", "2.13"], "2.15.1", "2.13"),
        (["2.9", "2.13"], "2.10", "2.9"),
        (["2.9", "2.11"], "2.10.0+cu130", "2.9"),
        (["2.9", "2.15"], "2.15.0", "2.15"),
        (["2.30", "3.0"], "2.9", "2.30"),
        ([], "2.9", None),
    ],
)
def test_the_nearest_version_stands_in(stored: list[str], own: str, expected: str | None) -> None:
    assert nearest(Golden(1, {version: entry() for version in stored}), own) == expected


def test_builds_and_patches_of_a_version_share_its_entry() -> None:
    assert {minor(version) for version in ("2.15.0", "2.15.1+cu132", "2.15.0a0+git1")} == {"2.15"}


def test_the_command_to_update_names_another_file() -> None:
    assert update_command("results/counters.json").endswith("--update")
    assert update_command("my own.json").endswith("--update --golden 'my own.json'")


# --- requests -------------------------------------------------------------------------------------


def jobs(basis: Entry | None, *, update: bool = False, **asked: object) -> list[Job]:
    return jobs_of(Asked(**asked), basis, KNOWN, "g.json", update=update)  # type: ignore[arg-type]


def test_a_first_request_is_for_everything_built_in() -> None:
    assert [job.key for job in jobs(None, update=True)] == ["policy", "adapter"]
    assert all(job.every_strategy and job.settings == Settings() for job in jobs(None))


def test_a_bare_request_repeats_what_was_agreed_to() -> None:
    own = workload(settings=Settings(batch=4, optimizer="sgd"), every_strategy=False,
                   strategies=("ways.py:Mine",))  # fmt: skip
    (job,) = jobs(Entry("2.15.0", built_in=False, workloads={"own.py:mlp": own}))
    assert (job.spec, job.settings, job.stored) == ("own.py:mlp", own.settings, own)
    assert job.request(KNOWN, 1.0).strategies == ("ways.py:Mine",)
    assert job.request(KNOWN, 1.0).batch == 4


def test_a_new_built_in_workload_joins_and_one_that_is_gone_does_not_stop_the_rest() -> None:
    found = jobs(entry(**{"policy": workload(), "gone": workload(), "own.py:f": workload()}))
    assert [job.key for job in found] == ["policy", "adapter", "own.py:f"]


def test_a_path_is_stored_relative_to_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (job,) = jobs(None, workloads=(f"{tmp_path}/deep/own.py:f",), update=True)
    assert job.key == "deep/own.py:f"


def test_two_workloads_of_one_name_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"two workloads are called own\.py:f"):
        jobs(None, workloads=("/a/own.py:f", "/b/own.py:f"), update=True)


def test_a_workload_that_is_not_in_the_file_is_refused_with_the_way_in() -> None:
    with pytest.raises(RefusedError, match=r"--update --golden g\.json --workload adapter"):
        jobs(entry(policy=workload()), workloads=("adapter",))


def test_other_settings_are_refused_by_name() -> None:
    with pytest.raises(RefusedError, match=r"batch of its own \(asked for: 4\)"):
        jobs(entry(policy=workload()), settings={"batch": 4})


def test_the_same_settings_may_be_typed() -> None:
    assert jobs(entry(policy=workload()), settings={"seed": 0, "steps": 5})[0].stored


def test_update_replaces_the_settings_of_a_workload_but_not_of_some_of_its_cells() -> None:
    stored = entry(policy=workload())
    first = jobs(stored, settings={"batch": 4}, update=True)[0]
    assert (first.settings.batch, first.stored) == (4, None)
    with pytest.raises(RefusedError, match="leave --strategy out"):
        jobs(stored, settings={"batch": 4}, strategies=("full",), update=True)


def test_the_golden_file_of_this_repository_is_kept_as_it_would_be_written() -> None:
    file = Path(__file__).resolve().parents[2] / PLACE
    stored = read(file)
    assert stored is not None
    assert encoded(stored) == file.read_bytes()
    for version in stored.torch.values():
        for counts in version.workloads.values():
            assert counts.cells["full"].verdict == "reference"
