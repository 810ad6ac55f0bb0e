"""Of a run that cannot be read it is said exactly what is wrong with it, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from stored_runs import cell, run, with_change

from bench.records import (
    SCHEMA,
    Origin,
    Samples,
    Telemetry,
    Warmup,
)
from bench.store import RUN_FILE, RunFolder, StoreError, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
