"""The command: what it writes, what it refuses, and how it ends."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from outcomes import claims

from bench.cli import main


@pytest.fixture
def measured(monkeypatch):
    """Nothing is measured: the made-up record, with the claims that were asked for."""

    def answer_all(numbers, laboratory):
        whole = claims(seeds=laboratory.settings.seeds)
        kept = [answer for answer in whole.answers if answer.number in numbers]
        return claims(seeds=whole.seeds, answers=kept)

    monkeypatch.setattr("bench.claims.answer_all", answer_all)


def _run(*arguments):
    return CliRunner().invoke(main, ["claims", *map(str, arguments)])


def test_all_claims_write_the_page_and_one_that_broke_is_exit_code_3(measured, tmp_path):
    result = _run("--results", tmp_path)
    assert result.exit_code == 3
    names = {file.name for file in (tmp_path / "claims").iterdir()}
    assert {"README.md", "claims.json", "accuracy.png", "accuracy.svg"} <= names


def test_a_few_claims_leave_the_page_as_it_is(measured, tmp_path):
    (tmp_path / "claims").mkdir()
    page = tmp_path / "claims" / "README.md"
    page.write_text("the full page")
    result = _run(2, "--results", tmp_path)
    assert result.exit_code == 0
    assert page.read_text() == "the full page"
    assert "left as it is" in result.stderr


def test_a_few_claims_are_written_where_json_says(measured, tmp_path):
    file = tmp_path / "some.json"
    assert _run(3, 2, "--json", file, "--seeds", 3).exit_code == 0
    record = json.loads(file.read_bytes())
    assert [answer["number"] for answer in record["answers"]] == [2, 3]
    assert record["seeds"] == 3


@pytest.mark.parametrize(
    ("form", "begins"), [("json", "{"), ("markdown", "# "), ("text", "#   claim")]
)
def test_the_answers_are_printed_in_the_form_that_is_asked_for(measured, form, begins):
    result = _run(2, "--format", form)
    assert result.exit_code == 0
    assert result.stdout.startswith(begins)


def test_an_unknown_claim_is_refused_in_a_sentence(tmp_path):
    result = _run(99, "--results", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == ("freezebench: there is no claim 99; they are numbered from 1 to 14\n")
    assert not list(tmp_path.iterdir())


def test_results_that_cannot_be_written_are_refused_before_anything_is_measured(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    result = _run("--results", file)
    assert result.exit_code == 2
    assert result.stderr.startswith("freezebench: cannot write to ") or "file" in result.stderr
    assert "Traceback" not in result.output


def test_an_interruption_writes_nothing_and_exits_130(monkeypatch, tmp_path):
    def interrupted(numbers, laboratory):
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.claims.answer_all", interrupted)
    result = _run("--results", tmp_path)
    assert result.exit_code == 130
    assert list((tmp_path / "claims").iterdir()) == []
