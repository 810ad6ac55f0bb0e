"""Data inside the page: small, safe, and the same when it is unfolded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.page.packing import packed, script_json

texts = st.text()
numbers = st.integers(-(10**6), 10**6)


def _unfolded(column):
    return column if isinstance(column, list) else [column["of"][at] for at in column["at"]]


@given(st.recursive(texts | numbers | st.none(), lambda inner: st.dictionaries(texts, inner)))
def test_nothing_in_the_data_can_end_its_element(value):
    assert not set("<>&\u2028\u2029") & set(script_json(value))


@given(st.dictionaries(texts, texts | numbers))
def test_the_data_reads_as_what_it_was(value):
    assert json.loads(script_json(value)) == value


@given(st.lists(st.fixed_dictionaries({"name": texts, "x": numbers}), min_size=60, max_size=90))
def test_rows_in_columns_are_the_same_rows(rows):
    columns = packed({"values": rows})["columns"]
    names, places = _unfolded(columns["name"]), _unfolded(columns["x"])
    assert [{"name": n, "x": x} for n, x in zip(names, places, strict=True)] == rows


def test_a_figure_that_json_has_not_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json({"x": float("nan")})
