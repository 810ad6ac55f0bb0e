"""A request reaches files of the results folder and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.page.confined import below, parts

if TYPE_CHECKING:
    from pathlib import Path

pieces = st.sampled_from(
    ["..", ".", "", "%2e%2e", "%252e%252e", "%2f", "%5c", "%00", "etc", "passwd", "~", "C:", "\\.."]
)


@pytest.fixture(scope="module", name="results")
def results_folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("house")
    (root / "secret").write_text("no")
    run = root / "results" / "machine" / "run"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / ".hidden").write_text("no")
    (run / "link").symlink_to(root / "secret")
    (root / "results" / "elsewhere").symlink_to(root)
    return root / "results"


@given(asked=st.lists(pieces | st.text(), max_size=6))
def test_whatever_is_asked_for_lies_below_the_folder(results, asked):
    names = parts("/" + "/".join(asked))
    found = None if names is None else below(results, names)
    assert found is None or found.is_relative_to(results.resolve())


@given(name=st.text(min_size=1).filter(lambda name: not set(name) & set("/\\\0")))
def test_a_name_is_decoded_once(name):
    expected = None if name in (".", "..") else [name]
    assert parts("/" + quote(name, safe="")) == expected


def test_a_file_of_a_run_is_found(results):
    assert below(results, ["machine", "run", "run.json"]) == results / "machine/run/run.json"


@pytest.mark.parametrize(
    "names",
    [
        ["machine", "run", "link"],
        ["elsewhere", "secret"],
        ["machine", "run", ".hidden"],
        ["machine", "run", "absent"],
        ["..", "secret"],
        [],
        ["a" * 5000],
    ],
)
def test_nothing_else_is(results, names):
    assert below(results, names) is None
