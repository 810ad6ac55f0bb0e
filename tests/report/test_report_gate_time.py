"""What the time gate says, in each of its forms."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from msgspec.structs import replace
from rich.console import Console

from bench.cli.gate.time import time_
from bench.gate.time.record import SCHEMA, Bounds, Gate, Life, Row, SideRecord, Terms
from bench.records import Machine, Request
from bench.report.gate.time_advice import USUAL, advice, again, command
from bench.report.gate.time_annotations import time_annotations
from bench.report.gate.time_junit import time_junit
from bench.report.gate.time_markdown import time_markdown
from bench.report.gate.time_plot import draw
from bench.report.gate.time_text import show
from bench.report.gate.time_words import bounded, facts, percent, remarks
from bench.report.look import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.time.record import Answer

ROOT = Path(__file__).parents[2]
SHARES = {"forward": 0.3, "backward": 0.6, "update": 0.1, "total": 1.0}
HOSTILE = ("a|b`c", "<b>x</b>", "[red]y", "z\x1b[2J\u202e", "::error::%0A", "w" * 120)


def bounds(value: float, half: float = 0.01) -> Bounds:
    return Bounds(value=value, low=value - half, high=value + half)


def row(phase: str = "total", ratio: float = 1.0, **changes: Any) -> Row:
    """As the gate judges it: PASS, unless the changes say otherwise."""
    plain: dict[str, Any] = {
        "workload": "policy",
        "strategy": "requires_grad",
        "phase": phase,
        "clock": "cpu",
        "share": SHARES[phase],
        "judged": SHARES[phase] >= Terms().least_share,
        "margin": 0.03 if phase == "total" else 0.05,
        "head": bounds(ratio),
        "again": bounds(0.997),
        "slowed": bounds(1.098),
        "fail_bound": ratio - 0.02,
        "pass_bound": ratio + 0.02,
        "p": 1.0,
        "answer": "PASS",
    }
    return Row(**{**plain, **changes})


def cell(**phases: Row) -> list[Row]:
    return [phases.get(phase, row(phase)) for phase in SHARES]


def life(number: int, purpose: Any = "trial", **changes: Any) -> Life:
    plain: dict[str, Any] = {"others": 0.02, "stolen": 0.0}
    return Life(number, purpose, 5.0, 0.5, [], **{**plain, **changes})


REQUEST = Request(
    workloads=("policy",),
    strategies=("requires_grad",),
    device="cpu",
    dtype="float32",
    batch=None,
    threads=1,
    optimizer="adam",
    seed=0,
    steps=1,
    precision=0.03,
    budget=150.0,
    cell_timeout=300.0,
    freeze=(),
    weights=None,
    compile=False,
    channels_last=False,
)


def side(spec: str, commit: str | None = "1a2b3c4d" * 5, *, dirty: bool = False) -> SideRecord:
    return SideRecord(spec, commit, dirty, "0.1.0", "3.12.4", "2.15.0")


def gate(answer: Answer = "PASS", rows: Sequence[Row] | None = None, **changes: Any) -> Gate:
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "id": "gate-20260101-000000-abcd",
        "started": "2026-01-01T00:00:00+00:00",
        "answer": answer,
        "why": "every ratio is below its margin, after 5 lives",
        "notes": [],
        "seconds": 30.0,
        "looks": 1,
        "base": side("origin/main"),
        "head": side(".", "5e6f7a8b" * 5, dirty=True),
        "machine": Machine("box", "EPYC", 2, 2**34, "Linux", "3.12.4", "2.15.0", "0.30.0", "MKL"),
        "request": REQUEST,
        "terms": Terms(),
        "rows": cell() if rows is None else list(rows),
        "lives": [life(number) for number in range(1, 6)],
    }
    return Gate(**{**plain, **changes})


def failed(**changes: Any) -> Gate:
    plain: dict[str, Any] = {
        "rows": cell(
            backward=row("backward", 1.12, answer="FAIL", p=0.0001, confirmed=bounds(1.13)),
            total=row("total", 1.08, answer="FAIL", p=0.0001, confirmed=bounds(1.09)),
        ),
        "why": "slower, and confirmed by fresh processes: policy × requires_grad, total +8.0%",
        "lives": [life(n, "trial" if n < 6 else "confirmation") for n in range(1, 11)],
    }
    return gate("FAIL", **{**plain, **changes})


def unsure(why: str, **changes: Any) -> Gate:
    """It can't tell about the whole step, for the reason given."""
    plain: dict[str, Any] = {
        "rows": cell(total=row(answer="CAN'T TELL", why=why)),
        "why": f"policy × requires_grad, total: {why}",
    }
    return gate("CAN'T TELL", **{**plain, **changes})


