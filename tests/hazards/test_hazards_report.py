"""What is written and shown of the matrix."""

from __future__ import annotations

import csv
import io
import re

import msgspec
import pytest
from hazard_strategies import EVERY
from matplotlib.colors import to_rgb
from rich.console import Console

from bench.hazards import ROSTER
from bench.records import OUTCOMES, Hazards, Outcome
from bench.report.hazards import files
from bench.report.hazards.heat import FILLS
from bench.report.hazards.terminal import show
from bench.report.hazards.words import MEANINGS, SIGNS, figure


def _shown(hazards, width, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show(hazards, Console(file=stream, width=width))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.fixture(scope="module")
def written(hazards):
    return dict(files(hazards))


def test_the_record_is_read_as_it_was_written(hazards, written):
    assert msgspec.json.decode(written["hazards.json"], type=Hazards) == hazards


def test_the_table_has_a_row_for_each_hazard_and_strategy(written):
    rows = list(csv.DictReader(io.StringIO(written["hazards.csv"].decode())))
    assert [(row["hazard"], row["strategy"]) for row in rows] == [
        (hazard, strategy) for hazard in ROSTER for strategy in EVERY
    ]
    assert all(row["outcome"] in OUTCOMES and row["says"] for row in rows)


def test_markdown_tells_of_every_hazard_once_and_every_link_leads_there(written):
    text = written["README.md"].decode()
    for name, scenario in ROSTER.items():
        assert text.count(f"\n### {name}\n") == 1
        assert f"[{name}](#{name})" in text
        assert all(f"<{source}>" in text for source in scenario.sources)
    assert "![" in text
    assert "(hazards.png)" in text


def test_no_host_and_no_folder_leaves_with_the_matrix(written):
    for name in ("hazards.json", "hazards.csv", "README.md"):
        assert not re.search(r"/(home|tmp|root|Users)/", written[name].decode())


def test_pictures_have_the_same_bytes_each_time(hazards, written):
    again = dict(files(hazards))
    assert written["hazards.png"][:4] == b"\x89PNG"
    assert written["hazards.png"] == again["hazards.png"]
    assert written["hazards.svg"] == again["hazards.svg"]


def test_the_picture_names_every_hazard_and_strategy(written):
    text = written["hazards.svg"].decode()
    for name in (*ROSTER, *EVERY):
        assert f">{name}<" in text


def test_the_whole_table_fits_into_80_columns(hazards):
    lines = _shown(hazards, 80).splitlines()
    assert max(map(len, lines)) <= 80
    for name in ROSTER:
        assert sum(line.startswith(f"{name} ") for line in lines) == 1


def test_a_narrow_terminal_gets_sentences(hazards):
    text = _shown(hazards, 50)
    assert "severed: The gradient to something trainable" in text
    assert max(map(len, text.splitlines())) <= 50


def test_a_terminal_of_ascii_is_sent_ascii(hazards):
    assert "immune" in _shown(hazards, 80, "ascii")


def test_a_few_hazards_are_told_in_sentences(hazards):
    few = msgspec.structs.replace(
        hazards,
        hazards=hazards.hazards[:1],
        cells=[cell for cell in hazards.cells if cell.hazard == "bn-statistics"],
    )
    text = " ".join(_shown(few, 100).split())
    assert "body.1.running_var moved by up to" in text
    assert "With the mend all are immune." in text


def test_every_outcome_has_a_sign_of_its_own_and_a_meaning():
    assert SIGNS.keys() == MEANINGS.keys() == set(OUTCOMES)
    assert len(set(SIGNS.values())) == len(OUTCOMES)


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (Outcome("moves", "", 0.3567), "0.36"),
        (Outcome("moves", "", 7.5e-6), "8e-6"),
        (Outcome("moves", "", 5.0), "5"),
        (Outcome("moves", ""), "∞"),
        (Outcome("affected", "", 456.0, "bytes"), "456 B"),
        (Outcome("severed", "", 2.0), "2"),
        (Outcome("immune", ""), ""),
        (Outcome("error", "", error="ValueError"), "error"),
    ],
)
def test_a_figure_is_short(outcome, shown):
    assert figure(outcome) == shown


def test_the_picture_tells_the_units_of_every_row_whole(hazards, written):
    text = written["hazards.svg"].decode()
    for name in ROSTER:
        cells = [one.outcome for one in hazards.cells if one.hazard == name]
        units = dict.fromkeys(one.unit for one in cells if figure(one) and one.unit)
        assert not units or f">{', '.join(units)}<" in text


def test_a_freeze_that_breaks_is_darker_than_what_is_only_wasted():
    def apart(one, other):
        return sum(
            abs(a - b) for a, b in zip(to_rgb(FILLS[one]), to_rgb(FILLS[other]), strict=True)
        )

    assert sum(to_rgb(FILLS["moves"])) < sum(to_rgb(FILLS["affected"]))
    assert min(apart("moves", "affected"), apart("moves", "severed")) > 0.3
