"""What is written into a results folder is read as it was."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_runs import names, run, with_change

from bench.records import (
    Cell,
    Counters,
    Drift,
    Interference,
    Interval,
    Memory,
    Midway,
    Moved,
    Origin,
    Phase,
    Samples,
    Split,
    Summary,
    Warmup,
)
from bench.store import RUN_FILE, RunFolder, load

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


def test_reports_are_written_by_name(folder: RunFolder) -> None:
    folder.write_all([("a.md", b"one"), ("b.csv", b"two")])
    assert [(folder.path / name).read_bytes() for name in ("a.md", "b.csv")] == [b"one", b"two"]


def test_others_may_read_what_was_written(folder: RunFolder) -> None:
    folder.write("a.md", b"one")
    assert (folder.path / "a.md").stat().st_mode & 0o777 == 0o644
