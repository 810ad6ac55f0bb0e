"""An audit in its forms: terminal, Markdown, JSON, JUnit, annotations."""

from __future__ import annotations

import io
import json
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from rich.console import Console

from bench.records import Audit, Finding, Moved
from bench.report.audit.github import audit_github
from bench.report.audit.json import audit_json
from bench.report.audit.junit import audit_junit
from bench.report.audit.markdown import audit_markdown
from bench.report.audit.terminal import plain, show
from bench.report.audit.words import counted, ordered, place, size
from bench.rules import RULES, SEVERITIES


def finding(rule: str = "bn-statistics", **changes: Any) -> Finding:
    given: dict[str, Any] = {
        "rule": rule,
        "severity": RULES[rule].severity,
        "where": ["backbone.bn1.running_mean", "backbone.bn1.running_var"],
        "what": "two buffers moved by up to 0.22",
        "why": "BatchNorm moves its statistics in training mode",
        "mend": "model.backbone.eval()  # after every model.train()",
        "decided_by": "held in eval mode they stood still",
        "moved": [Moved("backbone.bn1.running_mean", "buffer", 0.22, 0.4, 0.31)],
        "since_step": 1,
    }
    return Finding(**{**given, **changes})


ERROR = finding()
WARNING = finding("dropout-active", where=["backbone.3"], moved=[], since_step=None)
NOTICE = finding("wasted-gradients", where=["a.weight"], moved=[], figures={"gradient_bytes": 8})


def audit(*findings: Finding, **changes: Any) -> Audit:
    given: dict[str, Any] = {
        "target": "train.py:make",
        "device": "cpu",
        "torch": "2.14.1",
        "steps": 5,
        "warm": 1,
        "frozen": ["backbone"],
        "frozen_tensors": 318,
        "frozen_bytes": 94_000_000,
        "trainable_tensors": 2,
        "kept_by": "copy",
        "findings": list(findings),
    }
    return Audit(**{**given, **changes})


FULL = audit(NOTICE, WARNING, ERROR, notes=["a note"], stopped="step 4 raised ValueError: no")


def terminal(shown: Audit, width: int = 100, **given: Any) -> str:
    written = io.StringIO()
    show(shown, Console(file=written, width=width, **given))
    return written.getvalue()


# --- terminal -------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_no_line_but_a_mend_is_wider_than_the_terminal(width):
    many = finding(where=[f"backbone.layer{n}.norm.weight" for n in range(40)])
    lines = terminal(audit(many, WARNING, NOTICE, notes=["word " * 60]), width).splitlines()
    assert max(len(line) for line in lines if not line.startswith("    mend ")) <= width


def test_everything_that_was_found_is_told():
    text = " ".join(terminal(FULL).split())
    for said in (
        "train.py:make",
        "318 frozen tensors (89.6 MiB) compared bit by bit with copies, 2 trainable",
        "5 steps after 1",
        "frozen by backbone",
        "note: a note",
        "× error bn-statistics backbone.bn1 (running_mean, running_var) since step 1",
        "! warning dropout-active backbone.3",
        "· notice wasted-gradients a.weight",
        "two buffers moved by up to 0.22",
        "moved backbone.bn1.running_mean (buffer) by up to 0.22",
        "why BatchNorm moves its statistics in training mode",
        "decided by held in eval mode they stood still",
        "mend model.backbone.eval() # after every model.train()",
        "stopped early: step 4 raised ValueError: no",
        "1 error, 1 warning, 1 notice",
    ):
        assert said in text


def test_hashes_are_told():
    assert "with hashes" in terminal(audit(kept_by="hash"))


def test_a_clean_audit_ends_with_what_that_means():
    assert "nothing found: what is frozen stayed frozen" in terminal(audit())


def test_an_audit_that_stopped_is_never_called_clean():
    assert "nothing was found before it stopped" in terminal(audit(stopped="step 1 raised E"))


def test_a_stop_is_told_once():
    raised = finding("step-raised", what="step 3 raised ValueError: no", where=[])
    assert terminal(audit(raised, stopped=raised.what)).count("step 3 raised") == 1


def test_a_terminal_of_ascii_gets_ascii():
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(FULL, Console(file=written, width=100))
    written.flush()
    assert b"x error bn-statistics" in written.buffer.getvalue()  # type: ignore[attr-defined]


def test_markup_in_a_name_is_shown_as_it_is():
    assert "[bold]x[/bold]" in terminal(audit(finding(where=["[bold]x[/bold]"])))


def test_severities_have_their_colours():
    text = terminal(FULL, force_terminal=True, color_system="standard")
    assert "\x1b[1;31m× error" in text
    assert "\x1b[1;33m! warning" in text
    assert "\x1b" not in plain(FULL)


