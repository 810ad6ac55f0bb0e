"""What a record looks like from outside: names that others rely on, and gaps that stay gaps."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bench.records import (
    Cell,
    Counters,
    Drift,
    Interval,
    Memory,
    Midway,
    Origin,
    Phase,
    Samples,
    Split,
    Summary,
)

CONTRACT = {
    "workload",
    "strategy",
    "device",
    "dtype",
    "batch",
    "threads",
    "optimizer",
    "verdict",
    "why",
    "midway",
    "samples",
    "summary",
    "memory",
    "counters",
    "drift",
}


def cell(**more: Any) -> Cell:
    fields: dict[str, Any] = {
        "workload": "policy",
        "strategy": "requires_grad",
        "topology": "front",
        "device": "cpu",
        "dtype": "float32",
        "batch": 4,
        "threads": 1,
        "optimizer": "adam",
        "verdict": "ok",
        "why": "",
    }
    return Cell(**{**fields, **more})


def surveyed() -> Cell:
    interval = Interval(1.0, None, None)
    return cell(
        midway=Midway("ok", "", Drift(steps=5)),
        samples=Samples([1.0], [2.0], [3.0], [6.0]),
        origin=Origin([1], [0], [0]),
        summary=Summary(1, 1, {"total": Phase(interval)}, {}),
        memory=Memory(peak_bytes=7),
        counters=Counters(forward_flops=1),
        drift=Drift(steps=5),
    )


def encoded(record: msgspec.Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(record))


def test_a_surveyed_cell_has_every_name_that_others_rely_on() -> None:
    assert set(encoded(surveyed())) >= CONTRACT


def test_samples_are_lists_by_phase() -> None:
    found = encoded(surveyed())["samples"]
    assert found == {"forward": [1.0], "backward": [2.0], "update": [3.0], "total": [6.0]}


def test_a_cell_that_was_not_timed_has_empty_samples() -> None:
    found = encoded(cell())["samples"]
    assert found == {"forward": [], "backward": [], "update": [], "total": []}


def test_a_cell_of_which_nothing_was_found_has_the_same_names() -> None:
    found = encoded(cell())
    assert set(found) >= CONTRACT
    assert found["midway"] is found["summary"] is found["drift"] is None


@pytest.mark.parametrize("name", Memory.__struct_fields__)
def test_bytes_that_were_not_measured_are_absent_rather_than_null_or_0(name: str) -> None:
    assert name not in encoded(Memory())


@pytest.mark.parametrize("name", Counters.__struct_fields__)
def test_counts_that_were_not_taken_are_absent_rather_than_null_or_0(name: str) -> None:
    assert name not in encoded(Counters())


def test_a_measured_0_is_there() -> None:
    assert encoded(Memory(saved_bytes=0, gradient_bytes=Split(0, 0))) == {
        "saved_bytes": 0,
        "gradient_bytes": {"frozen": 0, "trainable": 0},
    }


def test_an_interval_without_bounds_says_so() -> None:
    assert encoded(Interval(1.0, None, None)) == {"value": 1.0, "low": None, "high": None}


def test_a_ratio_that_is_not_there_is_absent() -> None:
    assert "ratio" not in encoded(Phase(Interval(1.0, None, None)))


def test_launches_are_absent_where_there_are_none() -> None:
    found = encoded(Summary(1, 1, {}, {}))
    assert not {"host_seconds", "launch_bound", "fill_seconds"} & set(found)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        cell().verdict = "leaks"  # type: ignore[misc]


def test_two_records_do_not_share_what_they_begin_with() -> None:
    one, other = cell(), cell()
    one.samples.total.append(1.0)
    one.memory.notes.append("a note")
    assert (other.samples.total, other.memory.notes) == ([], [])