DIFFERED = "the base differed from itself by +4.1%, more than the margin"
UNSEEN = "the base with a known slow-down could not be told from the base (+9.0%, +1.0% to +17.0%)"
WIDE = "the ratio lies between -1.0% and +4.0%, and the margin of +3.0% within or too near"
UNCONFIRMED = "it looked slower, and fresh processes did not confirm it: +0.4% there"
NO_LIFE = gate("CAN'T TELL", [], why="the clock of this machine went backwards", lives=[], looks=0)
ONE_LIFE = gate(
    "CAN'T TELL",
    [
        replace(one, head=Bounds(1.3, 0.0, 1e304), again=Bounds(1.0, 0.0, 1e304))
        for one in cell(total=row(answer="CAN'T TELL", why=WIDE))
    ],
    lives=[life(1, others=None, stolen=None)],
)
ALL = {
    "pass": gate(),
    "fail": failed(),
    "base differs from itself": unsure(DIFFERED),
    "slow-down unseen": unsure(UNSEEN),
    "too wide": unsure(WIDE),
    "not confirmed": unsure(UNCONFIRMED),
    "no life": NO_LIFE,
    "one life": ONE_LIFE,
}
every = pytest.mark.parametrize("found", ALL.values(), ids=ALL.keys())
unanswered = pytest.mark.parametrize("why", [DIFFERED, UNSEEN, WIDE, UNCONFIRMED])


def text_of(found: Gate, width: int = 80, **options: Any) -> str:
    stream = io.StringIO()
    show(found, Console(file=stream, width=width, **options))
    return stream.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


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


# --- Markdown ------------------------------------------------------------------------------------


@every
def test_markdown_begins_with_the_answer_and_ends_its_last_line(found: Gate) -> None:
    text = time_markdown(found).decode()
    assert text.startswith("## ")
    assert f"**{found.answer}**: " in text
    assert text.endswith("\n")


@every
def test_the_table_of_the_markdown_has_a_row_each_and_no_ragged_one(found: Gate) -> None:
    table = [line for line in time_markdown(found).decode().splitlines() if line.startswith("|")]
    assert len(table) == (2 + len(found.rows) if found.rows else 0)
    assert {line.count("|") for line in table} <= {9}


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60))
def test_no_name_breaks_the_markdown(workload: str, strategy: str, why: str) -> None:
    rows = [row(workload=workload, strategy=strategy, answer="CAN'T TELL", why=why)]
    text = time_markdown(gate("CAN'T TELL", rows, why=why, notes=[why])).decode()
    assert not [one for one in text if one != "\n" and unicodedata.category(one) == "Cc"]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    assert [line.replace("\\|", "").count("|") for line in lines] == [9]


def test_markdown_says_how_much_of_the_step_what_was_not_judged_is() -> None:
    assert "not judged (10% of the step)" in time_markdown(gate()).decode()


def test_markdown_of_a_fail_has_the_command_and_of_a_pass_has_none() -> None:
    assert "`freezebench gate time --base origin/main" in time_markdown(failed()).decode()
    assert "freezebench gate time" not in time_markdown(gate()).decode()


# --- JUnit ---------------------------------------------------------------------------------------


def cases(found: Gate) -> dict[str, ElementTree.Element | None]:
    """What each test case holds, by its name; nothing if it passed."""
    root = ElementTree.fromstring(time_junit(found))
    return {case.get("name", ""): next(iter(case), None) for case in root.iter("testcase")}


def tag(element: ElementTree.Element | None) -> str:
    return "passed" if element is None else element.tag


def test_a_fail_is_a_failure_of_its_row_and_of_the_gate() -> None:
    assert {name: tag(held) for name, held in cases(failed()).items()} == {
        "forward": "passed",
        "backward": "failure",
        "update": "skipped",
        "total": "failure",
        "answer": "failure",
    }


@unanswered
def test_what_cannot_be_told_is_skipped_with_its_reason(why: str) -> None:
    found = cases(unsure(why))
    for name in ("total", "answer"):
        held = found[name]
        assert held is not None
        assert held.tag == "skipped"
        assert why in held.get("message", "")


def test_what_is_too_small_is_skipped_and_says_so() -> None:
    held = cases(gate())["update"]
    assert held is not None
    assert held.get("message") == "not judged: 10% of the step"


def test_without_a_life_the_gate_alone_is_a_case() -> None:
    assert [tag(held) for held in cases(NO_LIFE).values()] == ["skipped"]


