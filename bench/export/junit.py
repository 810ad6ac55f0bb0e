"""JUnit XML, which every CI shows: one test case a verdict, and one more for the midway verdict.

A freeze in mid-training is a question of its own, so it is a test case of its own: in `system-out`
a leak there would be green. `leaks`, `severed` and `diverges` are failures, `failed` is an error,
both with their reason; `ok` and `reference` passed. `time` is the sum of the timed steps, in
seconds. There is no `hostname`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from bench.export.folders import without_folders

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

    from bench.records import Cell, Run, Verdict

SUITES = "freezebench"

OUTCOMES: dict[Verdict, str | None] = {
    "reference": None,
    "ok": None,
    "leaks": "failure",
    "severed": "failure",
    "diverges": "failure",
    "failed": "error",
}

_NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def export(run: Run) -> bytes:
    """UTF-8 XML: a suite a workload."""
    root = ElementTree.Element("testsuites", name=SUITES)
    by_workload: dict[str, list[Cell]] = {}
    for cell in run.cells:
        by_workload.setdefault(cell.workload, []).append(cell)
    for workload, cells in by_workload.items():
        suite = ElementTree.SubElement(root, "testsuite", name=_legal(f"{SUITES}.{workload}"))
        for cell in cells:
            _add_cases(suite, cell)
        _count(suite, suite.iter("testcase"))
        suite.set("timestamp", _timestamp(run.started))
    _count(root, root.iter("testcase"))
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _add_cases(suite: Element, cell: Cell) -> None:
    timed = sum(cell.samples.total)
    _add_case(suite, cell, cell.strategy, timed, cell.verdict, cell.why)
    if cell.midway is not None:
        name = f"{cell.strategy} midway"
        _add_case(suite, cell, name, 0.0, cell.midway.verdict, cell.midway.why)


def _add_case(
    suite: Element, cell: Cell, name: str, seconds: float, verdict: Verdict, why: str
) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=_legal(name),
        classname=_legal(f"{SUITES}.{cell.workload}"),
        time=f"{seconds:.6f}",
    )
    outcome = OUTCOMES[verdict]
    if outcome is not None:
        reason = _legal(without_folders(why))
        result = ElementTree.SubElement(case, outcome, type=verdict, message=reason)
        result.text = f"{verdict}: {reason}"


def _count(element: Element, cases: Iterable[Element]) -> None:
    """Set the numbers and the time of the cases below an element."""
    found = list(cases)
    element.set("tests", str(len(found)))
    element.set("failures", str(sum(case.find("failure") is not None for case in found)))
    element.set("errors", str(sum(case.find("error") is not None for case in found)))
    element.set("time", f"{sum(float(case.attrib['time']) for case in found):.6f}")


def _timestamp(started: str) -> str:
    """ISO 8601 without an offset, as the schema has it; the run's own clock is UTC."""
    try:
        return datetime.fromisoformat(started).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return _legal(started)


def _legal(text: str) -> str:
    """`text` without the characters that XML 1.0 has no place for (its production 2, `Char`)."""
    return _NO_CHARACTER.sub("\ufffd", text)
