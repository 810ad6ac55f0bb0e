"""What holds for every format there is, and for every one to come."""

from __future__ import annotations

import getpass
import io
import json
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bench import store
from bench.cli import main
from bench.export import FORMATS, ExportError, export
from bench.export.strict_json import strict_json
from bench.portable import without_folders
from bench.records import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Run

JSON = ("pytest-benchmark", "github-action-benchmark", "bencher")

every_format = pytest.mark.parametrize("form", FORMATS)


@pytest.fixture(autouse=True)
def _what_formats_need(request: pytest.FixtureRequest) -> None:
    called = getattr(request.node, "callspec", None)
    form = called.params.get("form") if called else None
    if form == "parquet":
        pytest.importorskip("pyarrow")
    if form == "pytest-benchmark":
        pytest.importorskip("pytest_benchmark")


@pytest.fixture
def stored(tmp_path: Path, whole: Run) -> Path:
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    store.RunFolder(folder).save(whole)
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def readable(content: bytes, form: str) -> str:
    """All text of an export; a compressed one is unpacked."""
    if form == "parquet":
        return pd.read_parquet(io.BytesIO(content)).to_csv() + repr(content)
    return content.decode("utf-8")


@every_format
def test_a_format_says_something_of_a_run_in_any_state(form: str, any_run: Run) -> None:
    assert export(any_run, form)


@every_format
def test_a_format_is_rebuilt_to_the_byte(form: str, any_run: Run, tmp_path: Path) -> None:
    store.RunFolder(tmp_path).save(any_run)
    assert export(store.load(tmp_path)[1], form) == export(any_run, form)


@every_format
def test_a_format_is_the_same_from_another_process(form: str, whole: Run, tmp_path: Path) -> None:
    store.RunFolder(tmp_path).save(whole)
    told = subprocess.run(
        [sys.executable, "-m", "bench", "export", str(tmp_path), "--format", form],
        capture_output=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert told.stdout == export(whole, form)


@every_format
def test_a_format_holds_no_host_user_or_folder(
    form: str, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, module in (("gethostname", socket), ("getuser", getpass)):
        monkeypatch.setattr(module, name, lambda name=name: f"secret-{name}")
    monkeypatch.setenv("USER", "secret-user")
    monkeypatch.setenv("HOME", "/home/secret-user")
    monkeypatch.chdir(stored)
    text = readable(export(store.load(stored)[1], form), form)
    assert "secret" not in text
    for known in (os.uname().nodename, str(Path(sys.prefix)), str(Path(__file__).parents[2])):
        assert known not in text


@pytest.mark.parametrize("form", JSON)
def test_json_has_no_number_that_json_has_not_got(form: str, any_run: Run) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(export(any_run, form), parse_constant=refuse)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_figure_that_is_not_finite_is_refused_in_a_sentence(value: float) -> None:
    with pytest.raises(ExportError, match="JSON has no number for that"):
        strict_json({"deep": [value]})


@every_format
def test_samples_that_are_not_parallel_are_refused_in_a_sentence(form: str, whole: Run) -> None:
    broken = replace(whole.cells[1], summary=None, origin=Origin([1], [0], [0]))
    run = replace(whole, cells=[whole.cells[0], broken])
    if form == "junit":  # which reads no sample's origin
        assert export(run, form)
        return
    with pytest.raises(ExportError, match="policy × no_grad differ in length"):
        export(run, form)


# --- the command ---------------------------------------------------------------------------------


@every_format
def test_the_command_writes_the_same_to_a_file_and_to_a_pipe(
    form: str, stored: Path, tmp_path: Path, whole: Run
) -> None:
    file = tmp_path / "out"
    piped, written = invoke(stored, "-f", form), invoke(stored, "-f", form, "-o", file)
    assert (piped.exit_code, written.exit_code) == (0, 0)
    assert piped.stdout_bytes == file.read_bytes() == export(whole, form)
    assert written.output == ""


def test_the_file_of_a_run_does_as_well_as_its_folder(stored: Path) -> None:
    by_file = invoke(stored / "run.json", "-f", "bencher")
    assert by_file.stdout_bytes == invoke(stored, "-f", "bencher").stdout_bytes


def test_a_terminal_is_spared_binary_and_shown_text(stored: Path) -> None:
    leader, terminal = os.openpty()
    run = partial(subprocess.run, stdout=terminal, stderr=subprocess.PIPE, text=True, check=False)
    command = [sys.executable, "-m", "bench", "export", str(stored), "--format"]
    try:
        binary, text = run([*command, "parquet"]), run([*command, "bencher"])
    finally:
        os.close(terminal)
        os.close(leader)
    assert binary.returncode == 2
    assert "no terminal can show it; give --output FILE, or pipe it" in binary.stderr
    assert (text.returncode, text.stderr) == (0, "")


@pytest.mark.parametrize(
    ("form", "package", "extra"),
    [("parquet", "pyarrow", "parquet"), ("pytest-benchmark", "pytest_benchmark", "pytest")],
)
def test_a_package_that_is_missing_is_named_with_the_way_to_get_it(
    form: str, package: str, extra: str, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (package, f"{package}.stats"):
        monkeypatch.setitem(sys.modules, name, None)
    told = invoke(stored, "-f", form)
    assert told.exit_code == 2
    assert f"pip install 'freezebench[{extra}]'" in told.stderr


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda folder: (folder / "run.json").unlink(), "no such file or directory"),
        (lambda folder: (folder / "run.json").write_text('{"schema": 99}'), "has schema 99"),
        (lambda folder: os.truncate(folder / "run.json", 500), "is truncated or no JSON"),
    ],
    ids=["missing", "newer", "truncated"],
)
def test_a_run_that_cannot_be_read_is_told_in_a_sentence(
    break_it: Callable[[Path], Any], told: str, stored: Path
) -> None:
    break_it(stored)
    result = invoke(stored, "-f", "csv")
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.output


def test_a_file_that_cannot_be_written_is_told_in_a_sentence(stored: Path, tmp_path: Path) -> None:
    result = invoke(stored, "-f", "csv", "-o", tmp_path / "nowhere" / "out.csv")
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


def test_a_format_that_there_is_not_is_answered_with_what_was_meant(stored: Path) -> None:
    result = invoke(stored, "-f", "junitt")
    assert result.exit_code == 2
    assert "junit" in result.stderr


# --- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("cannot read '/home/me/a b.bin'", "cannot read 'a b.bin'"),
        ("no file /home/me/data.bin: give one", "no file data.bin: give one"),
        (r"no file C:\Users\me\data.bin", "no file data.bin"),
        ("~/models/mine.pt is no model", "mine.pt is no model"),
        ("~/x is no model", "x is no model"),
        ("~somebody/x is no model", "x is no model"),
        ("see file:///home/me/x", "see x"),
        ("see file:///C:/Users/me/x", "see x"),
        ("no ../../home/me/x", "no x"),
        ("no a/../../home/me/x", "no a/x"),
        ("about ~1/2, x = y ~ z", "about ~1/2, x = y ~ z"),
        ("1/2 of the rest, 3 / 4, a/b/c", "1/2 of the rest, 3 / 4, a/b/c"),
        ("https://example.org/a/b says", "https://example.org/a/b says"),
    ],
)
def test_a_path_is_shortened_to_its_last_name(said: str, left: str) -> None:
    assert without_folders(said) == left


@settings(max_examples=50)
@given(st.text())
def test_shortening_paths_never_fails_and_never_lengthens(text: str) -> None:
    assert len(without_folders(text)) <= len(text)
