"""The page in a real browser: what a reader sees, does, and never has sent anywhere."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from page_runs import EMOJI, IMAGE, LONG, SCRIPT, build_cell, build_run

from bench.page.page import render

if TYPE_CHECKING:
    from pathlib import Path

LIVE = "figure.is-live"


@pytest.fixture(scope="module", name="file")
def page_file(tmp_path_factory) -> Path:
    """Two runs: a usual one with a leak, and one whose names are markup, long, or pictures."""
    cells = [
        *build_run(("policy",)).cells,
        build_cell("policy", "restore", "leaks"),
        build_cell("adapter", "feature_cache", "severed"),
    ]
    hostile = build_run((IMAGE,), ("full", SCRIPT, EMOJI, LONG), machine=SCRIPT)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(render([build_run(cells=cells), hostile]))
    return path


class Opened:
    """A page with all that it asked for and complained of."""

    def __init__(self, page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.context.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def draw_all(self) -> None:
        """Come by every chart, so that each becomes a live one."""
        figures = self.page.locator("figure.chart")
        for place in range(figures.count()):
            figures.nth(place).scroll_into_view_if_needed()
        self.page.wait_for_function(
            "document.querySelectorAll('figure.chart').length"
            " === document.querySelectorAll('figure.is-live').length"
        )


@pytest.fixture(name="opened")
def opener(browser, file):
    """Opens the page as a context manager; options are those of a browser's context."""

    @contextmanager
    def opened(width=1366, height=768, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        context.set_default_timeout(20_000)
        one = Opened(context.new_page())
        one.page.goto(file.as_uri())
        yield one
        context.close()

    return opened


@pytest.fixture(scope="module", name="drawn")
def drawn_page(browser, file):
    """A page with all charts alive, for tests that only look."""
    context = browser.new_context(
        viewport={"width": 1366, "height": 768}, reduced_motion="reduce", color_scheme="light"
    )
    context.set_default_timeout(20_000)
    one = Opened(context.new_page())
    one.page.goto(file.as_uri())
    one.draw_all()
    yield one
    context.close()


def _column(page, number):
    cells = page.locator(f"#run-1-table tbody tr:not([hidden]) > :nth-child({number})")
    return cells.all_inner_texts()


def _number(page, title):
    titles = page.locator("#run-1-table thead th").all_inner_texts()
    return 1 + [one.strip() for one in titles].index(title)


def _filter(page, name):
    return page.locator(f"#run-1-cells [data-filter={name}]")


def test_every_chart_comes_alive_without_a_complaint(drawn):
    assert drawn.complaints == []


def test_no_request_leaves_the_file(drawn, file):
    assert {url for url in drawn.requests if not url.startswith("data:")} == {file.as_uri()}


def test_the_tip_of_a_bar_tells_its_time(drawn):
    drawn.page.locator("#chart-1 .live .mark-rect path").first.hover()
    assert "full" in drawn.page.locator(".vg-tooltip.visible").inner_text()


def test_the_tip_of_a_hostile_strategy_is_text(drawn):
    figure = drawn.page.locator("#run-2-workload-1 figure.chart").first
    figure.locator(".live .mark-rect path").nth(3).hover()
    assert SCRIPT in drawn.page.locator(".vg-tooltip.visible").inner_text()


def test_a_click_on_the_legend_keeps_one_phase_in_colour(opened):
    faint = "#chart-1 .live .mark-rect path[opacity='0.12']"
    with opened() as one:
        one.draw_all()
        before = one.page.locator(faint).count()
        one.page.locator("#chart-1 .live .role-legend-symbol path").first.click()
        one.page.wait_for_function(f'document.querySelector("{faint}") !== null')
        assert before == 0


def test_raw_samples_can_be_zoomed(opened):
    with opened() as one:
        one.draw_all()
        points = one.page.locator("figure.wide .live .mark-symbol.role-mark").first
        before = points.inner_html()
        points.locator("path").nth(3).hover()
        one.page.keyboard.down("Shift")
        one.page.mouse.wheel(0, -400)
        one.page.keyboard.up("Shift")
        one.page.wait_for_timeout(200)
        assert points.inner_html() != before


def test_a_column_of_figures_is_sorted_by_its_figures(opened):
    with opened() as one:
        number = _number(one.page, "total, ms")
        one.page.get_by_role("button", name="total, ms").first.click()
        shown = [float(text.split()[0]) for text in _column(one.page, number) if text != "–"]
        assert shown == sorted(shown)


def test_what_is_absent_comes_last_in_both_directions(opened):
    with opened() as one:
        number = _number(one.page, "total, ms")
        ends = []
        for _ in range(2):
            one.page.get_by_role("button", name="total, ms").first.click()
            ends.append(_column(one.page, number)[-1])
        assert ends == ["–", "–"]


def test_a_third_click_gives_the_order_of_the_run_back(opened):
    with opened() as one:
        before = _column(one.page, 1)
        for _ in range(3):
            one.page.get_by_role("button", name="total, ms").first.click()
        assert _column(one.page, 1) == before


def test_the_keyboard_alone_sorts(opened):
    with opened() as one:
        one.page.locator("#run-1-table thead button").first.focus()
        one.page.keyboard.press("Enter")
        heading = one.page.locator("#run-1-table thead th").first
        assert heading.get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("feature_cache", 2), ("policy GRADS", 1), ("no such thing", 0)],
)
def test_a_text_filters(opened, text, shown):
    with opened() as one:
        _filter(one.page, "text").fill(text)
        assert len(_column(one.page, 1)) == shown


