"""The answer in its forms: text, Markdown, JSON, annotations, JUnit."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from counts import cell, entry, workload
from hypothesis import given
from hypothesis import strategies as st

from bench.gate.counters.comparison import (
    SCHEMA,
    Comparison,
    Found,
    compare,
    outcome_of,
)
from bench.report.annotations import annotation
from bench.report.gate.counters_ci import counters_annotations, counters_junit
from bench.report.gate.counters_json import counters_json
from bench.report.gate.counters_markdown import counters_markdown
from bench.report.gate.counters_text import counters_text
from bench.report.junit import Suite, TestCase, junit

FULL = cell(verdict="reference", backward_flops=2000, saved_bytes=900, autograd_nodes=12)
STORED = {"full": FULL, "requires_grad": cell(), "buffers": cell(), "restore": cell()}


def comparison(
    now: dict[str, Any] | None = None,
    failures: dict[str, str] | None = None,
    *,
    exact: bool = True,
    complete: bool = True,
    **changes: Any,
) -> Comparison:
    """Of a workload of four cells, with `now` instead of some of them."""
    counted = {**STORED, **(now or {})}
    kept = {name: found for name, found in counted.items() if found is not None}
    found = {"w": Found(workload(kept), failures or {}, complete=complete)}
    cells = compare(found, entry(w=workload(STORED)), exact=exact, complete=complete)
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "golden": "results/counters.json",
        "torch": "2.15.0",
        "against": "2.15" if exact else "2.14",
        "exact": exact,
        "cells": cells,
        "outcome": outcome_of(cells, changes.get("counting", [])),
    }
    return Comparison(**{**plain, **changes})


WORSE = {"requires_grad": cell(backward_flops=600), "buffers": cell(backward_flops=600)}
BETTER = {"requires_grad": cell(saved_bytes=320)}


def kinds(of: Comparison) -> dict[str, str]:
    return {finding.strategy: finding.kind for finding in of.cells}


# --- what is found --------------------------------------------------------------------------------


def test_equal_counts_are_equal() -> None:
    assert comparison().outcome == "equal"
    assert set(kinds(comparison()).values()) == {"equal"}


def test_a_new_and_a_missing_cell_are_differences() -> None:
    found = comparison({"restore": None, "mine": cell()})
    assert (kinds(found)["mine"], kinds(found)["restore"]) == ("new", "missing")
    assert found.outcome == "differs"


def test_a_cell_that_was_not_asked_for_is_not_missing() -> None:
    assert comparison({"restore": None}, complete=False).outcome == "equal"


def test_a_workload_that_is_gone_is_missing_only_where_all_were_asked_for() -> None:
    for complete, expected in ((True, ["missing"]), (False, [])):
        found = compare({}, entry(), exact=True, complete=complete)
        assert [finding.kind for finding in found] == expected


def test_a_failure_of_what_was_measured_outweighs_a_difference() -> None:
    found = comparison({**WORSE, "restore": None}, {"restore": "killed"})
    assert kinds(found)["restore"] == "failed"
    assert found.outcome == "failed"


def test_a_failure_of_what_was_never_measured_is_only_told() -> None:
    found = comparison(failures={"mine": "RuntimeError: no"})
    assert (kinds(found)["mine"], found.outcome) == ("unmeasured", "equal")
    assert "RuntimeError: no" in counters_text(found)


def test_a_workload_of_which_nothing_could_be_counted_has_failed() -> None:
    found = compare({"new": Found(workload({}), {"full": "no"})}, None, exact=True, complete=True)
    assert [finding.kind for finding in found] == ["failed"]


def test_another_torch_is_held_to_what_holds_on_any() -> None:
    assert comparison({"requires_grad": cell(saved_bytes=700)}, exact=False).outcome == "equal"
    assert comparison({"requires_grad": cell(saved_bytes=901)}, exact=False).outcome == "differs"
    assert comparison({"requires_grad": cell(forward_flops=1)}, exact=False).outcome == "differs"
    assert comparison(exact=False, counting=["wrong"]).outcome == "differs"


# --- text -----------------------------------------------------------------------------------------


def test_a_difference_says_which_cell_which_counter_from_to_and_by_how_much() -> None:
    text = counters_text(comparison({"requires_grad": cell(backward_flops=600)}))
    assert "w × requires_grad: changed\n  a frozen layer is back in the graph" in text
    assert "backward_flops  500 → 600 (+100, +20%)" in text
    assert "4 cells compared with results/counters.json (torch 2.15): 1 changed." in text
    assert text.endswith("freezebench gate counters --update")


def test_cells_with_the_same_differences_are_told_together() -> None:
    text = counters_text(comparison(WORSE))
    assert text.count("back in the graph") == 1
    assert "w × requires_grad, buffers: changed" in text


def test_an_improvement_is_said_to_be_one_and_how_to_keep_it() -> None:
    text = counters_text(comparison(BETTER))
    assert "w × requires_grad: better" in text
    assert "all of it for the better" in text
    assert "until it is kept by: freezebench gate counters --update" in text


def test_equal_counts_take_a_line() -> None:
    assert counters_text(comparison()).count("\n") == 0


def test_another_torch_is_said_plainly_with_how_to_add_it() -> None:
    text = counters_text(comparison(exact=False))
    assert "no entry of torch 2.15.0, so only what must hold on any version was compared" in text
    assert "Add an entry, with this torch, by: freezebench gate counters --update" in text


def test_a_control_character_in_a_name_does_not_reach_the_terminal() -> None:
    found = comparison({"a\x1b[2J": cell()})
    assert "\x1b" not in counters_text(found) + counters_markdown(found)


# --- other forms ----------------------------------------------------------------------------------


def test_markdown_has_a_heading_and_a_table_of_the_figures() -> None:
    text = counters_markdown(comparison(WORSE))
    assert text.startswith("## ❌ freezebench: counters\n")
    assert "| `backward_flops` | 500 → 600 (+100, +20%) |" in text
    assert counters_markdown(comparison()).startswith("## ✅")


def test_json_is_the_record_with_every_cell() -> None:
    found = json.loads(counters_json(comparison(WORSE)))
    assert found["outcome"] == "differs"
    assert [cell["kind"] for cell in found["cells"]] == ["equal", "changed", "changed", "equal"]
    assert found["cells"][1]["differences"] == [
        {"counter": "backward_flops", "was": 500, "now": 600}
    ]


def test_an_annotation_for_each_group_and_a_warning_for_what_is_better() -> None:
    assert counters_annotations(comparison()) == []
    (line,) = counters_annotations(comparison(WORSE))
    assert line.startswith("::error title=w × requires_grad%2C buffers%3A changed::a frozen layer")
    assert line.endswith("%0Abackward_flops 500 → 600 (+100, +20%25)")
    (line,) = counters_annotations(comparison(BETTER))
    assert line.startswith("::warning ")


def unescaped(text: str) -> str:
    """As the runner reads it: the codes of its `ActionCommand`, the percent sign last."""
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text


plain = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=30)


@given(plain, st.lists(plain, min_size=1, max_size=3).map("\n".join))
def test_an_annotation_is_one_line_and_says_what_it_was_given(title: str, message: str) -> None:
    line = annotation("error", title, message)
    assert "\n" not in line
    command, _, data = line.removeprefix("::error title=").partition("::")
    assert unescaped(command) == title
    assert unescaped(data) == message


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_an_annotation_keeps_its_lines_and_its_escapes_apart(line_end: str) -> None:
    assert annotation("notice", "a:b,c", f"100%{line_end}%0A") == (
        "::notice title=a%3Ab%2Cc::100%25%0A%250A"
    )


def test_junit_has_a_case_for_each_cell() -> None:
    found = comparison({**WORSE, "restore": None}, {"restore": "killed", "mine": "never ran"})
    root = ElementTree.fromstring(counters_junit(found))
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {
        "full": [],
        "requires_grad": ["failure"],
        "buffers": ["failure"],
        "restore": ["error"],
        "mine": ["skipped"],
    }
    assert "500 → 600 (+100, +20%)" in (root.findtext(".//failure") or "")


def test_junit_has_a_case_for_the_counting_where_it_was_checked() -> None:
    root = ElementTree.fromstring(counters_junit(comparison(exact=False, counting=["no chain"])))
    assert root.find(".//testcase[@classname='counting']/failure") is not None


@given(st.text(), st.text(), st.text())
def test_junit_is_xml_whatever_names_and_texts_hold(name: str, message: str, text: str) -> None:
    cases = [TestCase("g", name, "failed", message, text), TestCase("g", name)]
    suite = ElementTree.fromstring(junit(Suite(name, tuple(cases)))).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
