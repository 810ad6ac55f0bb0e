"""A results folder holds whole files only, and says exactly what is wrong with one that is not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import store
from bench.records import (
    SCHEMA,
    Cell,
    Counters,
    Drift,
    Interference,
    Interval,
    Machine,
    Memory,
    Midway,
    Moved,
    Origin,
    Phase,
    Project,
    Request,
    Run,
    Samples,
    Split,
    Summary,
    Telemetry,
    Warmup,
)
from bench.store import RUN_FILE, RunFolder, StoreError, create, load, slug

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**60)
intervals = st.builds(Interval, numbers, st.none() | numbers, st.none() | numbers)
splits = st.none() | st.builds(Split, counts, counts)
drifts = st.builds(
    Drift,
    steps=counts,
    moved=st.lists(
        st.builds(Moved, st.text(), st.just("buffer"), *[st.none() | numbers] * 3), max_size=2
    ),
    without_gradient=st.lists(st.text(), max_size=2),
    update_error=st.none() | numbers,
)


def columns(length: int, entries: st.SearchStrategy[Any] = numbers) -> st.SearchStrategy[list[Any]]:
    return st.lists(entries, min_size=length, max_size=length)


def samples(length: int) -> st.SearchStrategy[Samples]:
    return st.builds(Samples, *[columns(length)] * 4)


timed = st.integers(0, 3).flatmap(
    lambda steps: st.fixed_dictionaries(
        {
            "samples": samples(steps),
            "origin": st.builds(Origin, *[columns(steps, counts)] * 3),
            "host_samples": st.none() | samples(steps),
        }
    )
)
warmups = st.integers(0, 2).flatmap(
    lambda steps: st.builds(
        Warmup, samples(steps), columns(steps, counts), columns(steps, st.booleans())
    )
)
cells = st.builds(
    lambda lists, **others: Cell(**lists, **others),
    timed,
    workload=st.text(),
    strategy=st.text(),
    topology=st.just("front"),
    device=st.just("cpu"),
    dtype=st.sampled_from(["float32", "bfloat16", "float16"]),
    batch=counts,
    threads=counts,
    optimizer=st.just("adam"),
    verdict=st.sampled_from(["reference", "ok", "leaks", "severed", "diverges", "failed"]),
    why=st.text(),
    midway=st.none() | st.builds(Midway, st.just("ok"), st.text(), st.none() | drifts),
    summary=st.none()
    | st.builds(
        Summary,
        counts,
        counts,
        st.dictionaries(st.text(), st.builds(Phase, intervals, st.none() | intervals), max_size=2),
        st.dictionaries(st.text(), numbers, max_size=2),
        launch_bound=st.none() | st.booleans(),
    ),
    memory=st.builds(Memory, splits, peak_bytes=st.none() | counts, notes=st.lists(st.text())),
    counters=st.builds(Counters, forward_flops=st.none() | counts),
    drift=st.none() | drifts,
    warmup=st.none() | warmups,
    interference=st.lists(
        st.builds(Interference, counts, counts, numbers, numbers, st.none() | counts), max_size=2
    ),
)


def cell(**more: Any) -> Cell:
    fields: dict[str, Any] = {
        "workload": "policy",
        "strategy": "full",
        "topology": "front",
        "device": "cpu",
        "dtype": "float32",
        "batch": 4,
        "threads": 1,
        "optimizer": "adam",
        "verdict": "ok",
        "why": "",
        "samples": Samples([1.0], [2.0], [3.0], [6.0]),
        "origin": Origin([1], [1], [0]),
    }
    return Cell(**{**fields, **more})


def run(**changes: Any) -> Run:
    made = Run(
        schema=SCHEMA,
        id="20260102-120000-abcd",
        started="2026-01-02T12:00:00+00:00",
        state="running",
        stopped_by=None,
        surveyed_seconds=0.0,
        timed_seconds=0.0,
        request=Request(
            workloads=("policy",),
            strategies=(),
            device="auto",
            dtype="float32",
            batch=None,
            threads=None,
            optimizer="adam",
            seed=0,
            steps=5,
            precision=0.05,
            budget=60.0,
            cell_timeout=60.0,
            freeze=(),
            weights=None,
            compile=False,
            channels_last=False,
        ),
        machine=Machine("a machine", "a cpu", 2, 2**30, "an os", "3.11", "2.9", "0.24", "a blas"),
        project=Project("0.1.0", None, None),
        cells=[cell()],
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


@pytest.fixture
def refused(folder: RunFolder) -> Callable[[bytes], str]:
    """Puts bytes where a run is expected, and tells what is said of them."""

    def say(content: bytes) -> str:
        (folder.path / RUN_FILE).write_bytes(content)
        with pytest.raises(StoreError) as error:
            load(folder.path)
        assert str(folder.path / RUN_FILE) in str(error.value)
        return str(error.value)

    return say


def with_change(change: Callable[[Any], None]) -> bytes:
    plain = msgspec.json.decode(msgspec.json.encode(run()))
    change(plain)
    return msgspec.json.encode(plain)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- there and back ------------------------------------------------------------------------------


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(found=st.lists(cells, max_size=2))
def test_a_run_is_read_as_it_was_saved(folder: RunFolder, found: list[Cell]) -> None:
    saved = run(cells=found)
    folder.save(saved)
    assert load(folder.path)[1] == saved


def test_a_run_of_the_first_schema_is_read_as_one_without_what_came_later(
    folder: RunFolder,
) -> None:
    def earlier(plain: Any) -> None:
        plain["schema"] = 1
        del plain["synthetic"]
        for each in plain["cells"]:
            del each["telemetry"], each["energy"]

    (folder.path / RUN_FILE).write_bytes(with_change(earlier))
    read = load(folder.path)[1]
    assert (read.schema, read.synthetic) == (1, False)
    assert [(each.telemetry, each.energy) for each in read.cells] == [(None, None)]


def test_a_run_is_found_by_its_folder_and_by_its_file(folder: RunFolder) -> None:
    folder.save(run())
    by_folder, by_file = load(folder.path), load(folder.path / RUN_FILE)
    assert by_folder[1] == by_file[1]
    assert by_folder[0].path == by_file[0].path == folder.path


def test_a_later_save_takes_the_place_of_the_earlier_one(folder: RunFolder) -> None:
    folder.save(run())
    folder.save(run(state="done"))
    assert load(folder.path)[1].state == "done"
    assert names(folder.path) == [RUN_FILE]


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


def test_reports_are_written_by_name(folder: RunFolder) -> None:
    folder.write_all([("a.md", b"one"), ("b.csv", b"two")])
    assert [(folder.path / name).read_bytes() for name in ("a.md", "b.csv")] == [b"one", b"two"]


def test_others_may_read_what_was_written(folder: RunFolder) -> None:
    folder.write("a.md", b"one")
    assert (folder.path / "a.md").stat().st_mode & 0o777 == 0o644


# --- a disk that refuses -------------------------------------------------------------------------


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


# --- a run that cannot be read -------------------------------------------------------------------


@pytest.mark.parametrize("target", ["", "run.json", "nowhere"])
def test_a_run_that_is_not_there_is_named(tmp_path: Path, target: str) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*: no such file or directory"):
        load(tmp_path / target)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_ends_too_soon_is_called_truncated(refused, share: float) -> None:
    content = msgspec.json.encode(run())
    assert "is truncated or no JSON" in refused(content[: int(share * len(content))])


@pytest.mark.parametrize("content", [b"\x00\x01", b"hello", b'{"schema": 1, "id": "\xff"}'])
def test_what_is_no_json_is_said_to_be_none(refused, content: bytes) -> None:
    assert "is truncated or no JSON" in refused(content)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_json_has_not_got_is_refused(refused, word: bytes) -> None:
    content = msgspec.json.encode(run()).replace(b'"total":[6.0]', b'"total":[' + word + b"]")
    assert word in content
    assert "is truncated or no JSON" in refused(content)


def test_a_newer_schema_is_said_to_be_newer(refused) -> None:
    def newer(plain: Any) -> None:
        plain.update(schema=SCHEMA + 1, something="that came later")

    said = refused(with_change(newer))
    assert f"has schema {SCHEMA + 1}, and this freezebench reads up to {SCHEMA}" in said
    assert "read it with the version that wrote it" in said


@pytest.mark.parametrize("content", [b"{}", b"[]", b"null", b'{"schema": "one"}'])
def test_json_of_something_else_is_no_run(refused, content: bytes) -> None:
    assert "is not a valid run" in refused(content)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda p: p["cells"][0]["samples"]["total"].append("6"), "$.cells[0].samples.total[1]"),
        (lambda p: p["cells"][0].update(batch="four"), "$.cells[0].batch"),
        (lambda p: p["cells"][0].update(verdict="fine"), "$.cells[0].verdict"),
        (lambda p: p["cells"][0]["samples"]["total"].append(None), "$.cells[0].samples.total[1]"),
        (lambda p: p["request"].update(seed=0.5), "$.request.seed"),
        (lambda p: p["machine"].pop("cpu"), "$.machine"),
    ],
    ids=["text in samples", "text for a count", "verdict", "null", "fraction", "missing"],
)
def test_a_wrong_value_is_told_with_its_place(refused, change, place: str) -> None:
    said = refused(with_change(change))
    assert "is not a valid run" in said
    assert f"`{place}`" in said


def test_a_field_that_nobody_knows_is_refused_by_name(refused) -> None:
    said = refused(with_change(lambda plain: plain["cells"][0].update(sampels=[])))
    assert "`sampels`" in said
    assert "`$.cells[0]`" in said


# --- a new folder --------------------------------------------------------------------------------


def test_a_run_s_folder_is_called_by_machine_and_moment(tmp_path: Path) -> None:
    made, run_id = create(tmp_path, "Intel(R) Xeon(R) @ 2.20GHz", NOON)
    assert made.path == tmp_path / "intel-r-xeon-r-2-20ghz" / run_id
    assert made.path.is_dir()
    assert run_id.startswith("20260102-120000-")


def test_two_runs_of_the_same_second_have_two_folders(tmp_path: Path) -> None:
    made = {create(tmp_path, "a machine", NOON)[1] for _ in range(3)}
    assert len(made) == 3
    assert names(tmp_path / "a-machine") == sorted(made)


def test_a_folder_that_is_taken_is_never_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(store.secrets, "token_hex", lambda _: next(drawn))
    made = [create(tmp_path, "a machine", NOON)[1][-4:] for _ in range(2)]
    assert made == ["aaaa", "bbbb"]


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("NVIDIA A100", "nvidia-a100"),
        ("  AMD EPYC 7B13 / 2 cores ", "amd-epyc-7b13-2-cores"),
        ("../../etc", "etc"),
        ("Ünïcode", "n-code"),
        ("", "machine"),
        ("///", "machine"),
        ("x" * 100, "x" * 60),
    ],
)
def test_a_machine_s_name_becomes_a_folder_s_name(name: str, called: str) -> None:
    assert slug(name) == called


@given(st.text())
def test_a_folder_s_name_is_safe_whatever_the_machine_is_called(name: str) -> None:
    assert 0 < len(slug(name)) <= 60
    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


ONE = Samples([1.0], [2.0], [3.0], [6.0])
UNEVEN = {
    "origin.life": {"origin": Origin([], [1], [0])},
    "samples.update": {"samples": Samples([1.0], [2.0], [], [6.0])},
    "host_samples.forward": {"host_samples": Samples([], [2.0], [3.0], [6.0])},
    "telemetry.load": {"telemetry": Telemetry(load=[1.0])},
    "warmup.total": {"warmup": Warmup(Samples([1.0], [2.0], [3.0], []), [1], [True])},
    "warmup.first_on_batch": {"warmup": Warmup(ONE, [1], [])},
}


@pytest.mark.parametrize(("field", "lists"), UNEVEN.items(), ids=UNEVEN)
def test_lists_that_belong_together_and_differ_in_length_are_named_with_their_cell(
    tmp_path: Path, field: str, lists: dict[str, Any]
) -> None:
    RunFolder(tmp_path).save(run(cells=[cell(**lists)]))
    with pytest.raises(StoreError) as refused:
        load(tmp_path)
    said = str(refused.value)
    assert all(words in said for words in ("by hand", "'policy' × 'full'", f"{field} has")), said
