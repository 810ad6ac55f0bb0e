"""What the README shows, works."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner

from bench import store
from bench.audit_study.outcome import Outcome
from bench.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def python_blocks() -> dict[str, str]:
    """The README's Python files, by the name in their first line."""
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", README, re.DOTALL)
    return dict(blocks)


def test_the_readme_shows_a_model_a_strategy_and_a_training_of_ones_own() -> None:
    assert set(python_blocks()) == {"my_model.py", "my_strategy.py", "my_training.py"}


def test_the_readmes_audit_says_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_training.py").write_text(python_blocks()["my_training.py"])
    done = CliRunner().invoke(main, ["audit", "my_training.py:training"])
    assert done.exit_code == 1, done.output
    shown = re.search(r"```\n(× error bn-statistics.*?)```", README, re.DOTALL)
    assert shown is not None
    said = {line.strip() for line in done.stdout.splitlines()}
    assert {line.strip() for line in shown[1].splitlines()} <= said


def test_the_readmes_model_and_strategy_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in python_blocks().items():
        (tmp_path / name).write_text(text)
    done = CliRunner().invoke(
        main,
        ["run", "-w", "my_model.py:finetune", "-s", "requires_grad", "-s", "my_strategy.py:Undo",
         "--budget", "1"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (folder,) = tmp_path.glob("results/*/*")
    verdicts = {cell.strategy: cell.verdict for cell in store.load(folder)[1].cells}
    assert verdicts == {"full": "reference", "requires_grad": "ok", "undo": "ok"}


def outcomes_of(file: str) -> list[dict[str, Any]]:
    """What the audit study has stored."""
    stored = json.loads((ROOT / "results" / "audit-study" / file).read_text())
    return stored["outcomes"]


def test_the_readmes_figures_of_the_audit_are_those_of_the_study() -> None:
    told = " ".join(README.split())
    every = outcomes_of("audit-study.json")
    faults = [one for one in every if one["kind"] == "fault"]
    assert f"finds all {len(faults)} planted faults" in told
    assert f"silent on {len(every) - len(faults)} clean set-ups" in told
    assert f"over {len({one['architecture'] for one in every})} architectures" in told
    first = [msgspec.convert(one, Outcome) for one in outcomes_of("first-sight.json")]
    planted = [one for one in first if one.kind == "fault"]
    clean = [one for one in first if one.kind == "clean"]
    right = sum(one.right_cause for one in planted)
    assert f"found {right} of {len(planted)} planted faults at first sight" in told
    alarmed = sum(bool(one.false_alarms) for one in clean)
    assert f"an alarm on {alarmed} of {len(clean)} clean ones" in told


def test_the_readmes_figures_of_the_audit_on_a_gpu_are_those_of_the_study() -> None:
    told = " ".join(README.split())
    found = outcomes_of("on-nvidia-h100-80gb-hbm3.json")
    outcomes = [msgspec.convert(one, Outcome) for one in found]
    faults = [one for one in outcomes if one.kind == "fault"]
    silent = [one for one in outcomes if one.kind == "clean" and not one.false_alarms]
    assert all(one.found for one in faults)
    right = sum(one.right_cause for one in faults)
    assert f"found all {len(faults)} faults that run there" in told
    assert f"silent on {len(silent)} clean ones" in told
    assert len(faults) + len(silent) == len(outcomes)
    alarmed = sum(bool(one.false_alarms) for one in faults)
    assert f"{right} with the right cause and {alarmed} with a false alarm beside it" in told
    assert f"all of {len(faults)} planted faults were found, with {alarmed} false alarms" in told
    assert f"{len(silent)} clean trainings were left in peace" in told


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_everything_the_readme_points_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def options_of(command: click.Command) -> set[str]:
    if isinstance(command, click.Group):
        return set().union(*(options_of(one) for one in command.commands.values()))
    return {option for parameter in command.params for option in parameter.opts}


def test_every_option_that_the_readme_names_exists() -> None:
    known = options_of(main) | {"--help"}
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", README))
    assert {"--precision", "--update", "--base"} <= named
    assert {name for name in named - known if not name.startswith("--benchmark")} == set()


def test_nothing_in_the_readme_is_left_to_fill_in() -> None:
    prose = re.sub(r"```.*?```|`[^`]*`", "", README, flags=re.DOTALL)
    assert "@@" not in prose
    words = {"CONTRIBUTING", "CUDA", "EPYC", "FAIL", "NVIDIA", "PASS", "README", "TELL", "UUID"}
    assert set(re.findall(r"\b[A-Z]{4,}\b", prose)) <= words
