"""`freezebench hazards` from the outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.hazards import ROSTER

FLAG_ONLY = f"{Path(__file__).parent / 'hazard_strategies.py'}:FlagOnly"


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(main, ["hazards", *map(str, args)])


def test_a_leak_is_a_result(run):
    done = run("--only", "lr-revived", "-s", "lr_zero")
    assert done.exit_code == 0
    assert "body.0.weight moved" in done.output


def test_every_hazard_is_listed_with_its_title(run):
    done = run("--list")
    assert done.exit_code == 0
    assert all(name in done.output for name in ROSTER)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--only", "lr-revive"), "did you mean 'lr-revived'"),
        (("-s", "no_gradd"), "did you mean 'no_grad'"),
        (("-s", "absent.py:Mine"), "there is no strategy file 'absent.py'"),
    ],
)
def test_an_unknown_name_is_a_sentence(run, args, said):
    done = run(*args)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_part_is_only_printed(run, tmp_path):
    assert run("--only", "severed", "-s", "no_grad").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_written_where_it_is_asked_for(run, tmp_path):
    done = run("--only", "severed", "-s", "no_grad", "-s", FLAG_ONLY, "--results", "here")
    assert done.exit_code == 0
    names = {file.name for file in (tmp_path / "here" / "hazards").iterdir()}
    assert names == {"README.md", "hazards.json", "hazards.csv", "hazards.png", "hazards.svg"}


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(run, tmp_path):
    (tmp_path / "file").touch()
    done = run("--only", "severed", "--results", "file/below")
    assert done.exit_code == 2
    assert "choose another folder with --results" in done.output


def test_a_broken_scenario_is_another_exit_code_than_a_leak(run, monkeypatch):
    def broken(self, strategy, *, mended):
        raise KeyError("no such layer")

    monkeypatch.setattr(type(ROSTER["severed"]), "run", broken)
    done = run("--only", "severed", "-s", "no_grad")
    assert done.exit_code == 3
    assert "no such layer" in done.output


def test_an_interruption_has_its_exit_code(run, monkeypatch):
    def interrupted(self, strategy, *, mended):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(ROSTER["severed"]), "run", interrupted)
    assert run("--only", "severed", "-s", "no_grad").exit_code == 130
