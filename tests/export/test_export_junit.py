"""What a CI's page shows of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from export_runs import build_cell, build_run
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bench.export import export
from bench.export.junit import OUTCOMES
from bench.records import Cell, Midway

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Run

# The schemas in use (Ant's, Jenkins's, Surefire's) agree on these.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
}
WITHIN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error"},
    "failure": set(),
    "error": set(),
}


def parsed(run: Run) -> ElementTree.Element:
    return ElementTree.fromstring(export(run, "junit"))


def cases(run: Run) -> dict[str, ElementTree.Element]:
    return {case.attrib["name"]: case for case in parsed(run).iter("testcase")}


def outcome(case: ElementTree.Element) -> str | None:
    return case[0].tag if len(case) else None


def check_schema(root: ElementTree.Element) -> None:
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= WITHIN[element.tag]
        if element.tag == "testcase":
            assert len(element) <= 1
        if element.tag.startswith("testsuite"):
            found = list(element.iter("testcase"))
            assert int(element.attrib["tests"]) == len(found)
            for kind in ("failure", "error"):
                count = len(list(element.iter(kind)))
                assert int(element.attrib[f"{kind}s"]) == count
            times = sum(float(case.attrib["time"]) for case in found)
            assert float(element.attrib["time"]) == pytest.approx(times, abs=1e-5)


def test_elements_attributes_and_counts_are_those_of_the_schema(any_run: Run) -> None:
    check_schema(parsed(any_run))


def test_junitparser_reads_the_same_counts(any_run: Run, tmp_path) -> None:
    junitparser = pytest.importorskip("junitparser")
    file = tmp_path / "junit.xml"
    file.write_bytes(export(any_run, "junit"))
    root = parsed(any_run)
    read = junitparser.JUnitXml.fromfile(str(file))
    for name in ("tests", "failures", "errors"):
        assert getattr(read, name) == int(root.attrib[name])
    read.update_statistics()
    for name in ("tests", "failures", "errors"):
        assert getattr(read, name) == int(root.attrib[name])


@pytest.mark.parametrize("verdict", list(OUTCOMES))
def test_a_verdict_has_its_outcome_and_a_reason_if_it_is_none_to_be_glad_of(
    verdict: str, make_run: Callable[..., Run], make_cell: Callable[..., Cell]
) -> None:
    made = make_run(make_cell("one", verdict, why="because of a.weight"), summed=False)
    case = cases(made)["one"]
    expected = {"ok": None, "reference": None, "failed": "error"}.get(verdict, "failure")
    assert outcome(case) == expected
    if expected is not None:
        assert case[0].attrib == {"type": verdict, "message": "because of a.weight"}


def test_a_leak_in_mid_training_is_a_case_of_its_own(
    make_run: Callable[..., Run], make_cell: Callable[..., Cell]
) -> None:
    cell = make_cell("lr_zero", "ok", midway=Midway("leaks", "momentum moved it", None))
    found = cases(make_run(cell))
    assert outcome(found["lr_zero"]) is None
    assert outcome(found["lr_zero midway"]) == "failure"
    assert found["lr_zero midway"][0].attrib["message"] == "momentum moved it"


def test_a_cell_that_failed_has_no_midway_case(whole: Run) -> None:
    assert "restore" in cases(whole)
    assert "restore midway" not in cases(whole)


def test_the_time_of_a_case_is_that_of_its_timed_steps(whole: Run) -> None:
    case = cases(whole)["no_grad"]
    assert float(case.attrib["time"]) == pytest.approx(sum(whole.cells[1].samples.total), abs=1e-6)


def test_a_workload_is_a_suite(
    make_run: Callable[..., Run], make_cell: Callable[..., Cell]
) -> None:
    run = make_run(make_cell("full", workload="a"), make_cell("full", workload="b"), summed=False)
    assert [suite.attrib["name"] for suite in parsed(run)] == ["freezebench.a", "freezebench.b"]
    assert parsed(run)[0].attrib["timestamp"] == "2026-01-02T03:04:05"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_reason_and_any_name_make_xml_that_can_be_parsed(text: str) -> None:
    cell = replace(build_cell("one", "leaks"), why=text, strategy=text, workload=text)
    check_schema(parsed(build_run(cell, summed=False)))
