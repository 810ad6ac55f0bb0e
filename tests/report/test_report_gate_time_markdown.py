"""The time gate's Markdown: the answer comes first, and no name breaks the table."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from gate_time_records import every, failed, gate, row
from hypothesis import given
from hypothesis import strategies as st

from bench.report.gate.time_markdown import time_markdown

if TYPE_CHECKING:
    from bench.gate.time.record import Gate


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
