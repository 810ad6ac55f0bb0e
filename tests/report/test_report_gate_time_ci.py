"""What CI shows of the time gate: JUnit cases and annotations, whatever the names are."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from gate_time_records import NO_LIFE, cell, failed, gate, row, unanswered, unsure
from hypothesis import given
from hypothesis import strategies as st

from bench.report.gate.time_annotations import time_annotations
from bench.report.gate.time_junit import time_junit

if TYPE_CHECKING:
    from bench.gate.time.record import Gate

# --- JUnit ---------------------------------------------------------------------------------------


def cases(found: Gate) -> dict[str, ElementTree.Element | None]:
    """What each test case holds, by its name; nothing if it passed."""
    root = ElementTree.fromstring(time_junit(found))
    return {case.get("name", ""): next(iter(case), None) for case in root.iter("testcase")}


def tag(element: ElementTree.Element | None) -> str:
    return "passed" if element is None else element.tag


def test_a_fail_is_a_failure_of_its_row_and_of_the_gate() -> None:
    assert {name: tag(held) for name, held in cases(failed()).items()} == {
        "forward": "passed",
        "backward": "failure",
        "update": "skipped",
        "total": "failure",
        "answer": "failure",
    }


@unanswered
def test_what_cannot_be_told_is_skipped_with_its_reason(why: str) -> None:
    found = cases(unsure(why))
    for name in ("total", "answer"):
        held = found[name]
        assert held is not None
        assert held.tag == "skipped"
        assert why in held.get("message", "")


def test_what_is_too_small_is_skipped_and_says_so() -> None:
    held = cases(gate())["update"]
    assert held is not None
    assert held.get("message") == "not judged: 10% of the step"


def test_without_a_life_the_gate_alone_is_a_case() -> None:
    assert [tag(held) for held in cases(NO_LIFE).values()] == ["skipped"]


@given(st.text(max_size=40))
def test_the_xml_parses_whatever_the_names_are(name: str) -> None:
    rows = [row(workload=name, strategy=name, answer="CAN'T TELL", why=name)]
    assert ElementTree.fromstring(time_junit(gate("CAN'T TELL", rows, why=name)))


# --- annotations ---------------------------------------------------------------------------------


def test_a_cell_that_is_slower_is_one_error() -> None:
    (line,) = time_annotations(failed())
    assert line.startswith("::error title=policy × requires_grad%3A slower::backward +12.0%25")
    assert "%0Atotal +8.0%25" in line


def test_a_cell_that_is_faster_is_a_notice_and_a_pass_is_silent() -> None:
    faster = gate(rows=cell(total=row(ratio=0.8, improved=True)))
    (line,) = time_annotations(faster)
    assert line.startswith("::notice title=policy × requires_grad%3A faster::total −20.0%25")
    assert time_annotations(gate()) == []


@unanswered
def test_what_cannot_be_told_is_a_warning(why: str) -> None:
    (line,) = time_annotations(unsure(why))
    assert line.startswith("::warning title=")
    assert why.replace("%", "%25") in line


@given(st.text(max_size=40))
def test_an_annotation_is_one_line_that_no_name_can_leave(name: str) -> None:
    rows = [row(workload=name, strategy=name, ratio=1.2, answer="FAIL")]
    (line,) = time_annotations(gate("FAIL", rows))
    assert not set(line) & set("\r\n\x1b")
    title = line.removeprefix("::error title=").split("::")[0]
    assert ":" not in title
    assert "," not in title