@given(st.text(max_size=40))
def test_the_xml_parses_whatever_the_names_are(name: str) -> None:
    rows = [row(workload=name, strategy=name, answer="CAN'T TELL", why=name)]
    assert ElementTree.fromstring(time_junit(gate("CAN'T TELL", rows, why=name)))


# --- annotations ---------------------------------------------------------------------------------


def test_a_cell_that_is_slower_is_one_error() -> None:
    (line,) = time_annotations(failed())
    assert line.startswith("::error title=policy × requires_grad%3A slower::backward +12.0%25")
    assert "%0Atotal +8.0%25" in line


def test_a_cell_that_is_faster_is_a_notice_and_a_pass_is_silent() -> None:
    faster = gate(rows=cell(total=row(ratio=0.8, improved=True)))
    (line,) = time_annotations(faster)
    assert line.startswith("::notice title=policy × requires_grad%3A faster::total −20.0%25")
    assert time_annotations(gate()) == []


@unanswered
def test_what_cannot_be_told_is_a_warning(why: str) -> None:
    (line,) = time_annotations(unsure(why))
    assert line.startswith("::warning title=")
    assert why.replace("%", "%25") in line


@given(st.text(max_size=40))
def test_an_annotation_is_one_line_that_no_name_can_leave(name: str) -> None:
    rows = [row(workload=name, strategy=name, ratio=1.2, answer="FAIL")]
    (line,) = time_annotations(gate("FAIL", rows))
    assert not set(line) & set("\r\n\x1b")
    title = line.removeprefix("::error title=").split("::")[0]
    assert ":" not in title
    assert "," not in title


# --- plot ----------------------------------------------------------------------------------------


def drawn(found: Gate) -> Any:
    """The figure, rendered once with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(found)
        assert render(figure, "png").startswith(b"\x89PNG")
    return figure


@every
def test_every_gate_can_be_drawn(found: Gate) -> None:
    drawn(found)


@pytest.mark.parametrize("cells", [1, 10])
def test_one_row_and_forty_rows_keep_their_height(cells: int) -> None:
    rows = [replace(one, workload=f"w{n}") for n in range(cells) for one in cell()]
    figure = drawn(gate(rows=rows if cells > 1 else rows[:1]))
    assert figure.get_size_inches()[1] > 0.3 * (len(rows) if cells > 1 else 1)


def test_every_row_has_its_interval_margin_and_controls() -> None:
    (axes,) = drawn(failed()).axes
    points = {round(float(x), 3) for held in axes.collections for x, _ in held.get_offsets()}
    assert {1.12, 1.08, 0.997, 1.098} <= points
    segments = [segment for held in axes.collections for segment in _segments(held)]
    upright = {round(float(one[0][0]), 3) for one in segments if one[0][0] == one[1][0]}
    level = {(round(float(a[0]), 3), round(float(b[0]), 3)) for a, b in segments if a[1] == b[1]}
    assert upright == {1.05, 1.03}
    assert {(1.11, 1.13), (1.07, 1.09)} <= level


def _segments(collection: Any) -> list[Any]:
    return collection.get_segments() if hasattr(collection, "get_segments") else []


def test_no_text_leaves_the_picture_whatever_the_names_are() -> None:
    rows = [row(phase, workload=name, improved=True, answer="PASS", judged=True)
            for name in HOSTILE for phase in SHARES]  # fmt: skip
    figure = drawn(gate(rows=[*rows, row("update", 0.001)]))
    renderer = FigureCanvasAgg(figure).get_renderer()
    for text in [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_the_picture_is_the_same_each_time() -> None:
    assert render(draw(failed()), "svg") == render(draw(failed()), "svg")


# --- what it costs -------------------------------------------------------------------------------

READ = """
import sys
import io
import msgspec
from rich.console import Console
from bench.gate.time.record import Gate
from bench.report.gate.time_annotations import time_annotations
from bench.report.gate.time_junit import time_junit
from bench.report.gate.time_markdown import time_markdown
from bench.report.gate.time_text import show
found = msgspec.json.decode(sys.stdin.buffer.read(), type=Gate)
show(found, Console(file=io.StringIO(), width=80))
time_annotations(found), time_junit(found), time_markdown(found)
import json
print(json.dumps(sorted(sys.modules)))
"""


def test_no_form_but_the_plot_imports_anything_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT,
        input=msgspec.json.encode(failed()),
        capture_output=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"torch", "matplotlib", "numpy", "scipy", "pandas", "bench.run"}