@pytest.mark.parametrize(
    ("name", "choice", "shown"),
    [("workload", "policy", 6), ("verdict", "severed", 1), ("verdict", "leaks", 1)],
)
def test_a_choice_filters(opened, name, choice, shown):
    with opened() as one:
        _filter(one.page, name).select_option(label=choice)
        assert len(_column(one.page, 1)) == shown


def test_how_many_cells_are_shown_is_said(opened):
    with opened() as one:
        _filter(one.page, "verdict").select_option("severed")
        assert one.page.get_by_role("status").first.inner_text() == "Showing 1 of 7 cells"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_javascript_every_chart_is_there(opened, scheme):
    with opened(java_script_enabled=False, color_scheme=scheme) as one:
        charts = one.page.locator("figure.chart")
        drawn = one.page.locator(".static svg.marks:visible, .static img:visible")
        assert drawn.count() == charts.count()


def test_without_javascript_nothing_is_offered_that_needs_it(opened):
    with opened(java_script_enabled=False) as one:
        assert one.page.locator("search:visible, .live-only:visible").count() == 0


@pytest.mark.parametrize("scripted", [True, False])
@pytest.mark.parametrize("width", [360, 1366, 2560])
def test_the_page_never_scrolls_sideways(opened, width, scripted):
    with opened(width, java_script_enabled=scripted) as one:
        if scripted:
            one.draw_all()
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_theme_follows_the_reader(opened):
    grounds = []
    for scheme in ("light", "dark"):
        with opened(color_scheme=scheme) as one:
            grounds.append(one.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_it_prints(opened):
    with opened(color_scheme="dark") as one:
        one.draw_all()
        assert one.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_paper_gets_the_static_charts_and_every_row(opened):
    with opened() as one:
        one.draw_all()
        _filter(one.page, "text").fill("no such thing")
        one.page.emulate_media(media="print")
        seen = [
            one.page.locator(what).count()
            for what in (".live:visible", ".static:visible", "#run-1-table tbody tr:visible")
        ]
        assert seen == [0, one.page.locator("figure.chart").count(), 7]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing(drawn, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    drawn.page.emulate_media(color_scheme=scheme)
    found = axe.Axe().run(drawn.page)
    assert [one["id"] for one in found.response["violations"]] == []


def test_the_headings_are_in_order(drawn):
    levels = drawn.page.eval_on_selector_all(
        "h1, h2, h3, h4, h5, h6", "all => all.map(one => Number(one.tagName[1]))"
    )
    steps = [after - before for before, after in itertools.pairwise(levels)]
    assert (levels[0], max(steps)) == (1, 1)


def test_the_first_tab_skips_to_the_content(opened):
    with opened() as one:
        one.page.keyboard.press("Tab")
        one.page.keyboard.press("Enter")
        assert one.page.evaluate("document.activeElement.id") == "main"


def test_no_two_clipping_shapes_have_the_same_name(drawn):
    names = drawn.page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert sorted(names) == sorted(set(names))
