"""JUnit XML, which every CI system shows: one test case for each thing that was compared."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

from bench.names import printable
from bench.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

Status = Literal["passed", "failed", "skipped", "error"]

ELEMENTS: dict[Status, str] = {"failed": "failure", "error": "error", "skipped": "skipped"}

# What XML 1.0 has no way to write, not even as a reference: https://www.w3.org/TR/xml/#charsets
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class TestCase(Record, frozen=True):
    """One thing that was compared.

    Attributes:
        group: what it belongs to, such as a workload; JUnit calls it the class.
        name: of the thing itself.
        status: `failed` is a finding, `error` something that could not be measured.
        message: why it has not passed, in a line.
        text: the same at length.
        kind: of a finding or an error, in a word.
        seconds: that it took, where that is known.
    """

    __test__ = False  # pytest would take it for a class of tests

    group: str
    name: str
    status: Status = "passed"
    message: str = ""
    text: str = ""
    kind: str = ""
    seconds: float | None = None


class Suite(Record, frozen=True):
    """Cases under one name; `started` is a time by ISO 8601, where that is known."""

    name: str
    cases: tuple[TestCase, ...]
    started: str = ""


def junit(*suites: Suite) -> bytes:
    """UTF-8 XML."""
    every = [case for suite in suites for case in suite.cases]
    root = ElementTree.Element("testsuites", {"name": "freezebench", **_sums(every)})
    for suite in suites:
        element = ElementTree.SubElement(root, "testsuite", {"name": _possible(suite.name)})
        element.attrib.update(_sums(suite.cases))
        if suite.started:
            element.set("timestamp", _timestamp(suite.started))
        for case in suite.cases:
            _add(element, case)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _add(suite: ElementTree.Element, case: TestCase) -> None:
    names = {"classname": _on_a_line(case.group), "name": _on_a_line(case.name)}
    place = ElementTree.SubElement(suite, "testcase", names)
    if case.seconds is not None:
        place.set("time", f"{case.seconds:.6f}")
    if case.status == "passed":
        return
    said = {"message": _on_a_line(case.message)}
    if case.kind:
        said["type"] = case.kind
    ElementTree.SubElement(place, ELEMENTS[case.status], said).text = _possible(case.text)


def _sums(cases: Sequence[TestCase]) -> dict[str, str]:
    """How many there are of each status, and the time that is known of them."""
    sums = {
        "tests": str(len(cases)),
        "failures": _count(cases, "failed"),
        "errors": _count(cases, "error"),
        "skipped": _count(cases, "skipped"),
    }
    known = [case.seconds for case in cases if case.seconds is not None]
    if cases and not known:
        return sums
    return {**sums, "time": f"{sum(known):.6f}"}


def _count(cases: Sequence[TestCase], status: Status) -> str:
    return str(sum(case.status == status for case in cases))


def _timestamp(started: str) -> str:
    """Without an offset, as the schema has it; a run's own clock is UTC."""
    try:
        return datetime.fromisoformat(started).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return _possible(started)


def _on_a_line(text: str) -> str:
    return _possible(printable(text))


def _possible(text: str) -> str:
    return _IMPOSSIBLE.sub("\ufffd", text)
