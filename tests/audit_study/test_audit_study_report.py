"""What is counted from outcomes, and how it is told; outcomes here are synthetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest
from click.testing import CliRunner

from bench.audit_study import SEED, outputs
from bench.audit_study.__main__ import main
from bench.audit_study.outcome import Outcome, holds
from bench.audit_study.processes import observed
from bench.audit_study.report import complaints, report
from bench.audit_study.roster import held_out, set_ups
from bench.audit_study.score import by_rule, lines
from bench.records.audit import Finding

if TYPE_CHECKING:
    from pathlib import Path


def finding(rule: str, *where: str, severity: Literal["notice", "error"] = "error") -> Finding:
    return Finding(rule, severity, list(where), "it moved", "because", "model.eval()")


def outcome(*findings: Finding, **changed: Any) -> Outcome:
    fields: dict[str, Any] = {
        "name": "synthetic",
        "kind": "fault",
        "architecture": "mlp",
        "about": "A made-up mistake.",
        "expected": ["stale-gradient"],
        "where": ["body.0.weight"],
        "also": [],
        "findings": list(findings),
        "failed": None,
        "seconds": 0.5,
    }
    return Outcome(**(fields | changed))


def clean(*findings: Finding, also: tuple[str, ...] = ()) -> Outcome:
    return outcome(*findings, kind="clean", expected=[], where=[], also=list(also))


def test_a_finding_of_the_expected_rule_at_the_place_is_found_and_right() -> None:
    one = outcome(finding("stale-gradient", "body.0.weight", "body.0.bias"))
    assert one.found
    assert one.right_cause
    assert one.faultless
    assert complaints(one) == []


def test_a_notice_finds_nothing() -> None:
    one = outcome(finding("stale-gradient", "body.0.weight", severity="notice"))
    assert not one.found
    assert "missed" in complaints(one)[0]


def test_another_rule_at_the_place_is_found_with_a_wrong_cause_and_a_false_alarm() -> None:
    one = outcome(finding("lr-revived", "body.0.weight"))
    assert one.found
    assert not one.right_cause
    assert [alarm.rule for alarm in one.false_alarms] == ["lr-revived"]
    assert len(complaints(one)) == 2


def test_the_expected_rule_elsewhere_is_not_right() -> None:
    one = outcome(finding("stale-gradient", "head.weight"))
    assert not one.found
    assert not one.right_cause


def test_a_rule_that_is_true_as_well_is_no_false_alarm() -> None:
    one = outcome(
        finding("stale-gradient", "body.0.weight"), finding("unused", "aux"), also=["unused"]
    )
    assert one.faultless


def test_a_clean_set_up_may_have_a_notice_of_waste_that_is_there() -> None:
    assert clean(
        finding("state-for-frozen", "body", severity="notice"), also=("state-for-frozen",)
    ).faultless


def test_a_notice_of_no_waste_and_an_alarm_are_told_of_a_clean_set_up() -> None:
    notice = finding("state-for-frozen", "body", severity="notice")
    assert "no such waste" in complaints(clean(notice))[0]
    assert "false alarm" in complaints(clean(finding("unused", "aux")))[0]


def test_an_audit_that_failed_is_told_by_its_exception() -> None:
    assert complaints(outcome(failed="ValueError: no")) == ["the audit failed: ValueError: no"]


@pytest.mark.parametrize(
    ("where", "name", "held"),
    [
        (["a.b"], "a.b", True),
        (["a"], "a.b", True),
        (["a.b.c"], "a.b", True),
        (["module.a.b"], "a.b", True),
        (["a.bc"], "a.b", False),
        ([], "a", False),
    ],
)
def test_a_name_is_held_by_itself_and_by_what_is_around_or_in_it(
    where: list[str], name: str, held: bool
) -> None:
    assert holds(where, name) == held


def test_counts_become_rates_and_nothing_to_count_becomes_none() -> None:
    found = outcome(finding("stale-gradient", "body.0.weight"))
    rates = {line.what: line.rate for line in lines([found, outcome()])}
    recall = rates["planted faults that were found"]
    assert recall is not None
    assert (recall.count, recall.of) == (1, 2)
    assert recall.low < 0.5 < recall.high
    assert rates["clean set-ups with a false alarm"] is None


def test_a_fault_is_counted_under_its_first_rule() -> None:
    one = outcome(finding("unused", "body.0.weight"), expected=["unused", "severed"])
    (line,) = by_rule([one])
    assert (line.rule, line.planted, line.found, line.right) == ("unused", 1, 1, 1)


def test_the_report_says_what_went_wrong_or_that_nothing_did() -> None:
    good = outcome(finding("stale-gradient", "body.0.weight"))
    assert b"Nothing: no miss" in report([good, clean()], "2.0")
    bad = report([outcome(), clean()], "2.0").decode()
    assert "- `synthetic`: missed; expected `stale-gradient`, it said nothing" in bad


def test_the_report_of_no_outcomes_is_a_page_nevertheless() -> None:
    assert report([], "2.0").startswith(b"# How often is the auditor wrong?")


def test_the_json_can_be_read_again(tmp_path: Path) -> None:
    one = outcome(finding("stale-gradient", "body.0.weight"))
    _, file = outputs.write(tmp_path, outputs.Document("2.0", [one]))
    document = msgspec.json.decode(file.read_bytes())
    assert msgspec.convert(document["outcomes"], list[Outcome]) == [one]


def test_another_device_has_a_file_and_a_section_of_its_own(tmp_path: Path) -> None:
    elsewhere = outputs.Document("2.1", [outcome()], "Acme X-1", {"other": "TypeError: no"})
    assert [file.name for file in outputs.write(tmp_path, elsewhere)] == ["on-acme-x-1.json"]
    good = outcome(finding("stale-gradient", "body.0.weight"))

    readme, file = outputs.write(tmp_path, outputs.Document("2.0", [good]))

    page = readme.read_text()
    before, section = page.split("## On another device: Acme X-1")
    assert file.name == "audit-study.json"
    assert "Nothing: no miss" not in section.split("## ")[0]
    assert "`other` does not run there: TypeError: no" in section
    assert "planted faults that were found | 1 | of 1" in before
    assert "planted faults that were found | 0 | of 1" in section


def test_a_device_that_is_not_there_is_refused() -> None:
    told = CliRunner().invoke(main, ["--device", "gpu"])
    assert told.exit_code == 2
    assert "there is no device called 'gpu'" in told.output


def test_several_processes_find_the_same_in_the_same_order() -> None:
    names = ["tasks-by-turns", "flag-misspelt"]
    alone, together = (
        [one.outcome for one in observed(names, "cpu", jobs) if one.outcome] for jobs in (1, 2)
    )
    assert [one.name for one in together] == names
    assert [one.findings for one in together] == [one.findings for one in alone]


def test_other_random_numbers_are_another_training_and_write_nothing(tmp_path: Path) -> None:
    assert main.params[-1].default == SEED
    asked = ["--only", "flag-misspelt", "--results", str(tmp_path), "--seed"]
    told = CliRunner().invoke(main, [*asked, "21"])
    assert told.exit_code == 0
    assert "planted faults whose cause was right: 1 of 1" in told.output
    assert not list(tmp_path.iterdir())
    before, after = (
        [p.sum().item() for p in set_ups()[0].make(seed).model.parameters()] for seed in (20, 21)
    )
    assert before != after


def test_a_set_up_that_another_device_cannot_run_is_left_out() -> None:
    (one,) = observed(["scale-as-an-item"], "meta", 1)
    assert one.outcome is None
    assert "item" in str(one.why_not)


def test_an_unknown_set_up_is_refused_with_a_near_match() -> None:
    told = CliRunner().invoke(main, ["--only", "flag-misspelled"])
    assert told.exit_code == 2
    assert "flag-misspelt" in told.output


def test_a_single_set_up_can_be_audited_and_writes_nothing(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["--only", "flag-misspelt", "--results", str(tmp_path)])
    assert told.exit_code == 0
    assert not list(tmp_path.iterdir())


def test_what_was_held_out_is_run_alone_and_writes_nothing(tmp_path: Path) -> None:
    asked = ["--unseen", "--only", "tenth-of-nothing", "--results", str(tmp_path)]
    assert CliRunner().invoke(main, asked).exit_code == 2
    asked[2] = "flag-misspelt"
    assert "there is no set-up 'flag-misspelt'" in CliRunner().invoke(main, asked).output
    asked[2] = "tasks-by-turns"
    told = CliRunner().invoke(main, asked)
    assert told.exit_code == 0
    assert "clean set-ups with a false alarm: 0 of 1" in told.output
    assert "planted faults that were found: none of none" in told.output
    assert not list(tmp_path.iterdir())


def test_what_was_held_out_is_part_of_the_roster() -> None:
    names = [one.name for one in held_out()]
    assert len(names) == len(set(names))
    assert set(names) < {one.name for one in set_ups()}
