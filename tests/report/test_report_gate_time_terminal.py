"""What the time gate says in a terminal, what it advises, and the command that asks again."""

from __future__ import annotations

import io
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from gate_time_records import (
    HOSTILE,
    REQUEST,
    WIDE,
    bounds,
    cell,
    every,
    failed,
    flat,
    gate,
    life,
    row,
    side,
    text_of,
    unanswered,
    unsure,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from bench.cli.gate.time import time_
from bench.gate.time.record import Bounds, Terms
from bench.report.gate.time_advice import USUAL, advice, again, command
from bench.report.gate.time_text import show
from bench.report.gate.time_words import bounded, facts, percent, remarks

if TYPE_CHECKING:
    from bench.gate.time.record import Gate

# --- figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1.098, "+9.8%"),
        (0.997, "−0.3%"),
        (1.0, "0.0%"),
        (0.99999, "0.0%"),
        (2.5, "+150%"),
        (12.3, "12×"),
        (0.0, "−100%"),
        (1e304, "> 1000×"),
        (float("inf"), "> 1000×"),
        (float("nan"), "> 1000×"),
    ],
)
def test_a_ratio_is_told_as_a_change(ratio: float, said: str) -> None:
    assert percent(ratio) == said


@given(st.floats(min_value=0.0, max_value=1e308))
def test_a_change_never_takes_many_columns(ratio: float) -> None:
    assert len(percent(ratio)) <= 7


def test_an_interval_that_says_nothing_is_not_told() -> None:
    assert bounded(bounds(1.1)) == "+10.0% [+9.0%, +11.0%]"
    assert bounded(Bounds(1.1, 0.0, 1e304)) == "+10.0% [?]"


# --- terminal ------------------------------------------------------------------------------------


@every
def test_the_first_line_is_the_answer_and_its_reason(found: Gate) -> None:
    text = text_of(found)
    assert text.startswith(f"{found.answer}: ")
    assert flat(text).startswith(flat(f"{found.answer}: {found.why}"))


@every
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_but_the_command_is_wider_than_the_terminal(found: Gate, width: int) -> None:
    lines = [
        line for line in text_of(found, width).splitlines() if "freezebench gate time" not in line
    ]
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("found", [gate(), failed(), unsure(WIDE)])
def test_eighty_columns_hold_every_column(found: Gate) -> None:
    header = next(line for line in text_of(found).splitlines() if line.startswith("phase"))
    assert header.split() == [
        "phase", "share", "head", "÷", "base", "margin", "answer", "clock", "again", "+10%",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [50, 60, 70])
def test_a_narrow_terminal_keeps_phase_ratio_answer_and_the_controls(width: int) -> None:
    text = text_of(failed(), width)
    lines = text.splitlines()
    assert any(
        line.startswith("backward") and "+12.0% [+11.0%, +13.0%]" in line and "FAIL" in line
        for line in lines
    )
    assert "total: base against itself −0.3%; with +10% it was seen as +9.8%" in flat(text)


def test_a_terminal_too_narrow_for_the_table_folds_it_and_cuts_nothing() -> None:
    text = text_of(failed(), 36)
    assert "judged" in text
    assert "FAIL" in text
    assert "…" not in text


def test_a_phase_too_small_to_be_judged_is_marked_and_has_no_margin() -> None:
    line = next(line for line in text_of(gate()).splitlines() if line.startswith("update"))
    assert line.split() == [
        "update", "10%", "0.0%", "[−1.0%,", "+1.0%]", "–", "not", "judged", "cpu", "−0.3%", "+9.8%",
    ]  # fmt: skip


def test_what_is_faster_is_said() -> None:
    rows = cell(total=row(ratio=0.8, improved=True))
    assert "PASS, faster" in text_of(gate(rows=rows))


def test_a_fail_says_where_to_look_what_counters_say_and_how_to_run_it_again() -> None:
    text = flat(text_of(failed()))
    assert "policy × requires_grad: look at backward (+12.0%)." in text
    assert "freezebench gate counters" in text
    assert "freezebench gate time --base origin/main --head ." in text
    assert "in fresh processes: backward +13.0% [+12.0%, +14.0%]" in text


def test_a_fail_of_the_whole_step_alone_is_spread_over_it() -> None:
    found = failed(rows=cell(total=row("total", 1.05, answer="FAIL")))
    assert "spread over the step" in advice(found)[0]


@unanswered
def test_an_answer_that_cannot_be_given_has_its_reason_once_and_what_would_help(why: str) -> None:
    text = flat(text_of(unsure(why)))
    assert text.count(why) == 1
    assert "A budget of 120 s holds all 20 lives" in text
    assert "--budget 120" in text


