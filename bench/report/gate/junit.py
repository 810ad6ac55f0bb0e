"""JUnit XML, which every CI system shows: one test case for each thing that was compared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

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
    """

    __test__ = False  # pytest would take it for a class of tests

    group: str
    name: str
    status: Status = "passed"
    message: str = ""
    text: str = ""


def junit(suite: str, cases: Sequence[TestCase]) -> bytes:
    """UTF-8 XML with one suite."""
    counts = {
        "tests": len(cases),
        "failures": _count(cases, "failed"),
        "errors": _count(cases, "error"),
        "skipped": _count(cases, "skipped"),
    }
    written = {name: str(count) for name, count in counts.items()}
    root = ElementTree.Element("testsuites", written)
    element = ElementTree.SubElement(root, "testsuite", {"name": _possible(suite), **written})
    for case in cases:
        names = {"classname": _possible(case.group), "name": _possible(case.name)}
        place = ElementTree.SubElement(element, "testcase", names)
        if case.status != "passed":
            said = {"message": _possible(case.message)}
            ElementTree.SubElement(place, ELEMENTS[case.status], said).text = _possible(case.text)
    ElementTree.indent(root)
    written_out: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written_out + b"\n"


def _count(cases: Sequence[TestCase], status: Status) -> int:
    return sum(case.status == status for case in cases)


def _possible(text: str) -> str:
    return _IMPOSSIBLE.sub("\ufffd", text)
