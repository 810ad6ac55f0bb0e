"""Two stored runs that can't be compared are refused with what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from results_runs import make_run, past, with_cells

from bench.gate.stored.comparable import ResultsError
from bench.gate.stored.gate import compare
from bench.records import Origin, Samples

if TYPE_CHECKING:
    from bench.records import Run


def refused(base: Run, head: Run) -> str:
    with pytest.raises(ResultsError) as error:
        compare(base, head, past())
    return str(error.value)


def test_different_machines_are_refused_with_the_fields_that_differ() -> None:
    head = make_run("head")
    head = replace(head, machine=replace(head.machine, torch="2.10", cores=4))
    said = refused(make_run("base"), head)
    assert "different machines" in said
    assert "torch (2.9 and 2.10)" in said
    assert "cores (2 and 4)" in said
    assert "python" not in said


@pytest.mark.parametrize(
    ("field", "other", "told"),
    [
        ("dtype", "bfloat16", "dtype (float32 and bfloat16)"),
        ("batch", 32, "batch (64 and 32)"),
        ("optimizer", "sgd", "optimizer (adam and sgd)"),
        ("threads", 2, "threads (1 and 2)"),
        ("device", "cuda", "device (cpu and cuda)"),
    ],
)
def test_cells_of_other_work_are_refused_with_what_differs(
    field: str, other: Any, told: str
) -> None:
    said = refused(make_run("base"), with_cells(make_run("head"), **{field: other}))
    assert f"did different work: {told} of policy × full" in said


def test_a_request_that_compiled_is_not_compared_with_one_that_did_not() -> None:
    head = make_run("head")
    head = replace(head, request=replace(head.request, compile=True))
    assert "compile (False and True)" in refused(make_run("base"), head)


def test_runs_without_a_cell_in_common_are_refused_with_what_each_has() -> None:
    base = make_run("base", {"full": 1.0, "no_grad": 0.5})
    head = make_run("head", {"full": 1.0, "detach": 0.5})
    said = refused(base, head)
    assert "no cell in common" in said
    assert "policy × no_grad" in said
    assert "policy × detach" in said


@pytest.mark.parametrize("label", ["BASE", "HEAD"])
def test_an_interrupted_run_without_samples_is_refused_by_name(label: str) -> None:
    empty = with_cells(
        make_run("cut", state="interrupted"),
        samples=Samples([], [], [], []),
        origin=Origin([], [], []),
    )
    pair = (empty, make_run("head")) if label == "BASE" else (make_run("base"), empty)
    said = refused(*pair)
    assert said.startswith(f"{label} (cut, interrupted) holds no samples")
    assert "--resume" in said


def test_a_run_without_full_is_refused_by_name() -> None:
    head = make_run("head")
    said = refused(make_run("base"), replace(head, cells=head.cells[1:]))
    assert said.startswith("HEAD (head) has no strategy timed beside `full`")


def test_a_run_is_not_compared_with_itself() -> None:
    assert "are the same run" in refused(make_run("base"), make_run("base"))


def test_samples_that_are_not_parallel_are_refused() -> None:
    head = make_run("head")
    broken = replace(head.cells[1], origin=Origin([1], [0], [0]))
    said = refused(make_run("base"), replace(head, cells=[head.cells[0], broken]))
    assert "policy × no_grad in run head differ in length" in said