def test_a_reason_that_the_answer_does_not_name_is_told_below_its_table() -> None:
    rows = cell(total=row(answer="CAN'T TELL", why=WIDE))
    assert remarks(gate("CAN'T TELL", rows, why="another row"), rows) == [f"total: {WIDE}"]


def test_a_larger_budget_is_not_advised_where_all_lives_were_had() -> None:
    found = unsure(WIDE, lives=[life(number) for number in range(1, 21)])
    said = " ".join(advice(found))
    assert "a larger budget changes nothing" in said
    assert again(found) == command(found)


def test_several_cells_several_threads_and_a_busy_machine_each_have_their_advice() -> None:
    rows = [*cell(total=row(answer="CAN'T TELL", why=WIDE)), row(workload="adapter")]
    busy = [life(number, others=0.4) for number in range(1, 6)]
    found = unsure(WIDE, rows=rows, lives=busy, request=replace(REQUEST, threads=2))
    said = " ".join(advice(found))
    assert "Fewer cells at once" in said
    assert "--threads 1" in said
    assert "quieter" in said
    assert "40% of the machine" in dict(facts(found))["took"]


def test_a_pass_asks_for_nothing() -> None:
    assert advice(gate()) == []
    assert "To run it again" not in text_of(gate())


def test_what_was_compared_is_told() -> None:
    told = dict(facts(gate()))
    assert told["base"] == "origin/main (1a2b3c4d)"
    assert told["head"] == ". (5e6f7a8b with changes)"
    assert told["with"] == "freezebench 0.1.0, torch 2.15.0, Python 3.12.4"
    assert told["took"] == "30 s, 5 lives; meanwhile others used 2% of the machine"
    assert dict(facts(failed()))["took"].startswith("30 s, 5 lives and 5 to confirm")


def test_sides_with_different_software_each_tell_theirs() -> None:
    told = dict(facts(gate(head=replace(side("."), torch="2.16.0"))))
    assert told["base"].endswith("torch 2.15.0, Python 3.12.4")
    assert told["head"].endswith("torch 2.16.0, Python 3.12.4")
    assert "with" not in told


def test_a_commit_that_was_typed_in_full_is_told_once_and_a_folder_has_none() -> None:
    whole = "1a2b3c4d" * 5
    assert dict(facts(gate(base=side(whole))))["base"] == "1a2b3c4d"
    assert dict(facts(gate(base=side("old", None))))["base"] == "old"


def test_notes_are_told() -> None:
    assert "note: base and head are the same commit" in text_of(
        gate(notes=["base and head are the same commit"])
    )


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[32m" in text_of(gate(), force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in text_of(gate(), force_terminal=True)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(failed(), Console(file=stream, width=80))
    stream.flush()
    assert b"policy x requires_grad" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_markup_and_escapes_in_names_are_shown_and_not_obeyed() -> None:
    rows = [row(workload=name, strategy="[bold]s") for name in HOSTILE]
    text = text_of(gate(rows=rows, notes=["[red]note[/red]\x1b[2J"]))
    assert "[red]y × [bold]s" in text
    assert "[red]note[/red]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


# --- the command that asks again -----------------------------------------------------------------


def parsed(line: str) -> dict[str, Any]:
    words = shlex.split(line)
    assert words[:3] == ["freezebench", "gate", "time"]
    return time_.make_context("time", words[3:]).params


def test_what_the_command_leaves_out_is_what_the_command_line_takes_anyway() -> None:
    taken = parsed(command(gate()))
    texts = {f"--{name.replace('_', '-')}": value for name, value in taken.items()}
    for option, usual in USUAL.items():
        value = float(usual[:-1]) / 100 if usual.endswith("%") else type(texts[option])(usual)
        assert texts[option] == value
    assert (taken["base"], taken["head"]) == ("origin/main", ".")


def test_the_command_says_everything_that_is_not_usual() -> None:
    request = replace(
        REQUEST,
        workloads=("own.py:a b", "policy"),
        device="cuda",
        dtype="bfloat16",
        batch=4,
        threads=3,
        optimizer="sgd",
        seed=7,
        cell_timeout=12.5,
        freeze=("!0.*",),
        weights="W1",
        compile=True,
        channels_last=True,
    )
    terms = Terms(margin=0.005, phase_margin=0.07, budget=33.5)
    taken = parsed(command(gate(request=request, terms=terms, base=side("HEAD^1"))))
    for name in ("workloads", "strategies", "device", "dtype", "batch", "threads", "optimizer",
                 "seed", "cell_timeout", "freeze", "weights", "channels_last"):  # fmt: skip
        assert taken[name] == getattr(request, name)
    assert taken["compile_model"]
    assert (taken["margin"], taken["phase_margin"], taken["budget"]) == (0.005, 0.07, 33.5)
    assert taken["base"] == "HEAD^1"
