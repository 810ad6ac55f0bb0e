"""The page as bytes: what is in it, and what can't get out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser

import pytest
from page_runs import EMOJI, HEBREW, IMAGE, LONG, SCRIPT, build_cell, build_run

from bench.collection.compared import Agreement, Column, Compared, Comparison, Figures
from bench.page import PageError, page, section
from bench.page.facts import telemetry
from bench.page.page import render
from bench.records import Interval, Telemetry

HOSTILE = (SCRIPT, IMAGE, LONG, HEBREW, EMOJI)


class _Reader(HTMLParser):
    """What a browser would make of a page: its elements, its text, its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.texts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        else:
            self.texts.append(data)

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def _read(page: bytes) -> _Reader:
    reader = _Reader()
    reader.feed(page.decode())
    return reader


@pytest.fixture(scope="module", name="usual")
def usual_page() -> bytes:
    return render([build_run()])


@pytest.fixture(scope="module", name="hostile")
def hostile_page() -> bytes:
    return render([build_run(HOSTILE, ("full", IMAGE, LONG, HEBREW), machine=SCRIPT)])


def test_the_same_run_gives_the_same_bytes(usual):
    assert render([build_run()]) == usual


def test_a_name_that_is_markup_makes_no_element(hostile):
    read = _read(hostile)
    assert [image for image in read.attributes("img") if "onerror" in image] == []
    assert len(read.scripts) == 4


def test_a_name_that_is_markup_makes_no_attribute(hostile):
    handlers = [
        name for _, attributes in _read(hostile).elements for name in attributes if name[:2] == "on"
    ]
    assert handlers == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_as_it_is(hostile, name):
    assert any(name in text for text in _read(hostile).texts)


def test_a_name_that_ends_a_script_does_not_end_the_data(hostile):
    ((_, text),) = [one for one in _read(hostile).scripts if one[0].get("id") == "specs"]
    assert "alert(1)" in json.dumps(json.loads(text))


def test_every_element_that_asks_for_something_has_it_inside(usual):
    addresses = [
        value
        for _, attributes in _read(usual).elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert [one for one in addresses if not one.startswith(("#", "data:"))] == []


def test_the_policy_names_the_scripts_that_are_there(usual):
    read = _read(usual)
    (policy,) = [
        one["content"]
        for one in read.attributes("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    ]
    digests = {
        "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for attributes, text in read.scripts
        if "type" not in attributes
    }
    assert set(re.findall(r"'(sha256-[^']+)'", policy)) == digests


def test_no_script_may_be_made_of_text(usual):
    assert b"unsafe-eval" not in usual.split(b"</head>")[0]


def test_a_synthetic_run_says_so(usual):
    assert "Made-up figures." in _read(usual).texts


def test_a_measured_run_is_not_called_synthetic():
    assert b"Made-up figures" not in render([build_run(("policy",), ("full",), synthetic=False)])


def test_a_run_without_cells_says_that_nothing_was_measured():
    assert b"nothing was measured yet" in render([build_run(cells=[])])


@pytest.mark.parametrize("verdict", ["failed", "severed"])
def test_a_run_in_which_nothing_was_timed_shows_its_verdicts(verdict):
    page = render([build_run(cells=[build_cell(verdict=verdict)])])
    assert f"it {verdict}".encode() in page


def test_no_page_without_a_run():
    with pytest.raises(ValueError, match="no run"):
        render([])


@pytest.mark.parametrize("package", ["vl_convert"])
def test_a_missing_package_is_named_with_what_to_install(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PageError, match=r"pip install 'freezebench\[page\]'"):
        render([build_run(("policy",), ("full", "no_grad"))])


def test_a_page_of_ten_workloads_and_fourteen_strategies_fits_into_a_mail(monkeypatch):
    names = ("full", *(f"strategy_{number}" for number in range(13)))
    points = section._POINTS // 10
    sizes = []
    for workloads in (("one",), ("one", "two")):  # each more adds as much as the second
        monkeypatch.setattr(section, "_POINTS", points * len(workloads))
        sizes.append(len(render([build_run(workloads, names, lives=8, rounds=30)])))
    assert sizes[0] + 9 * (sizes[1] - sizes[0]) < 5_000_000


def _comparison() -> Comparison:
    columns = [
        Column("torch 2.9", "one", "2026-01-02T03:04:05+00:00", "machine"),
        Column("torch 2.14", "other", "2026-01-03T03:04:05+00:00", "machine", synthetic=True),
    ]
    figures = {
        (strategy, place): Figures(
            "policy", strategy, "ok", total=Interval(value + place / 10, value, value + 0.2)
        )
        for strategy, value in (("requires_grad", 0.6), ("no_grad", 0.7))
        for place in (0, 1)
    }
    figures["full", 0] = Figures("policy", "full", "reference")
    figures["detach", 1] = Figures("policy", "detach", "severed")
    return Comparison(
        "torch",
        columns,
        [
            Compared(
                workload="policy",
                topology="front",
                settings={"batch": "8"},
                columns=[0, 1],
                strategies=["full", "requires_grad", "no_grad", "detach"],
                figures=figures,
                agreements=[Agreement(0, 1, -1.0, -1.0, 1.0, 1, 0, [("requires_grad", "no_grad")])],
                unbeaten={0: ["requires_grad"], 1: ["requires_grad"]},
                always_unbeaten=["requires_grad"],
            )
        ],
        ["One run was left out."],
    )


@pytest.fixture(scope="module", name="compared")
def compared_page() -> str:
    runs = [build_run(("policy",), ("full", "requires_grad")) for _ in range(2)]
    return " ".join(" ".join(_read(render(runs, [_comparison()])).texts).split())


@pytest.mark.parametrize(
    "said",
    [
        "Side by side, by torch",
        "One run was left out.",
        "Never beaten in any of 2 columns by total time: requires_grad.",
        "The ranking changes: requires_grad and no_grad swap places beyond doubt",
        "[0.60, 0.80]",
        "× severed",
    ],
)
def test_a_comparison_opens_the_page_with(compared, said):
    assert said in compared


def test_identifiers_are_unique_on_a_page_of_several_runs():
    page = render([build_run(("policy",)), build_run(("policy",))], [_comparison()])
    names = [one["id"] for _, one in _read(page).elements if "id" in one]
    assert sorted(names) == sorted(set(names))


def test_energy_of_a_turn_is_no_fact_of_a_run():
    read = Telemetry(watts=[300.0, 310.0], cpu_joules=[1.0, 2.0], gpu_joules=[3.0, 4.0])
    facts = telemetry(build_run(cells=[build_cell(telemetry=read)]))
    assert [title for title, _ in facts if title == "Power"]
    assert not [title for title, _ in facts if "energy" in title.lower()]


def test_a_page_that_would_be_too_large_for_a_mail_leaves_out_what_it_can(monkeypatch):
    run = build_run(("policy",), ("full", "requires_grad"))
    whole = render([run])
    monkeypatch.setattr(page, "LARGEST", len(whole) - 1)
    smaller = render([run])
    assert len(smaller) < len(whole)
    assert "Raw samples are left out" in smaller.decode()


def test_tables_are_there_however_little_a_mail_may_hold(monkeypatch):
    monkeypatch.setattr(page, "LARGEST", 1)
    least = render([build_run(("policy",), ("full", "requires_grad"))]).decode()
    assert "Charts are left out" in least
    assert "All cells" in least
