"""What a user's code does besides training: printing, exiting, going elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from audit_targets import SOURCE
from click.testing import CliRunner
from junitparser import JUnitXml

from bench.audit import AuditError
from bench.audit.returned import parts_of
from bench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

UNRULY = """

import os, sys

def exits_in_a_step():
    model, optimizer, step = a_tuple()
    def exiting():
        step()
        sys.exit(0)
    return model, optimizer, exiting

def exits_at_once():
    sys.exit(0)

def is_interrupted():
    model, optimizer, step = a_tuple()
    def interrupted():
        raise KeyboardInterrupt
    return model, optimizer, interrupted

def prints():
    print("made")
    model, optimizer, step = a_tuple()
    def printing():
        print("stepped")
        sys.__stdout__.write("stepped past the redirection")
        os.write(1, b"stepped below Python")
        step()
    return model, optimizer, printing

def goes_elsewhere():
    model, optimizer, step = a_tuple()
    def going():
        step()
        os.chdir("/")
    os.chdir("/")
    return model, optimizer, going

def accumulates():
    model, optimizer, _ = a_tuple()
    number = [0]
    def step():
        number[0] += 1
        model(torch.randn(6, 4)).sum().backward()
        if number[0] % 8 == 0:
            optimizer.step(); optimizer.zero_grad()
    return model, optimizer, step

def with_an_odd_name():
    model = nn.Sequential()
    model.add_module("two\\nlines", nn.BatchNorm1d(4))
    model.add_module("head", nn.Linear(4, 3))
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)
    def step():
        optimizer.zero_grad(); model(torch.randn(6, 4)).sum().backward(); optimizer.step()
    return model, optimizer, step

def nothing_is_frozen():
    model, optimizer, step = a_tuple()
    model.requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return model, optimizer, step
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    path, folder = list(sys.path), Path.cwd()
    yield
    sys.path[:] = path
    os.chdir(folder)


@pytest.fixture
def audit(write: Callable[[str, str], Path]) -> Callable[..., Result]:
    path = write("train.py", SOURCE + UNRULY)

    def run(factory: str, *options: str) -> Result:
        return CliRunner().invoke(main, ["audit", f"{path}:{factory}", "--steps", "3", *options])

    return run


def test_a_step_that_exits_is_a_finding(audit):
    result = audit("exits_in_a_step", "--format", "json")
    assert result.exit_code == 3
    assert [found["rule"] for found in json.loads(result.stdout)["findings"]] == ["step-raised"]


def test_a_factory_that_exits_is_told(audit):
    result = audit("exits_at_once")
    assert result.exit_code == 2
    assert "exits_at_once() raised SystemExit" in result.stderr


def test_an_interrupted_step_interrupts(audit):
    assert audit("is_interrupted").exit_code == 130


def test_what_the_users_code_prints_goes_to_stderr(audit):
    result = audit("prints", "--format", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["target"] == "train.py:prints"
    assert "made" in result.stderr
    assert "stepped" in result.stderr


def run(folder: Path, *asked: str, **given) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", "audit", *asked]
    there = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        command, cwd=folder, env=there, text=True, check=False, stderr=subprocess.PIPE, **given
    )


def test_what_is_printed_below_python_goes_to_stderr_too(write):
    folder = write("train.py", SOURCE + UNRULY).parent
    done = run(folder, "train.py:prints", "--format", "json", stdout=subprocess.PIPE)
    assert json.loads(done.stdout)["target"] == "train.py:prints"
    assert "stepped below Python" in done.stderr
    assert "stepped past the redirection" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("form", ["terminal", "json"])
def test_a_full_stdout_is_told_in_a_sentence(write, form):
    folder = write("train.py", SOURCE).parent
    with Path("/dev/full").open("w") as full:
        done = run(folder, "train.py:a_tuple", "--format", form, stdout=full)
    assert done.returncode == 2
    assert "cannot write to stdout: no space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_step_may_change_the_working_folder(audit, tmp_path, monkeypatch):
    audit("a_tuple")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["audit", "train.py:goes_elsewhere", "-o", "audit.txt"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "audit.txt").exists()
    assert Path.cwd() == tmp_path


def test_a_folder_without_python_files_is_told(tmp_path):
    result = CliRunner().invoke(main, ["audit", f"{tmp_path}/train.py:make"])
    assert result.exit_code == 2
    assert "there are no Python files there" in result.stderr


def test_a_folder_is_no_file(tmp_path):
    result = CliRunner().invoke(main, ["audit", f"{tmp_path}:make"])
    assert result.exit_code == 2
    assert "is a folder; give a file in it" in result.stderr


def test_no_claim_is_made_where_findings_are_left_out(audit):
    result = audit("moves", "--ignore", "bn-statistics")
    assert "nothing else found" in result.stdout
    assert "stayed frozen" not in result.stdout


def test_the_heading_says_how_many_steps_ran(audit):
    assert "· 7 steps after 1 to warm up" in audit("accumulates").stdout
    assert "· 1 step after 1 to warm up" in audit("raises_at_step_three").stdout
    assert "· no step ran to its end" in audit("exits_in_a_step").stdout


def test_a_name_with_a_line_break_stays_on_its_line(audit, tmp_path):
    file = tmp_path / "audit.xml"
    audit("with_an_odd_name", "--format", "junit", "-o", str(file))
    names = [case.name for suite in JUnitXml.fromfile(str(file)) for case in suite]
    assert "bn-statistics:two lines" in names
    line = audit("with_an_odd_name", "--format", "github").stdout.splitlines()[0]
    title = line.split("::")[1]
    assert "%0A" not in title
    assert "two lines" in title


def test_the_refusal_of_what_freezes_nothing_says_where_and_how(audit):
    result = audit("nothing_is_frozen")
    assert result.exit_code == 2
    assert result.stderr.startswith("freezebench: train.py:nothing_is_frozen: nothing in the model")
    assert "--freeze or as 'frozen' of the returned dict" in result.stderr


def test_a_mend_is_not_broken_into_lines(audit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    mend = json.loads(audit("moves", "--format", "json").stdout)["findings"][0]["mend"]
    assert len(mend) > 40
    assert mend in audit("moves").stdout


def test_a_trainer_of_transformers_is_pointed_to_its_callback():
    kind = type("Trainer", (), {"__module__": "transformers.trainer"})
    for returned in (kind(), (kind(),), {"trainer": kind()}):
        with pytest.raises(AuditError, match="FreezeGuardCallback"):
            parts_of(returned)
