"""`freezebench gate time`: what it asks the gate for, what it writes, and how it ends."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bench.cli import main
from bench.cli.gate.time import time_
from bench.cli.outputs import OutputError, append, refuse_unwritable, write
from bench.gate.time import gate as room
from bench.gate.time.checkout import CheckoutError
from bench.gate.time.comparison import BudgetError
from bench.gate.time.record import SCHEMA, Gate, SideRecord, Terms
from bench.gate.time.sides import SideError
from bench.gate.time.trial import SideFailedError
from bench.records import Machine
from bench.report.progress import telling
from bench.run import interruption

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.gate.time.gate import Asked
    from bench.gate.time.record import Answer

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ("--json", "--markdown", "--junit", "--plot")


class FakeGate:
    """Stands where the gate does: remembers what it was asked, and answers or raises."""

    def __init__(self) -> None:
        self.answer: Answer = "PASS"
        self.error: BaseException | None = None
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked, *, told: Callable[[str, float], None]) -> Gate:
        self.asked.append(asked)
        told("life 1", 0.0)
        if self.error is not None:
            raise self.error
        return Gate(
            schema=SCHEMA,
            id="gate-20260101-000000-abcd",
            started="2026-01-01T00:00:00+00:00",
            answer=self.answer,
            why="because",
            notes=[],
            seconds=1.0,
            looks=1,
            base=SideRecord(asked.base, None, False, "0.1.0", "3.12.4", "2.15.0"),
            head=SideRecord(asked.head, None, False, "0.1.0", "3.12.4", "2.15.0"),
            machine=Machine("box", "EPYC", 2, 2**34, "Linux", "3.12.4", "2.15.0", "0.30", "MKL"),
            request=asked.request,
            terms=asked.terms,
            rows=[],
        )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeGate:
    """The gate of the command, which runs in an empty folder."""
    gate = FakeGate()
    monkeypatch.setattr(room, "gate", gate)
    monkeypatch.chdir(tmp_path)
    return gate


def gate_time(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["gate", "time", "--base", "origin/main", *map(str, arguments)])


# --- how it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "options", "code"),
    [
        ("PASS", (), 0),
        ("FAIL", (), 1),
        ("CAN'T TELL", (), 4),
        ("PASS", ("--strict",), 0),
        ("FAIL", ("--strict",), 1),
        ("CAN'T TELL", ("--strict",), 1),
    ],
)
def test_the_answer_is_the_first_line_and_the_exit_code(
    fake: FakeGate, answer: Answer, options: tuple[str, ...], code: int
) -> None:
    fake.answer = answer
    ended = gate_time(*options)
    assert ended.exit_code == code
    assert ended.stdout.startswith(f"{answer}: because\n")
    assert ended.stderr == ""


@pytest.mark.parametrize(
    "error",
    [
        CheckoutError("there is no revision x"),
        SideError("the base cannot take part"),
        BudgetError("a budget of 1 s is too small"),
    ],
)
def test_a_wrong_request_is_refused_in_a_sentence(fake: FakeGate, error: Exception) -> None:
    fake.error = error
    ended = gate_time()
    assert ended.exit_code == 2
    assert ended.stderr == f"freezebench: {error}\n"
    assert ended.stdout == ""


@pytest.mark.parametrize(("label", "code"), [("base", 2), ("head", 3)])
def test_a_side_that_cannot_run_ends_with_2_for_the_base_and_3_for_the_head(
    fake: FakeGate, label: str, code: int
) -> None:
    fake.error = SideFailedError(label, "policy × detach", "RuntimeError: on purpose")
    ended = gate_time()
    assert ended.exit_code == code
    assert ended.stderr == (
        f"freezebench: policy × detach failed in the {label}: RuntimeError: on purpose\n"
    )


def test_an_interruption_ends_with_130_and_leaves_no_file(fake: FakeGate, tmp_path: Path) -> None:
    fake.error = KeyboardInterrupt()
    ended = gate_time("--json", "x.json")
    assert ended.exit_code == 130
    assert ended.stderr == "\nInterrupted; nothing is said about the head.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_interrupt(
    fake: FakeGate, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def killed(_asked: Asked, *, told: Callable[[str, float], None]) -> Gate:
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was lost")

    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(room, "gate", killed)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    try:
        assert gate_time().exit_code == 130
    finally:
        interruption.listen()  # forgets this one, which the next test would find otherwise
        for one, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(one, handler)


# --- what it asks for ----------------------------------------------------------------------------


def test_without_options_it_asks_for_one_cell_on_one_thread(fake: FakeGate, tmp_path: Path) -> None:
    gate_time()
    (asked,) = fake.asked
    assert (asked.base, asked.head, asked.here) == ("origin/main", ".", tmp_path)
    assert asked.request.workloads == ("policy",)
    assert asked.request.strategies == ("requires_grad",)
    assert asked.request.threads == 1
    assert asked.terms == Terms()
    assert str(asked.base_python) == str(asked.head_python) == sys.executable


def test_what_is_typed_is_what_is_asked_for(fake: FakeGate) -> None:
    ended = gate_time(
        "--head", "topic", "-w", "a.py:b", "-w", "policy", "-s", "detach", "-d", "cuda",
        "--dtype", "bfloat16", "--optimizer", "sgd", "--batch", 3, "--threads", 2, "--freeze", "!0",
        "--weights", "W", "--seed", 5, "--compile", "--channels-last", "--cell-timeout", 7,
        "--margin", "1%", "--phase-margin", "0.04", "--budget", 60,
    )  # fmt: skip
    assert ended.exit_code == 0, ended.output
    (asked,) = fake.asked
    assert msgspec.to_builtins(asked.request) == {
        "workloads": ("a.py:b", "policy"),
        "strategies": ("detach",),
        "device": "cuda",
        "dtype": "bfloat16",
        "batch": 3,
        "threads": 2,
        "optimizer": "sgd",
        "seed": 5,
        "steps": 1,
        "precision": 0.01,
        "budget": 60.0,
        "cell_timeout": 7.0,
        "freeze": ("!0",),
        "weights": "W",
        "compile": True,
        "channels_last": True,
    }
    assert asked.terms == Terms(margin=0.01, phase_margin=0.04, budget=60.0)
    assert asked.head == "topic"


@pytest.mark.parametrize("options", [("--margin", "20%"), ("--phase-margin", "0.2")])
def test_the_known_slow_down_is_larger_than_the_widest_margin(
    fake: FakeGate, options: tuple[str, ...]
) -> None:
    gate_time(*options)
    assert fake.asked[0].terms.slow_down == pytest.approx(0.4)


def test_the_margins_of_the_command_are_those_of_the_gate() -> None:
    taken = time_.make_context("time", ["--base", "x"]).params
    terms = Terms()
    assert (taken["margin"], taken["phase_margin"], taken["budget"]) == (
        terms.margin,
        terms.phase_margin,
        terms.budget,
    )


def test_the_interpreter_of_a_side_stays_the_link_that_a_virtual_environment_has(
    fake: FakeGate, tmp_path: Path
) -> None:
    link = tmp_path / "venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(sys.executable)
    gate_time("--base-python", "venv/bin/python")
    assert fake.asked[0].base_python == link


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--margin", "much"), "'much' is no margin"),
        (("--phase-margin", "5"), "5 is no margin"),
        (("--budget", "0"), "is no time to measure in"),
        (("--optimizer", "adm"), "did you mean 'adam'"),
        (("--plot", "x.gif"), "end it in .png or .svg"),
        (("--base-python", "nowhere"), "does not exist"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_before_measuring(
    fake: FakeGate, options: tuple[str, ...], said: str
) -> None:
    ended = gate_time(*options)
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert fake.asked == []


# --- what it writes ------------------------------------------------------------------------------


def test_every_form_that_is_asked_for_is_written(fake: FakeGate, tmp_path: Path) -> None:
    fake.answer = "CAN'T TELL"
    (tmp_path / "out").mkdir()
    ended = gate_time("--json", "out/x.json", "--markdown", "out/x.md", "--junit", "out/x.xml",
                      "--plot", "out/x.svg", "--annotate")  # fmt: skip
    assert ended.exit_code == 4, ended.output
    out = tmp_path / "out"
    assert msgspec.json.decode((out / "x.json").read_bytes(), type=Gate).answer == "CAN'T TELL"
    assert (out / "x.md").read_text().startswith("## ")
    assert ElementTree.parse(out / "x.xml").getroot().tag == "testsuites"
    assert ElementTree.parse(out / "x.svg").getroot().tag.endswith("svg")
    assert sorted(file.name for file in out.iterdir()) == ["x.json", "x.md", "x.svg", "x.xml"]
    assert ended.stderr.startswith("::warning title=")


def test_a_plot_in_png_is_one(fake: FakeGate, tmp_path: Path) -> None:
    gate_time("--plot", "x.PNG")
    assert (tmp_path / "x.PNG").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_written_that_nobody_asked_for(fake: FakeGate, tmp_path: Path) -> None:
    gate_time()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", WRITTEN)
def test_a_folder_that_is_not_there_is_refused_before_measuring(
    fake: FakeGate, option: str
) -> None:
    ended = gate_time(option, "nowhere/x.png")
    assert ended.exit_code == 2
    assert ended.stderr == (
        f"freezebench: there is no folder nowhere to write x.png into ({option}); make it first\n"
    )
    assert fake.asked == []


def test_one_file_for_two_forms_is_refused_before_measuring(fake: FakeGate) -> None:
    ended = gate_time("--json", "x", "--junit", "./x")
    assert ended.exit_code == 2
    assert "--json and --junit both name x" in ended.stderr
    assert fake.asked == []


def test_what_cannot_be_written_after_all_leaves_the_answer_on_the_terminal(
    fake: FakeGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()

    def answered(asked: Asked, *, told: Callable[[str, float], None]) -> Gate:
        (tmp_path / "out").rmdir()
        return fake(asked, told=told)

    monkeypatch.setattr(room, "gate", answered)
    ended = gate_time("--json", "out/x.json")
    assert ended.exit_code == 2
    assert ended.stdout.startswith("PASS: because")
    assert "cannot write out/x.json: no such file or directory" in ended.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="permission denied"):
        refuse_unwritable({"--json": tmp_path / "x.json"})


def test_finding_out_whether_a_file_can_be_written_leaves_it_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    refuse_unwritable({"--json": tmp_path / "old", "--junit": tmp_path / "new", "--plot": None})
    assert (tmp_path / "old").read_text() == "kept"
    assert [file.name for file in tmp_path.iterdir()] == ["old"]


def test_a_pipe_can_be_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        refuse_unwritable({"--json": pipe})
        write(pipe, b"one ")
        append(pipe, b"two")
        assert os.read(reader, 100) == b"one two"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, b"## mine\n"),
        (b"", b"## mine\n"),
        (b"theirs\n", b"theirs\n\n## mine\n"),
        (b"theirs", b"theirs\n\n## mine\n"),
    ],
)
def test_markdown_is_appended_behind_a_free_line(
    tmp_path: Path, before: bytes | None, after: bytes
) -> None:
    summary = tmp_path / "summary.md"
    if before is not None:
        summary.write_bytes(before)
    append(summary, b"## mine\n")
    assert summary.read_bytes() == after


# --- make ----------------------------------------------------------------------------------------


def make_gate(*settings: str) -> subprocess.CompletedProcess[str]:
    """What `make gate` would run, as if everything were installed."""
    return subprocess.run(
        [str(shutil.which("make")), "-n", "-o", ".venv/.installed", "gate", *settings],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_asks_the_same_gate() -> None:
    done = make_gate("BASE=HEAD^1", "WORKLOAD=policy a.py:b", "BUDGET=60", "ARGS=--strict")
    words = shlex.split(done.stdout.replace("\\\n", " "))
    assert words[1:3] == ["gate", "time"]
    taken = time_.make_context("time", words[3:]).params
    assert (taken["base"], taken["head"]) == ("HEAD^1", ".")
    assert taken["workloads"] == ("policy", "a.py:b")
    assert (taken["budget"], taken["strict"]) == (60.0, True)


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_refuses_in_a_sentence_where_there_is_nothing_to_compare_with() -> None:
    done = make_gate()
    assert done.returncode == 2
    assert "say what to compare with: make gate BASE=origin/main" in done.stderr


# --- progress ------------------------------------------------------------------------------------


def test_progress_is_silent_without_a_terminal() -> None:
    stream = io.StringIO()
    with telling(10.0, Console(file=stream)) as told:
        told("life 1", 2.0)
    assert stream.getvalue() == ""


def test_progress_on_a_terminal_says_what_goes_on_and_is_gone_afterwards() -> None:
    stream = io.StringIO()
    console: Any = Console(file=stream, force_terminal=True, width=80)
    with telling(10.0, console) as told:
        told("confirming [red]what[/red] looks slower", 12.0)
    shown = stream.getvalue()
    assert "confirming [red]what[/red] looks slower" in shown
    assert shown.endswith("\x1b[2K")
