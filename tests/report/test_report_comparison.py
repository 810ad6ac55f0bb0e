"""What a comparison says, in every form, whatever names it is made of."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from bench.collection.compared import Agreement, Apart, Column, Compared, Comparison, Figures
from bench.records import Interval
from bench.report.comparison.heat import draw
from bench.report.comparison.json_ import json_
from bench.report.comparison.markdown import markdown
from bench.report.comparison.table_csv import table_csv
from bench.report.comparison.terminal import show
from bench.report.comparison.words import differing, headings, never_beaten, ranking
from bench.report.look import render

ROOT = Path(__file__).parents[2]
NAMES = {
    "long": "a" * 200,
    "right to left": "سياسة مجمدة",
    "reordering": "\u202eevil\u202c",
    "emoji": "🧊❄️ model 👩‍🔬",
    "markup": "<script>|[red]`x`",
    "of two lines": "one\ntwo",
}


def figures(strategy="no_grad", verdict="ok", ratio=0.5, low=0.45, high=0.56, **changes):
    plain = {
        "total": Interval(ratio, low, high) if strategy != "full" else None,
        "backward": Interval(0.2, 0.19, 0.21) if strategy != "full" else None,
        "seconds": Interval(0.01, 0.009, 0.011),
        "peak_bytes": 2**20,
        "ideal_total": 0.3,
    }
    return Figures("policy", strategy, verdict, **{**plain, **changes})


def comparison(columns=2, strategies=("no_grad",), workload="policy", label="H{}", **changes):
    """A comparison in which every column says the same."""
    places = list(range(columns))
    found = {
        (name, place): figures(name, "reference" if name == "full" else "ok")
        for name in ("full", *strategies)
        for place in places
    } | changes.pop("figures", {})
    plain = {
        "topology": "front",
        "settings": {"dtype": "float32", "batch": "64", "compile": "no"},
        "columns": places,
        "strategies": ["full", *strategies],
        "figures": found,
        "agreements": [],
        "unbeaten": {place: list(strategies) for place in places},
        "always_unbeaten": list(strategies),
        "stands": {place: f"run-{place}" for place in places},
    }
    return Comparison(
        axis="machine",
        columns=[Column(label.format(p), f"run-{p}", "2026", "somewhere") for p in places],
        workloads=[Compared(workload, **{**plain, **changes})],
    )


def test_where_freezing_pays_more_is_told_with_both_figures():
    made = comparison(figures={("no_grad", 1): figures(ratio=0.25)}, apart=[Apart("no_grad", 0, 1)])
    assert "no_grad 0.50× (H0) and 0.25× (H1)." in differing(made.workloads[0], made)


def test_where_no_ratio_differs_nothing_is_said_of_it():
    made = comparison()
    assert differing(made.workloads[0], made) == ""


def without(made, key):
    del made.workloads[0].figures[key]
    return made


def shown(comparison, width=100, **options):
    stream = io.StringIO()
    show(comparison, Console(file=stream, width=width, **options), "total")
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("what", ["workload", "label", "strategies"])
def test_no_line_is_wider_than_the_terminal_whatever_the_names(width, name, what):
    made = comparison(12, **{what: (name,) if what == "strategies" else name})
    assert max(map(cell_len, shown(made, width).splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_first_column_is_always_shown(width):
    assert "0.50 ±0.06" in shown(comparison(30, strategies=("x" * 200,)), width)


def test_columns_that_do_not_fit_are_counted_with_a_way_to_see_them():
    text = " ".join(shown(comparison(12), 60).split())
    assert re.search(r"\d+ columns do not fit here: .*--markdown", text)


def test_all_columns_of_a_wide_terminal_are_shown():
    assert "do not fit" not in shown(comparison(3), 100)


def test_direction_overrides_never_reach_the_terminal():
    assert "\u202e" not in shown(comparison(workload=NAMES["reordering"]))


def test_an_ascii_terminal_gets_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(comparison(strategies=(NAMES["emoji"],)), Console(file=stream, width=80), "total")
    stream.flush()
    assert b"0.50 ~0.06" in stream.buffer.getvalue()


def test_no_colour_is_used_where_none_is_wanted(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[\d*;?3[0-7]", shown(comparison(), force_terminal=True))


def test_a_verdict_has_its_sign_so_that_colour_never_stands_alone():
    leaking = {("no_grad", 1): figures(verdict="leaks")}
    text = shown(comparison(figures=leaking))
    assert "✓ 0.50 ±0.06" in text
    assert "! 0.50 ±0.06" in text


def test_a_cell_without_a_time_says_its_verdict():
    failed = {("no_grad", 1): figures(verdict="failed", total=None)}
    assert "- failed" in shown(comparison(figures=failed))


def test_an_unknown_interval_is_shown_as_unknown():
    unknown = {("no_grad", 0): figures(low=None, high=None)}
    assert "0.50 ±?" in shown(comparison(figures=unknown))


def test_full_is_told_in_absolute_figures_that_are_marked_as_such():
    text = shown(comparison())
    assert "10.0 ms" in text
    assert "1.00 MiB" in text
    assert "absolute, not comparable beyond its machine" in text


def test_the_backward_pass_is_shown_where_it_is_asked_for():
    stream = io.StringIO()
    show(comparison(), Console(file=stream, width=100), "backward")
    assert "0.20 ±0.01" in stream.getvalue()


def test_the_run_behind_each_column_is_named():
    text = shown(comparison())
    assert "run-0" in text
    assert "run-1" in text


AGREEMENTS = {
    "alike beyond doubt": Agreement(0, 1, 1.0, 1.0, 1.0, 3, 0),
    "swap places beyond doubt": Agreement(0, 1, 0.3, 0.3, 0.3, 3, 0, [("a", "b")]),
    "no change of ranking is beyond doubt": Agreement(0, 1, 0.3, -0.3, 1.0, 3, 2),
    "which strategy is faster is in doubt": Agreement(0, 1, 0.3, -1.0, 1.0, 3, 3),
    "no two strategies are ok in two columns": Agreement(0, 1, None, None, None, 0, 0),
}


@pytest.mark.parametrize("told", AGREEMENTS)
def test_the_ranking_of_two_columns_is_told(told):
    made = comparison(agreements=[AGREEMENTS[told]])
    assert told in ranking(made.workloads[0], made)


def test_the_ranking_of_many_columns_counts_where_it_changes():
    same, other = AGREEMENTS["alike beyond doubt"], AGREEMENTS["swap places beyond doubt"]
    made = comparison(3, agreements=[same, other, same])
    told = ranking(made.workloads[0], made)
    assert "changes beyond doubt in 1 of 3 pairs of columns" in told
    assert "least alike are H0 and H1" in told


def test_what_is_never_beaten_is_told_with_the_metrics_that_were_there():
    told = never_beaten(comparison().workloads[0])
    assert told == "never beaten in any of 2 columns by total time and peak memory: no_grad."


def test_a_metric_that_some_cells_lack_is_not_named():
    measured = figures(joules=Interval(2.0, 1.9, 2.1))
    told = never_beaten(comparison(figures={("no_grad", 1): measured}).workloads[0])
    assert "by total time and peak memory:" in told


def test_where_all_cells_have_joules_energy_is_named():
    both = {("no_grad", at): figures(joules=Interval(2.0, 1.9, 2.1)) for at in (0, 1)}
    told = never_beaten(comparison(figures=both).workloads[0])
    assert "by total time, peak memory and energy:" in told


def test_where_no_metric_is_in_all_cells_none_is_named():
    timed, weighed = figures(peak_bytes=None), figures(total=None)
    both = {("no_grad", 0): timed, ("no_grad", 1): weighed}
    told = never_beaten(comparison(figures=both).workloads[0])
    assert "by what each was measured in:" in told


def test_that_nothing_is_ok_is_told():
    made = comparison(unbeaten={0: [], 1: []}, always_unbeaten=[])
    assert "no strategy is ok" in never_beaten(made.workloads[0])


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_every_row_of_a_markdown_table_has_as_many_fields(name):
    text = markdown(comparison(3, strategies=(name,), workload=name, label=name)).decode()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 5 + 2 + 3
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows[:5]} == {5}


def test_markdown_has_no_markup_of_a_name():
    text = markdown(comparison(workload="<script>alert(1)</script>")).decode()
    assert "<script>" not in text.replace(r"\<", "")


def test_csv_has_a_line_for_each_cell_and_column_and_gaps_for_what_is_absent():
    rows = list(csv.DictReader(io.StringIO(table_csv(comparison()).decode())))
    assert [(row["strategy"], row["column"]) for row in rows] == [
        ("full", "H0"), ("full", "H1"), ("no_grad", "H0"), ("no_grad", "H1"),
    ]  # fmt: skip
    assert rows[0]["joules"] == ""
    assert rows[2]["total_ratio_to_full"] == "0.5"


def test_json_holds_every_figure_with_its_column():
    said = json.loads(json_(comparison(agreements=[AGREEMENTS["alike beyond doubt"]])))
    (workload,) = said["workloads"]
    assert {(f["strategy"], f["column"]) for f in workload["figures"]} == {
        ("full", 0), ("full", 1), ("no_grad", 0), ("no_grad", 1),
    }  # fmt: skip
    assert workload["agreements"][0]["tau"] == 1.0


PLOTS = {
    **{name: comparison(2, strategies=(text,), workload=text, label=text)
       for name, text in NAMES.items()},
    "one cell": comparison(1, strategies=()),
    "no time": comparison(figures={("no_grad", 0): figures(verdict="failed", total=None)}),
    "unknown intervals": comparison(figures={("no_grad", 0): figures(low=None, high=None)}),
    "a missing cell": without(comparison(3, strategies=("a", "b")), ("b", 1)),
    "many columns": comparison(60),
}  # fmt: skip


@pytest.mark.parametrize("made", PLOTS.values(), ids=PLOTS)
def test_a_heat_map_is_drawn_of_whatever_there_is(made):
    assert render(draw(made), "png").startswith(b"\x89PNG")


def _written(made):
    return [text.get_text() for axes in draw(made).axes for text in axes.texts]


def test_the_figure_is_written_in_each_cell_of_the_heat_map():
    assert _written(comparison(2)).count("0.50 ±0.06") == 2


def test_a_cell_that_is_not_ok_has_the_sign_of_its_verdict_in_the_heat_map():
    assert "! 0.50 ±0.06" in _written(
        comparison(figures={("no_grad", 0): figures(verdict="leaks")})
    )


def test_columns_that_a_heat_map_leaves_out_are_counted():
    texts = " ".join(text.get_text() for text in draw(comparison(60)).texts)
    assert "20 columns left out" in texts


def test_the_terminal_imports_no_plots_and_no_torch():
    code = (
        "import sys, bench.report.comparison.terminal, bench.report.comparison.markdown;"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"torch", "matplotlib", "pandas", "numpy"} & set(done.stdout.split())


def test_a_heading_holds_only_what_tells_a_column_from_those_beside_it():
    made = comparison(2, label="H100 · schema 2 · torch 2.{}")
    assert headings(made, [0, 1]) == {0: ["H100", "torch 2.0"], 1: ["H100", "torch 2.1"]}


def test_a_heading_of_one_column_is_its_whole_label():
    made = comparison(1, label="H100 · schema 2")
    assert headings(made, [0]) == {0: ["H100", "schema 2"]}
