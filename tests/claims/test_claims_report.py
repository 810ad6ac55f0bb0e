"""The page, the terminal, the record and the plots say what the record holds."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import msgspec
import pytest
from outcomes import claims, denoising
from rich.console import Console

from bench.records import Claims
from bench.report.claims import PLOTS, files
from bench.report.claims.page import page
from bench.report.claims.record import record_json
from bench.report.claims.terminal import show
from bench.report.claims.words import value, verdict
from bench.report.look import render


@pytest.fixture(scope="module")
def found():
    return claims()


@pytest.fixture(scope="module")
def written(found):
    return dict(files(found))


def test_the_page_shows_every_figure_of_the_record(found, written):
    text = written["README.md"].decode()
    for answer in found.answers:
        section = text.split(f"## {answer.number}. ")[1].split("\n## ")[0]
        for figure in answer.figures:
            assert f"| {figure.name} | {value(figure)} |" in section
        assert answer.answer[0] in section
        assert answer.command in section
        assert answer.rule in section


def test_the_page_gives_the_verdict_of_every_claim(found, written):
    text = written["README.md"].decode()
    for answer in found.answers:
        row = next(line for line in text.splitlines() if line.startswith(f"| {answer.number} |"))
        assert verdict(answer).replace("|", "\\|") in row


def test_a_claim_in_few_words_stands_before_its_verdict_and_a_pair_is_the_figure(found, written):
    text = written["README.md"].decode()
    for answer in found.answers:
        row = next(line for line in text.splitlines() if line.startswith(f"| {answer.number} |"))
        assert f"| {answer.short} | {verdict(answer).replace('|', chr(92) + '|')} |" in row
    assert "| 2 → 1 \\| nodes |" in text


def test_pictures_and_files_that_the_page_links_to_are_written(written):
    text = written["README.md"].decode()
    linked = re.findall(r"\]\(([^#)][^)]*)\)", text)
    assert "accuracy.png" in linked
    assert set(linked) <= set(written)


def test_anchors_of_the_contents_are_headings(written):
    text = written["README.md"].decode()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    anchors = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert len(anchors) == 14
    assert anchors <= made


def test_the_page_names_no_picture_that_is_not_there(found):
    assert "![" not in page(found, ())


def test_what_could_not_be_measured_is_told_on_the_page(written):
    assert "could not be measured (it broke)" in written["README.md"].decode()


def test_the_record_is_read_again_as_it_was(found):
    assert msgspec.json.decode(record_json(found), type=Claims) == found


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_the_same_each_time_and_well_formed(found, written, name):
    assert written[f"{name}.png"].startswith(b"\x89PNG")
    ElementTree.fromstring(written[f"{name}.svg"])
    figure = PLOTS[name](found)
    assert figure is not None
    assert render(figure, "svg") == written[f"{name}.svg"]


def test_without_times_and_experiment_there_are_no_plots():
    names = [name for name, _ in files(claims(costs=[], denoising=None))]
    assert names == ["README.md", "claims.json"]


def test_an_experiment_without_curves_has_no_plot_of_training():
    without = msgspec.structs.replace(denoising(), curves=[])
    assert PLOTS["training"](claims(denoising=without)) is None


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_terminal_shows_each_claim_with_its_verdict(found, width):
    console = Console(record=True, width=width, file=io.StringIO())
    show(found, console)
    words = console.export_text().split()
    assert {"holds", "false"} <= set(words)
    assert {str(number) for number in range(1, 15)} <= set(words)


def test_the_terminal_tells_the_sentences_of_a_few_claims(found):
    console = Console(record=True, width=100, file=io.StringIO())
    show(msgspec.structs.replace(found, answers=found.answers[:1]), console)
    assert "Sentence of 1." in console.export_text()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (0, "0.39× [0.37, 0.41]"),
        (1, "96.3% [95.1%, 97.4%]"),
        (2, "-4.8 [-10.2, +0.7] points"),
        (3, "1,234,567 bytes"),
        (4, "no number (NaN or ∞)"),
        (5, "5e-03"),
    ],
)
def test_a_figure_is_told_in_its_unit(found, place, told):
    assert value(found.answers[0].figures[place]) == told


def test_each_number_of_layers_has_its_own_panel_over_training(found):
    one, three = PLOTS["training"](found).axes
    assert one.get_title(loc="left").startswith("1 layer ")
    assert three.get_title(loc="left").startswith("3 layers ")
    arms = {arm.layers for arm in found.denoising.arms}
    beside = sum(not arm.layers for arm in found.denoising.arms)
    assert arms == {0, 1, 3}
    assert len(one.lines) + len(three.lines) == len(found.denoising.arms) + beside


def test_the_legend_has_room_for_dashes(found):
    dashed = [
        handle
        for legend in PLOTS["accuracy"](found).legends
        for handle in legend.legend_handles
        if handle.get_linestyle() == "--"
    ]
    assert len(dashed) == 3
    for handle in dashed:
        ends = handle.get_xdata()
        assert max(ends) - min(ends) > 2 * 1.4 * (3.7 + 1.6)


def test_points_that_are_set_apart_are_told_to_be(written):
    assert "set beside each other" in " ".join(written["accuracy.svg"].decode().split())
