"""What may be named, and a run that is named or kept twice."""

from __future__ import annotations

import pytest
from collection_runs import run, stored

from bench.collection.gathering import CollectionError, gather


def test_a_run_that_is_named_twice_counts_once(tmp_path):
    file = stored(tmp_path, run())
    found = gather([file, file.parent, tmp_path])
    assert len(found.entries) == 1
    assert found.notes == []


def test_a_link_to_a_run_is_that_run(tmp_path):
    file = stored(tmp_path, run())
    (tmp_path / "link").symlink_to(file.parent)
    assert gather([file, tmp_path / "link"]).notes == []


def test_a_copy_of_a_run_counts_once_and_is_told(tmp_path):
    one = stored(tmp_path, run(), machine="one")
    other = stored(tmp_path, run(), machine="other")
    found = gather([tmp_path])
    assert len(found.entries) == 1
    assert found.notes == [f"counted once: {other} is a copy of {one}"]


def test_two_files_that_say_different_things_of_a_run_are_refused(tmp_path):
    one = stored(tmp_path / "a", run())
    other = stored(tmp_path / "b", run(timed_seconds=2.0))
    with pytest.raises(CollectionError) as refused:
        gather([tmp_path / "a", tmp_path / "b"])
    assert str(one) in str(refused.value)
    assert str(other) in str(refused.value)


def test_a_path_with_nothing_is_refused(tmp_path):
    with pytest.raises(CollectionError, match=r"there is no .*nowhere"):
        gather([tmp_path / "nowhere"])


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(CollectionError, match="there is no run in"):
        gather([tmp_path])


def test_only_runs_that_cannot_be_read_are_refused_with_the_reason(tmp_path):
    stored(tmp_path, run()).write_text("{")
    with pytest.raises(CollectionError, match=r"no run could be read: .*truncated"):
        gather([tmp_path])


def test_reading_is_told_run_by_run(tmp_path):
    for place in range(3):
        stored(tmp_path, run(id=f"r{place}"))
    told = []
    gather([tmp_path], lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
