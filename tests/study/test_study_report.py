"""The report of the study, from made-up traces and gates."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from study_stage import real, trace

from bench.study.__main__ import main
from bench.study.findings import Settings, findings
from bench.study.outputs import analyse
from bench.study.rates_csv import COLUMNS, rates_csv
from bench.study.record import write
from bench.study.report import report

SETTINGS, FEW = Settings(gates=40), Settings(gates=2)
PICTURES = [f"{plot}.png" for plot in ("operating", "rivals", "designs")]
TRACES = [
    trace(lives=10, drift=0.3),
    trace(neighbours=2, lives=10, noise=0.02, drift=0.6),
    trace("total", 0.05, lives=10),
    trace("update", 0.05, lives=6),
]
GATES = [
    real("PASS"),
    real("CAN'T TELL", why="policy, total: the base differed from itself by +5.0%", seconds=200.0),
    real("FAIL", nominal=0.10),
]


@pytest.fixture(scope="module")
def found():
    return findings(TRACES, GATES, SETTINGS)


@pytest.fixture(scope="module")
def text(found):
    return report(found, PICTURES).decode()


@pytest.mark.parametrize("name", [*(one.scenario for one in TRACES), "total-10-idle"])
def test_every_scenario_is_in_the_report(text, name):
    assert f"`{name}`" in text


@pytest.mark.parametrize("word", ["nan", "inf", "None"])
def test_no_figure_is_missing(text, found, word):
    assert not re.search(rf"\b{word}\b", text)
    assert not re.search(rf"\b{word}\b", rates_csv(found).decode())


def test_every_row_of_a_table_has_as_many_columns_as_its_head(text):
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]

    assert blocks
    for block in blocks:
        assert len({line.count("|") for line in block}) == 1


def test_an_aim_that_is_missed_is_said_by_how_much(text):
    assert "2 of 3; the longest 200 s | missed by 20 s in the longest" in text


def test_why_gates_could_not_tell_is_counted(text):
    assert "the base differed from itself (100%)" in text


def test_the_machine_and_the_commit_are_named(text):
    assert "no processor, 2 cores" in text
    assert "commit: 0123456789ab\n" in text


def test_the_same_traces_make_the_same_report():
    once, again = (findings(TRACES[1:2], GATES, Settings(gates=5)) for _ in range(2))

    assert report(once, PICTURES) == report(again, PICTURES)


def test_every_answer_of_every_kind_is_a_row_of_the_csv(found):
    rows = list(csv.DictReader(io.StringIO(rates_csv(found).decode())))

    assert tuple(rows[0]) == COLUMNS
    drawn = [row for row in rows if row["kind"] == "lives"]
    assert len(drawn) == len(TRACES) * 2 * 3
    assert all(float(row["low"]) <= float(row["rate"]) <= float(row["high"]) for row in rows)
    assert {row["kind"] for row in rows} == {"real", "lives", "forkers", "rival", "coverage"}


def test_without_traces_the_gates_are_told_alone():
    told = report(findings([], GATES, SETTINGS), ()).decode()

    assert "`equal-idle`" in told
    assert "drawn lives" not in told


def test_without_gates_the_report_says_that_none_was_run():
    told = report(findings(TRACES[2:3], [], FEW), ()).decode()

    assert "No gate has been run yet." in told


def test_two_lives_make_a_report_without_figures_that_it_has_not():
    told = report(findings([trace(lives=2)], [], FEW), ()).decode()

    assert not re.search(r"\b(nan|inf|None)\b", told)


def test_report_rates_and_plots_are_written_beside_what_they_come_from(tmp_path):
    for one in TRACES[:3]:
        write(tmp_path / "traces" / f"{one.scenario}.json.gz", one)
    write(tmp_path / "gates.json.gz", GATES)

    files = analyse(tmp_path, FEW)

    assert {file.name for file in files} == {
        "README.md",
        "rates.csv",
        *PICTURES,
        *(picture.replace(".png", ".svg") for picture in PICTURES),
    }
    told = (tmp_path / "README.md").read_text()
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", told):
        assert (tmp_path / picture).stat().st_size > 0


def test_a_report_shows_no_picture_that_was_not_drawn(tmp_path):
    one = TRACES[3]
    write(tmp_path / "traces" / f"{one.scenario}.json.gz", one)

    analyse(tmp_path, FEW)

    for picture in re.findall(r"!\[.*?\]\((.*?)\)", (tmp_path / "README.md").read_text()):
        assert (tmp_path / picture).exists()


def test_an_empty_folder_is_told_in_a_sentence(tmp_path):
    result = CliRunner().invoke(main, ["analyse", "--results", str(tmp_path)])

    assert result.exit_code == 2
    assert "collect` first" in result.output


def test_the_study_never_imports_torch():
    code = "import sys, bench.study.outputs, bench.study.__main__; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
