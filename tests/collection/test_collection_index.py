"""The index of a results folder: up to date, and never trusted more than the runs."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest
from collection_runs import cells, run, stored

from bench.collection import index as index_module
from bench.collection.gathering import INDEX_FILE, gather, indexed
from bench.collection.index import DamagedError, Index
from bench.collection.listing import Stamp, listed
from bench.collection.reading import read, unpacked
from bench.store import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def _ids(found):
    return [entry.head.id for entry in found.entries]


def _three(results):
    return [stored(results, run(id=f"r{place}")) for place in range(3)]


def test_every_run_of_a_results_folder_is_there(tmp_path):
    _three(tmp_path)
    assert _ids(gather([tmp_path])) == ["r0", "r1", "r2"]


def test_the_folder_of_one_machine_may_be_named(tmp_path):
    _three(tmp_path)
    assert _ids(gather([tmp_path / "m"])) == ["r0", "r1", "r2"]


def test_the_figures_are_those_of_the_run(tmp_path):
    file = stored(tmp_path, run())
    (entry,) = gather([tmp_path]).entries
    assert entry.figures("policy") == unpacked(read(file).works["policy"][1])
    assert entry.works["policy"] == read(file).works["policy"][0]


def test_workloads_keep_the_order_of_the_run(tmp_path):
    stored(tmp_path, run([*cells(workload="z"), *cells(workload="a")]))
    gather([tmp_path])
    assert list(gather([tmp_path]).entries[0].works) == ["z", "a"]


def test_an_unchanged_run_is_not_read_again(tmp_path):
    _three(tmp_path)
    index = Index(tmp_path / INDEX_FILE, tmp_path)
    index.update(listed(tmp_path))

    def refuse(file: Path):
        raise AssertionError(f"{file} was read again")

    index.update(listed(tmp_path), reading=refuse)
    assert len(index.entries()) == 3


def test_a_changed_run_is_read_again(tmp_path):
    stored(tmp_path, run(state="running"), folder="r")
    gather([tmp_path])
    stored(tmp_path, run(cells({"no_grad": 0.25})), folder="r")
    (entry,) = gather([tmp_path]).entries
    assert entry.head.state == "done"
    assert entry.figures("policy")[1].total.value == 0.25


def test_a_vanished_run_leaves_the_index(tmp_path):
    first, *_ = _three(tmp_path)
    gather([tmp_path])
    shutil.rmtree(first.parent)
    assert _ids(gather([tmp_path])) == ["r1", "r2"]


def test_a_run_that_vanishes_between_listing_and_reading_is_skipped(tmp_path):
    _three(tmp_path)
    ghost = {"m/gone/run.json": Stamp(1, 1)}
    found = gather([tmp_path], listing=lambda folder: listed(folder) | ghost)
    assert _ids(found) == ["r0", "r1", "r2"]
    assert found.notes == []


def test_a_run_that_appears_while_indexing_is_there_the_next_time(tmp_path):
    _three(tmp_path)

    def listing(folder):
        before = listed(folder)
        stored(tmp_path, run(id="r9"))
        return before

    assert _ids(gather([tmp_path], listing=listing)) == ["r0", "r1", "r2"]
    assert _ids(gather([tmp_path])) == ["r0", "r1", "r2", "r9"]


def test_a_folder_that_vanishes_while_it_is_listed_holds_nothing(tmp_path):
    assert listed(tmp_path / "gone") == {}


def test_a_running_run_is_there_and_marked(tmp_path):
    stored(tmp_path, run(state="running"))
    assert gather([tmp_path]).entries[0].head.state == "running"


BROKEN = {
    "truncated": lambda text: text[: len(text) // 2],
    "of a wrong type": lambda text: text.replace('"batch":64', '"batch":"many"'),
    "with a NaN": lambda text: text.replace('"timed_seconds":1.0', '"timed_seconds":NaN'),
    "with a field that is none": lambda text: text.replace('"state":', '"stat":'),
    "of a later schema": lambda text: text.replace('"schema":2', '"schema":99'),
    "with a count that nothing can have": lambda text: text.replace(
        '"peak_bytes":8388608', f'"peak_bytes":{10**30}'
    ),
    "empty": lambda text: "",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_run_that_cannot_be_read_is_named_and_stops_no_other(tmp_path, how):
    file, *_ = _three(tmp_path)
    broken = BROKEN[how](file.read_text())
    assert broken != file.read_text()
    file.write_text(broken)
    found = gather([tmp_path])
    assert _ids(found) == ["r1", "r2"]
    assert len(found.notes) == 1
    assert str(file) in found.notes[0]


def test_a_run_that_was_repaired_is_read_again(tmp_path):
    file, *_ = _three(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    gather([tmp_path])
    file.write_bytes(whole)
    assert _ids(gather([tmp_path])) == ["r0", "r1", "r2"]


def test_many_that_cannot_be_read_are_counted(tmp_path):
    stored(tmp_path, run())
    for place in range(20):
        stored(tmp_path, run(id=f"r{place}")).write_text("{")
    (note,) = gather([tmp_path]).notes
    assert note.endswith("and 15 more")


def _not_a_database(file):
    file.write_bytes(b"not a database, but long enough to look like one " * 100)


def _torn(file):
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)


def _empty(file):
    file.write_bytes(b"")


def _without_tables(file):
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE work")


def _of_another_version(file):
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 77")
        connection.execute("DELETE FROM run")


def _with_other_heads(file):
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE run SET head = x'00'")


@pytest.mark.parametrize(
    "damage",
    [_not_a_database, _torn, _empty, _without_tables, _of_another_version, _with_other_heads],
)
def test_a_damaged_index_is_made_again(tmp_path, damage):
    _three(tmp_path)
    indexed(tmp_path).entries[0].index.close()
    damage(tmp_path / INDEX_FILE)
    found = gather([tmp_path])
    assert _ids(found) == ["r0", "r1", "r2"]
    assert found.notes == []
    assert found.entries[0].figures("policy")


def test_figures_that_the_index_has_lost_come_from_the_run(tmp_path):
    stored(tmp_path, run())
    (entry,) = gather([tmp_path]).entries
    whole = entry.figures("policy")
    with sqlite3.connect(tmp_path / INDEX_FILE) as connection:
        connection.execute("UPDATE figures SET cells = x'c1'")
    assert entry.figures("policy") == whole


def test_where_no_index_can_be_kept_the_runs_are_read_all_the_same(tmp_path):
    _three(tmp_path)
    (tmp_path / INDEX_FILE).mkdir()
    found = gather([tmp_path])
    assert _ids(found) == ["r0", "r1", "r2"]
    assert "cannot be kept" in found.notes[0]


def test_an_index_that_another_process_keeps_locked_is_done_without(tmp_path, monkeypatch):
    _three(tmp_path)
    indexed(tmp_path).entries[0].index.close()
    stored(tmp_path, run(id="r9"))
    monkeypatch.setattr(index_module, "_PATIENCE", 0.01)
    other = sqlite3.connect(tmp_path / INDEX_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    found = gather([tmp_path])
    other.close()
    assert _ids(found) == ["r0", "r1", "r2", "r9"]
    assert "locked" in found.notes[0]


def test_two_that_update_at_the_same_time_agree(tmp_path):
    _three(tmp_path)
    one, other = (Index(tmp_path / INDEX_FILE, tmp_path) for _ in range(2))

    def read_while_the_other_updates(file):
        other.update(listed(tmp_path))
        return read(file)

    one.update(listed(tmp_path), reading=read_while_the_other_updates)
    assert [e.head for e in one.entries()] == [e.head for e in other.entries()]
    assert len(one.entries()) == 3


def test_a_reader_sees_a_whole_index_while_another_writes(tmp_path, monkeypatch):
    _three(tmp_path)
    monkeypatch.setattr(index_module, "_PATIENCE", 0.01)
    indexed(tmp_path).entries[0].index.close()
    writer = sqlite3.connect(tmp_path / INDEX_FILE, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("DELETE FROM run")
    found = gather([tmp_path])
    writer.close()
    assert _ids(found) == ["r0", "r1", "r2"]
    assert found.notes == []


def test_an_open_run_keeps_its_figures_while_another_process_forgets_it(tmp_path):
    file = stored(tmp_path, run(cells({"no_grad": 0.5}), id="r0"))
    (entry,) = indexed(tmp_path).entries
    stored(tmp_path, run(cells({"no_grad": 0.25}), id="r1"))
    other = Index(tmp_path / INDEX_FILE, tmp_path)
    other.update({place: stamp for place, stamp in listed(tmp_path).items() if "r1" in place})
    assert entry.figures("policy") == unpacked(read(file).works["policy"][1])


def test_a_run_that_changed_after_it_was_listed_gives_no_figures_of_its_new_self(tmp_path):
    stored(tmp_path, run(state="running"), folder="r")
    (entry,) = indexed(tmp_path).entries
    stored(tmp_path, run(cells({"no_grad": 0.25})), folder="r")
    indexed(tmp_path)
    with pytest.raises(StoreError, match="was changed while it was read"):
        entry.figures("policy")


class _Between:
    """A connection that lets another process write after the first rows were read."""

    def __init__(self, connection, write):
        self._connection, self._write = connection, write

    def execute(self, statement, *values):
        rows = self._connection.execute(statement, *values)
        if "FROM settings" in statement:
            rows = _Rows(rows.fetchall())
            self._write()
        return rows

    def __getattr__(self, name):
        return getattr(self._connection, name)


class _Rows(list):
    """Rows that were fetched."""

    def fetchall(self):
        return self


def test_what_another_process_writes_meanwhile_is_not_half_seen(tmp_path):
    _three(tmp_path)
    reader = Index(tmp_path / INDEX_FILE, tmp_path)
    reader.update(listed(tmp_path))

    def write():
        stored(tmp_path, run(cells(optimizer="sgd"), id="r9"))
        Index(tmp_path / INDEX_FILE, tmp_path).update(listed(tmp_path))

    reader._connection = _Between(reader._connection, write)
    assert [entry.head.id for entry in reader.entries()] == ["r0", "r1", "r2"]


def test_an_index_that_is_sound_at_a_second_look_is_kept(tmp_path, monkeypatch):
    _three(tmp_path)
    indexed(tmp_path)
    before = (tmp_path / INDEX_FILE).stat().st_ino
    whole, looks = Index.entries, []

    def entries(index):
        looks.append(index)
        if len(looks) == 1:
            raise DamagedError("a writer was in between")
        return whole(index)

    monkeypatch.setattr(Index, "entries", entries)
    assert _ids(indexed(tmp_path)) == ["r0", "r1", "r2"]
    assert (tmp_path / INDEX_FILE).stat().st_ino == before


def test_an_empty_folder_gets_no_index(tmp_path):
    indexed(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_single_runs_leave_no_index(tmp_path):
    file = stored(tmp_path, run())
    gather([file])
    gather([file.parent])
    assert not list(tmp_path.rglob(f"{INDEX_FILE}*"))
