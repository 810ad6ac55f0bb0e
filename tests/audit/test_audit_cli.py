"""`freezebench audit` from end to end."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from audit_targets import SOURCE
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from bench.cli import main
from bench.records import Audit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _path_as_before() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def audit(write: Callable[[str, str], Path]) -> Callable[..., Result]:
    path = write("train.py", SOURCE)

    def run(factory: str, *options: str) -> Result:
        target = f"{path}:{factory}" if factory else str(path)
        return CliRunner().invoke(main, ["audit", target, "--steps", "3", *options])

    return run


def words(result: Result) -> str:
    """What is on stdout, as if no line was ever broken."""
    return " ".join(result.stdout.split())


def rules(result: Result) -> list[str]:
    return [found["rule"] for found in json.loads(result.stdout)["findings"]]


def test_a_clean_training_ends_with_zero(audit):
    result = audit("a_tuple")
    assert result.exit_code == 0, result.output
    assert "train.py:a_tuple · cpu" in result.stdout
    assert "nothing found" in result.stdout


def test_a_module_by_itself_is_audited_with_patterns(audit):
    result = audit("a_module_that_is_not_frozen", "--freeze", "backbone", "--input", "6x4")
    assert result.exit_code == 0, result.output
    assert "frozen by backbone" in words(result)


def test_what_moved_is_a_finding_with_its_cause(audit):
    result = audit("moves", "--format", "json")
    assert result.exit_code == 1, result.output
    assert rules(result) == ["bn-statistics"]


# --- bad input ------------------------------------------------------------------------------------

REFUSED = {
    "too_little": "a function that trains one step is missing; let it end like this:",
    "nothing": "returned None, and a model (a torch.nn.Module), an optimizer",
    "on_meta": "on the device meta, where there are no values to compare",
    "a_meta_module": "on the device meta",
    "raises_at_once": "raises_at_once() raised RuntimeError: no data (train.py:",
    "a_tupel": "there is no function 'a_tupel' in it; did you mean 'a_tuple'",
    "a_module_that_is_not_frozen": "nothing of this module is frozen; say what is with --freeze",
    "": "which function of the file? give path/to/file.py:factory",
}


@pytest.mark.parametrize("factory", REFUSED)
def test_a_wrong_request_is_told_in_a_sentence(audit, factory):
    result = audit(factory)
    assert result.exit_code == 2
    assert REFUSED[factory] in result.stderr
    assert result.stderr.startswith("freezebench: train.py")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--freeze", "backbon"), "'backbon' matches no module or parameter; did you mean"),
        (("--freeze", "*"), "freeze every parameter; leave something to train"),
        (("--ignore", "bn-statistic"), "no rule 'bn-statistic'; did you mean 'bn-statistics'"),
        (("--input", "8y4"), "the input '8y4' is no shape; write sizes such as 8x3x224x224"),
        (("--device", "cupboard"), "cupboard"),
        (("--format", "jsn"), "there is no 'jsn'; did you mean 'json'"),
        (("--fail-on", "eror"), "there is no 'eror'; did you mean 'error'"),
        (("--steps", "0"), "--steps"),
        (("--warm", "-1"), "--warm"),
        (("-o", "/no/such/folder/audit.json"), "there is no folder"),
    ],
)
def test_a_wrong_option_is_told_in_a_sentence(audit, options, said):
    result = audit("a_tuple", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_step_that_raises_at_step_three_is_told_with_its_line(audit):
    result = audit("raises_at_step_three")
    assert result.exit_code == 3
    said = "step 3 raised ValueError: the third batch is [red]broken[/red] (train.py:"
    assert said in words(result)
    assert "Traceback" not in result.output


def test_a_parameter_that_is_replaced_is_a_finding(audit):
    result = audit("replaces_a_parameter", "--format", "json")
    assert result.exit_code == 1
    assert "parameter-replaced" in rules(result)


def test_nan_everywhere_is_one_finding(audit):
    result = audit("nan_everywhere", "--format", "json")
    assert result.exit_code == 1
    assert rules(result) == ["non-finite"]


def test_a_step_without_backward_is_one_finding(audit):
    result = audit("no_backward", "--format", "json")
    assert result.exit_code == 1
    assert rules(result) == ["no-backward"]


@pytest.mark.parametrize("factory", ["an_unknown_optimizer", "shared_with_another_model"])
def test_what_is_unusual_and_right_is_clean(audit, factory):
    result = audit(factory)
    assert result.exit_code == 0, result.output
    assert "nothing found" in result.stdout


def test_too_little_memory_for_a_copy_is_told(audit, monkeypatch):
    module = importlib.import_module("bench.audit.audit")  # its function has the same name
    monkeypatch.setattr(module, "how_to_keep", lambda *_: "hash")
    result = audit("a_tuple")
    assert result.exit_code == 0, result.output
    assert "with hashes" in result.stdout
    assert "too little memory for a copy" in words(result)


def test_an_interruption_has_its_own_code(audit):
    result = audit("interrupted")
    assert result.exit_code == 130
    assert "Interrupted." in result.stderr
    assert "Traceback" not in result.output


# --- what counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factory", "fail_on", "code"),
    [
        ("moves", "never", 0),
        ("moves", "error", 1),
        ("moves", "notice", 1),
        ("wasteful", "error", 0),
        ("wasteful", "warning", 1),
        ("wasteful", "notice", 1),
        ("raises_at_step_three", "never", 3),
    ],
)
def test_the_exit_code_follows_what_counts(audit, factory, fail_on, code):
    assert audit(factory, "--fail-on", fail_on).exit_code == code


@pytest.mark.parametrize(
    ("ignored", "code"),
    [
        ("bn-statistics", 0),
        ("bn-statistics:backbone", 0),
        ("bn-statistics:backbone*", 0),
        ("bn-statistics:backbone.1", 0),
        ("bn-statistics:back", 1),
        ("bn-statistics:head*", 1),
        ("bn-counter", 1),
    ],
)
def test_a_finding_can_be_ignored_by_rule_and_place(audit, ignored, code):
    result = audit("moves", "--ignore", ignored)
    assert result.exit_code == code
    assert ("1 finding left out by --ignore" in result.stdout) == (code == 0)


# --- forms ----------------------------------------------------------------------------------------


def test_json_on_stdout_is_nothing_but_json(audit):
    result = audit("moves", "--format", "json")
    assert msgspec.json.decode(result.stdout, type=Audit).target == "train.py:moves"


def test_a_file_gets_what_stdout_would(audit, tmp_path):
    file = tmp_path / "audit.xml"
    result = audit("moves", "--format", "junit", "-o", str(file))
    assert result.stdout == ""
    assert JUnitXml.fromfile(str(file)).failures == 1


def test_what_an_early_end_left_unchecked_has_not_passed(audit, tmp_path):
    file = tmp_path / "audit.xml"
    result = audit("raises_at_step_three")
    audit("raises_at_step_three", "--format", "junit", "-o", str(file))
    (suite,) = JUnitXml.fromfile(str(file))
    assert [case.name for case in suite if not case.result] == []
    assert "looked at to the end: the steps ended early" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("terminal", "train.py:moves"),
        ("markdown", "# freezebench audit"),
        ("github", "::error title=bn-statistics"),
        ("junit", "<?xml"),
    ],
)
def test_each_form_can_be_had_in_a_file(audit, tmp_path, form, start):
    file = tmp_path / "audit"
    assert audit("moves", "--format", form, "-o", str(file)).exit_code == 1
    assert file.read_text().startswith(start)


def test_no_form_names_a_folder(audit, tmp_path):
    for form in ("terminal", "json", "markdown", "junit", "github"):
        assert str(tmp_path) not in audit("raises_at_step_three", "--format", form).output
