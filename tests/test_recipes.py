from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from bench.cli import main
from bench.cli.gate.recipe import FILES, NAMES
from bench.exits import CANT_TELL, CELL_FAILED, DONE, FINDING, WRONG_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
GITHUB = [name for name in NAMES if name.startswith("github")]
STEPS = ("run", "script", "before_script")


def text_of(name: str) -> str:
    return (FILES / f"{name}.yml").read_text(encoding="utf-8")


def parsed(name: str) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(text_of(name))
    return document


def jobs_of(name: str) -> dict[str, Any]:
    jobs: dict[str, Any] = parsed(name)["jobs"]
    return jobs


def scripts_in(node: Any) -> Iterator[str]:
    """Every script of a recipe, wherever it stands."""
    if isinstance(node, list):
        for item in node:
            yield from scripts_in(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in STEPS:
                yield from [value] if isinstance(value, str) else value
            else:
                yield from scripts_in(value)


def variables_in(node: Any) -> dict[str, str]:
    """Everything that a recipe puts into the environment."""
    found: dict[str, str] = {}
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("env", "variables"):
                found |= {name: str(set_to) for name, set_to in value.items()}
            found |= variables_in(value)
    elif isinstance(node, list):
        for item in node:
            found |= variables_in(item)
    return found


def freezebench_calls(name: str) -> list[list[str]]:
    """The arguments of every call of freezebench, with the recipe's own variables filled in."""
    recipe = parsed(name)
    calls = []
    for script in scripts_in(recipe):
        for line in script.replace("\\\n", " ").splitlines():
            filled = Template(line).safe_substitute(variables_in(recipe))
            words = shlex.shlex(filled, posix=True, punctuation_chars="|;<>")
            words.whitespace_split = True
            words.commenters = "#"
            call: list[str] | None = None
            for word in words:
                if call is None and Path(word).name == "freezebench":
                    call = []
                elif call is not None and set(word) <= set("|;<>"):
                    break
                elif call is not None:
                    call.append(word)
            if call is not None:
                calls.append(call)
    return calls


def parse(arguments: list[str]) -> click.Context:
    """What the command line makes of them, without carrying it out."""
    context = click.Context(main)
    command: click.Command = main
    name: str | None = None
    while isinstance(command, click.Group):
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
    return command.make_context(name, arguments, parent=context)


def test_there_is_a_recipe_for_each_place() -> None:
    assert NAMES == ["github", "github-gpu", "gitlab"]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_prints_the_recipe_as_it_is(name: str) -> None:
    result = CliRunner().invoke(main, ["gate", "recipe", name])

    assert result.exit_code == DONE
    assert result.output == text_of(name)


def test_a_recipe_that_there_is_not_is_refused_with_a_near_name() -> None:
    result = CliRunner().invoke(main, ["gate", "recipe", "gitlub"])

    assert result.exit_code == WRONG_REQUEST
    assert "did you mean 'gitlab'" in result.output


def test_recipes_are_installed_with_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["bench.recipes"]

    for name in NAMES:
        assert any(fnmatch(f"{name}.yml", pattern) for pattern in patterns)


@pytest.mark.parametrize("name", NAMES)
def test_every_call_of_freezebench_is_one_that_there_is(name: str) -> None:
    calls = freezebench_calls(name)

    assert calls
    for call in calls:
        parse(call)


def test_a_call_with_an_option_that_there_is_not_would_be_noticed() -> None:
    with pytest.raises(click.NoSuchOption):
        parse(["gate", "recipe", "gitlab", "--no-such-option"])


@pytest.mark.parametrize("name", GITHUB)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(name: str) -> None:
    uses = [line for line in text_of(name).splitlines() if re.match(r"\s*(- )?uses:", line)]

    assert uses
    for line in uses:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("name", GITHUB)
def test_a_workflow_may_read_the_code_and_nothing_else(name: str) -> None:
    assert parsed(name)["permissions"] == {}
    for job in jobs_of(name).values():
        assert job["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("name", GITHUB)
def test_a_workflow_ends_by_itself_and_never_runs_for_a_fork_with_rights(name: str) -> None:
    workflow = parsed(name)

    assert "pull_request_target" not in workflow["on"]
    assert workflow["concurrency"]["group"]
    assert all(job["timeout-minutes"] <= 30 for job in jobs_of(name).values())


@pytest.mark.parametrize("name", GITHUB)
def test_checking_out_leaves_no_credentials_behind(name: str) -> None:
    checkouts = [
        step
        for job in jobs_of(name).values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/checkout@")
    ]

    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_pasted_into_a_script(name: str) -> None:
    for script in scripts_in(parsed(name)):
        assert "${{" not in script


def test_the_gpu_is_not_for_forks_and_serves_one_job_at_a_time() -> None:
    (job,) = jobs_of("github-gpu").values()

    assert "head.repo.full_name == github.repository" in job["if"]
    assert parsed("github-gpu")["concurrency"] == {
        "group": "freezebench-gpu",
        "cancel-in-progress": False,
    }


@pytest.mark.parametrize("name", GITHUB)
@pytest.mark.parametrize(
    ("exit_code", "becomes"),
    [
        (DONE, DONE),
        (FINDING, FINDING),
        (WRONG_REQUEST, WRONG_REQUEST),
        (CELL_FAILED, CELL_FAILED),
        (CANT_TELL, DONE),
    ],
)
def test_only_cant_tell_becomes_a_warning(
    name: str, exit_code: int, becomes: int, tmp_path: Path
) -> None:
    (script,) = (s for s in scripts_in(parsed(name)) if "gate time" in s)
    folder = tmp_path / "venv" / "bin"  # on the path, and where the GPU's recipe looks
    folder.mkdir(parents=True)
    stand_in = folder / "freezebench"
    stand_in.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)

    done = subprocess.run(
        [str(shutil.which("bash")), "-e", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            **variables_in(parsed(name)),
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == becomes, done.stderr
    assert ("::warning" in done.stdout) == (exit_code == CANT_TELL)


def test_on_gitlab_only_cant_tell_is_allowed_to_fail() -> None:
    jobs = {name: job for name, job in parsed("gitlab").items() if "script" in job}

    assert jobs["freezebench-time"]["allow_failure"] == {"exit_codes": [CANT_TELL]}
    assert "allow_failure" not in jobs["freezebench-counters"]
