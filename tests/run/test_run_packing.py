from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from stage import make_cell

from bench.run.packing import SHARE_OF_MEMORY, Weight, bytes_of, pack

MEMORY = 1000
weights_lists = st.lists(
    st.tuples(st.integers(0, 1500), st.integers(0, 1500)).map(
        lambda pair: Weight(peak=max(pair), resident=min(pair))
    ),
    min_size=1,
    max_size=12,
)


def packed(weights: list[Weight]):
    cells = [make_cell("full" if i == 0 else f"s{i}") for i in range(len(weights))]
    known = {cell.key: weight for cell, weight in zip(cells, weights, strict=True)}
    return cells, known, pack(cells, known, MEMORY)


@given(weights_lists)
def test_every_cell_is_in_one_group_and_full_is_first_in_each(weights: list[Weight]) -> None:
    cells, _, groups = packed(weights)
    assert all(group[0] is cells[0] for group in groups)
    assert [cell for group in groups for cell in group[1:]] == cells[1:]


@given(weights_lists)
def test_a_group_of_more_than_two_fits_in_memory(weights: list[Weight]) -> None:
    _, known, groups = packed(weights)
    assert all(
        len(group) <= 2 or bytes_of(group, known) <= MEMORY * SHARE_OF_MEMORY for group in groups
    )


def test_one_cell_is_at_its_peak_while_the_others_only_reside() -> None:
    cells = [make_cell("full"), make_cell("a")]
    known = {cells[0].key: Weight(500, 100), cells[1].key: Weight(300, 200)}
    assert bytes_of(cells, known) == 100 + 200 + (500 - 100)


def test_what_fits_together_stays_together() -> None:
    _, _, groups = packed([Weight(100, 10)] * 14)
    assert len(groups) == 1
