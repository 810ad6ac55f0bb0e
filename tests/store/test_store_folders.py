"""A run has a folder of its own, called by machine and moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_runs import NOON, names

from bench import store
from bench.store import create, slug

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_s_folder_is_called_by_machine_and_moment(tmp_path: Path) -> None:
    made, run_id = create(tmp_path, "Intel(R) Xeon(R) @ 2.20GHz", NOON)
    assert made.path == tmp_path / "intel-r-xeon-r-2-20ghz" / run_id
    assert made.path.is_dir()
    assert run_id.startswith("20260102-120000-")


def test_two_runs_of_the_same_second_have_two_folders(tmp_path: Path) -> None:
    made = {create(tmp_path, "a machine", NOON)[1] for _ in range(3)}
    assert len(made) == 3
    assert names(tmp_path / "a-machine") == sorted(made)


def test_a_folder_that_is_taken_is_never_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(store.secrets, "token_hex", lambda _: next(drawn))
    made = [create(tmp_path, "a machine", NOON)[1][-4:] for _ in range(2)]
    assert made == ["aaaa", "bbbb"]


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("NVIDIA A100", "nvidia-a100"),
        ("  AMD EPYC 7B13 / 2 cores ", "amd-epyc-7b13-2-cores"),
        ("../../etc", "etc"),
        ("Ünïcode", "n-code"),
        ("", "machine"),
        ("///", "machine"),
        ("x" * 100, "x" * 60),
    ],
)
def test_a_machine_s_name_becomes_a_folder_s_name(name: str, called: str) -> None:
    assert slug(name) == called


@given(st.text())
def test_a_folder_s_name_is_safe_whatever_the_machine_is_called(name: str) -> None:
    assert 0 < len(slug(name)) <= 60
    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