# --- Markdown -------------------------------------------------------------------------------------


def test_markdown_has_a_section_and_a_block_of_code_for_each_finding():
    text = audit_markdown(FULL)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## × error: bn-statistics",
        "## ! warning: dropout-active",
        "## · notice: wasted-gradients",
    ]
    assert text.count("```python\nmodel.backbone.eval()  # after every model.train()\n```") == 3


def test_markdown_of_a_name_is_no_markup():
    text = audit_markdown(audit(finding(where=["a_b_c*d|e<f>"])))
    assert r"a\_b\_c\*d\|e\<f\>" in text


def test_a_mend_with_a_fence_stays_inside_its_own():
    text = audit_markdown(audit(finding(mend="print('```')")))
    assert "````python\nprint('```')\n````" in text


# --- JSON -----------------------------------------------------------------------------------------


def test_json_is_read_back_as_it_was():
    assert msgspec.json.decode(audit_json(FULL), type=Audit) == FULL


texts = st.text(max_size=20)


@given(
    st.builds(
        finding,
        rule=st.sampled_from(list(RULES)),
        where=st.lists(texts, max_size=5),
        what=texts,
        why=texts,
        mend=texts,
        decided_by=texts,
    ),
    st.one_of(st.none(), texts),
)
def test_whatever_names_hold_every_form_holds(found, stopped):
    shown = audit(found, target=found.what, stopped=stopped, notes=[found.why])
    assert msgspec.json.decode(audit_json(shown), type=Audit) == shown
    ElementTree.fromstring(audit_junit(shown))
    assert all(line.startswith("::") for line in audit_github(shown).splitlines())
    audit_markdown(shown)
    terminal(shown, 60)


def test_json_is_json():
    assert json.loads(audit_json(FULL))["schema"] == FULL.schema


# --- JUnit ----------------------------------------------------------------------------------------


def statuses(shown: Audit, **given: Any) -> dict[str, str]:
    (suite,) = JUnitXml.fromstring(audit_junit(shown, **given))
    return {case.name: type(case.result[0]).__name__ if case.result else "passed" for case in suite}


def test_each_rule_is_a_case_and_has_passed_without_a_finding():
    assert statuses(audit()) == dict.fromkeys(RULES, "passed")


def test_a_rule_that_was_not_looked_at_has_not_passed():
    found = statuses(audit(ERROR, unchecked=["severed"]))
    assert found["severed"] == "Skipped"
    assert found["unused"] == "passed"


def test_a_finding_fails_its_case_where_it_counts():
    found = statuses(audit(ERROR, WARNING, NOTICE))
    assert found["bn-statistics:backbone.bn1"] == "Failure"
    assert found["dropout-active:backbone.3"] == "Skipped"
    assert found["wasted-gradients:a.weight"] == "Skipped"
    assert len(found) == len(RULES)


@pytest.mark.parametrize(
    ("fail_on", "failures"), [("error", 1), ("warning", 2), ("notice", 3), (None, 0)]
)
def test_what_counts_can_be_chosen(fail_on, failures):
    found = statuses(audit(ERROR, WARNING, NOTICE), fail_on=fail_on)
    assert list(found.values()).count("Failure") == failures


def test_a_stop_is_an_error():
    assert statuses(audit(stopped="step 1 raised E"))["all steps"] == "Error"


# --- annotations ----------------------------------------------------------------------------------


def test_each_finding_is_an_annotation_of_its_severity():
    lines = audit_github(audit(NOTICE, WARNING, ERROR)).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]
    assert "title=bn-statistics%3A backbone.bn1 (running_mean%2C running_var)::two" in lines[0]
    assert "%0Amend: model.backbone.eval()" in lines[0]


def test_a_clean_audit_has_no_annotations():
    assert audit_github(audit()) == ""


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ([], ""),
        (["a.b"], "a.b"),
        (["a.b", "a.c"], "a (b, c)"),
        (["a.b", "c.d"], "a.b, c.d"),
        ([f"a.{n}" for n in range(5)], "a (0, 1, 2 and 2 more)"),
    ],
)
def test_a_place_is_told_with_what_is_common(where, said):
    assert place(finding(where=where)) == said


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (296, "296 B"), (2048, "2.00 KiB"), (94_000_000, "89.6 MiB")]
)
def test_a_size_is_told_in_its_own_unit(count, said):
    assert size(count) == said


def test_the_gravest_comes_first():
    assert [f.severity for f in ordered([NOTICE, ERROR, WARNING])] == list(reversed(SEVERITIES))


def test_findings_are_counted_by_severity():
    assert counted(audit(ERROR, ERROR, NOTICE)) == "2 errors, 1 notice"
