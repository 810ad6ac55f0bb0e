"""PASS, FAIL or CAN'T TELL from lives whose effects are known, and how often it is wrong."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from gate_stage import SECOND, Script, make_cell_turns, make_life
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bench.gate.time.comparison import Outcome, compare
from bench.gate.time.decision import Effect, answer_of, confirmed, judge
from bench.gate.time.effects import life_effects
from bench.gate.time.record import ARMS, PHASES, ArmTurns, CellTurns, Row, Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gate.time.record import Life

TERMS = Terms()
STEADY = (-0.002, -0.001, 0.0, 0.001, 0.002)
"""Luck of five lives, so small that everything can be told."""

few = settings(max_examples=25, deadline=None)
effects = st.lists(st.floats(-0.3, 0.3), min_size=0, max_size=8)


def lives_of(effects: Sequence[float], **more: float) -> list[Life]:
    return [make_life(effect, **more) for effect in effects]


def steady(head: float = 0.0, **more: float) -> list[Life]:
    """Five lives of a head that is slower by that logarithm."""
    return lives_of([head + luck for luck in STEADY], **more)


def answers(lives: Sequence[Life], terms: Terms = TERMS) -> dict[str, str]:
    return {row.phase: row.answer for row in judge(lives, terms, threads=1)}


def total(rows: Sequence[Row]) -> Row:
    return next(row for row in rows if row.phase == "total")


@pytest.mark.parametrize(
    ("head", "answer"), [(0.0, "PASS"), (-0.2, "PASS"), (0.2, "FAIL"), (0.03, "CAN'T TELL")]
)
def test_what_is_plain_is_told(head: float, answer: str) -> None:
    rows = judge(steady(head), TERMS, threads=1)
    assert total(rows).answer == answer
    assert answer_of(rows) == answer


@few
@given(effects, st.floats(0.0, 0.2))
def test_fail_and_pass_exclude_each_other(values: list[float], margin: float) -> None:
    terms = Terms(margin=margin, phase_margin=margin)
    for row in judge(lives_of(values), terms, threads=1):
        fails = row.judged and row.fail_bound > 1 + row.margin
        passes = row.pass_bound < 1 + row.margin
        assert not (fails and passes)
        assert row.answer != "FAIL" or row.p <= (1 - terms.fail_confidence) / len(terms.looks)
        assert row.answer != "PASS" or passes


@few
@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=6), st.floats(0.0, 0.5))
def test_a_slower_head_never_does_better(values: list[float], more: float) -> None:
    order = {"PASS": 0, "CAN'T TELL": 1, "FAIL": 2}
    before = answers(lives_of(values))
    after = answers(lives_of([value + more for value in values]))
    assert all(order[after[phase]] >= order[before[phase]] for phase in PHASES)


@few
@given(st.data())
def test_the_order_of_lives_changes_nothing(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=6))
    lives = lives_of(values)
    shuffled = data.draw(st.permutations(lives))
    for one, other in zip(
        judge(lives, TERMS, threads=1), judge(shuffled, TERMS, threads=1), strict=True
    ):
        assert one.answer == other.answer
        assert one.head.value == pytest.approx(other.head.value)
        assert one.p == pytest.approx(other.p, abs=1e-12)


@few
@given(st.floats(-3.0, 3.0))
def test_one_life_alone_never_answers(head: float) -> None:
    rows = judge(lives_of([head]), TERMS, threads=1)
    assert {row.answer for row in rows} == {"CAN'T TELL"}
    assert rows[0].head.low == 0.0


def test_no_life_at_all_answers_nothing() -> None:
    assert judge([], TERMS, threads=1) == []
    assert answer_of([]) == "CAN'T TELL"


@pytest.mark.parametrize("again", [0.2, -0.2])
@settings(max_examples=10, deadline=None)
@given(head=st.floats(-0.5, 0.5))
def test_a_base_that_differs_from_itself_tells_nothing(again: float, head: float) -> None:
    rows = judge(steady(head, again=again), TERMS, threads=1)
    assert {row.answer for row in rows} == {"CAN'T TELL"}
    assert "the base differed from itself by" in total(rows).why


@pytest.mark.parametrize("slowed", [0.0, 0.02, -0.1])
@settings(max_examples=10, deadline=None)
@given(head=st.floats(-0.5, 0.5))
def test_a_gate_that_does_not_see_its_own_slow_down_tells_nothing(
    slowed: float, head: float
) -> None:
    rows = judge(steady(head, slowed=slowed), TERMS, threads=1)
    assert {row.answer for row in rows} == {"CAN'T TELL"}
    assert "known slow-down was not seen above the margin" in total(rows).why


def with_short_forward(head: float) -> list[Life]:
    """The forward pass is a hundredth of the step, and there alone the head differs."""
    base = (SECOND // 100, 60 * SECOND // 100, 39 * SECOND // 100)
    lives = []
    for life in steady():
        cell = make_cell_turns({"slowed": math.log(1.1)}, base=base)
        slower = tuple(round(t * f) for t, f in zip(base, (math.exp(head), 1, 1), strict=True))
        arm = make_cell_turns({}, base=slower).arms["head"]  # type: ignore[arg-type]
        lives.append(replace(life, cells=[replace(cell, arms={**cell.arms, "head": arm})]))
    return lives


@pytest.mark.parametrize("head", [0.0, 0.5, -0.5])
def test_a_phase_below_the_least_share_never_decides(head: float) -> None:
    rows = judge(with_short_forward(head), TERMS, threads=1)
    forward = rows[0]
    assert (forward.phase, forward.judged, forward.share) == ("forward", False, 0.01)
    assert forward.answer != "FAIL"
    assert not forward.improved
    assert answer_of(rows) == "PASS"


def test_with_no_phase_judged_nothing_is_said() -> None:
    rows = judge(steady(), Terms(least_share=2.0), threads=1)
    assert not any(row.judged for row in rows)
    assert answer_of(rows) == "CAN'T TELL"


def test_a_phase_has_a_margin_of_its_own() -> None:
    rows = judge(steady(), Terms(margin=0.01, phase_margin=0.2), threads=1)
    assert {row.phase: row.margin for row in rows} == {
        "forward": 0.2,
        "backward": 0.2,
        "update": 0.2,
        "total": 0.01,
    }


def test_p_values_are_adjusted_for_all_judged_rows() -> None:
    lives = steady(math.log(1.05))
    few = judge(lives, TERMS, threads=1)
    alone = Effect.of([math.log(1.05) + luck for luck in STEADY]).p_not_above(math.log1p(0.03))
    assert total(few).p == pytest.approx(4 * alone, rel=1e-3)  # the least of four judged rows
    twice = [replace(life, cells=life.cells * 2) for life in lives]
    # Two equal least ones of eight rows: Holm gives both the larger adjustment of the first.
    assert total(judge(twice, TERMS, threads=1)).p == pytest.approx(8 * alone, rel=1e-3)


def test_a_head_that_is_faster_than_the_margin_is_said_to_be_improved() -> None:
    assert all(row.improved for row in judge(steady(-0.3), TERMS, threads=1))
    assert not any(row.improved for row in judge(steady(0.0), TERMS, threads=1))
    assert not any(row.improved for row in judge(steady(0.3), TERMS, threads=1))


def test_the_clock_is_said_and_is_that_of_all_lives() -> None:
    lives = steady()
    assert {row.clock for row in judge(lives, TERMS, threads=1)} == {"cpu"}
    assert {row.clock for row in judge(lives, TERMS, threads=2)} == {"wall"}
    lives[3] = make_life(waits={"head": [1, 1]})
    assert {row.clock for row in judge(lives, TERMS, threads=1)} == {"wall"}


def test_every_cell_has_its_rows() -> None:
    two = [
        replace(life, cells=[*life.cells, make_cell_turns({"head": 0.3}, workload="v")])
        for life in steady()
    ]
    rows = judge(two, TERMS, threads=1)
    assert [(row.workload, row.phase) for row in rows] == [
        (workload, phase) for workload in "wv" for phase in PHASES
    ]


def test_a_fail_that_fresh_lives_confirm_stays() -> None:
    rows = judge(steady(0.2), TERMS, threads=1)
    kept = confirmed(rows, steady(0.2), TERMS)
    assert [row.answer for row in kept] == ["FAIL"] * 4
    assert total(kept).confirmed is not None
    assert total(kept).confirmed.value == pytest.approx(math.exp(0.2))  # type: ignore[union-attr]


@pytest.mark.parametrize("fresh", [0.0, -0.2, 0.03])
def test_a_fail_that_fresh_lives_do_not_confirm_cannot_be_told(fresh: float) -> None:
    rows = judge(steady(0.2), TERMS, threads=1)
    taken_back = confirmed(rows, steady(fresh), TERMS)
    assert {row.answer for row in taken_back} == {"CAN'T TELL"}
    assert "fresh processes did not confirm it" in total(taken_back).why
    assert total(taken_back).head == total(rows).head


def test_a_confirmation_leaves_other_rows_alone() -> None:
    rows = judge(with_short_forward(0.0), TERMS, threads=1)
    assert confirmed(rows, steady(0.2), TERMS) == rows


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    luck = random.Random(0)
    simulations = 4000
    for lives in (3, 5, 14):
        covered = 0
        for _ in range(simulations):
            bounds = Effect.of([luck.gauss(0.02, 0.03) for _ in range(lives)]).ratio()
            covered += bounds.low <= math.exp(0.02) <= bounds.high
        assert 0.94 < covered / simulations < 0.96


LUCK = TERMS.margin
"""The worst that the gate is made for: a process has a luck as large as the margin."""


class WeighedOnce:
    """What follows from a life does not change, and the simulated gates share their lives."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], dict[str, list[float]]] = {}
        self._kept: list[object] = []  # so that no other object gets its id

    def clock_of(self, _cells: object, _threads: int) -> str:
        return "cpu"

    def life_effects(
        self, lives: Sequence[Life], place: int, phase: str, clock: str
    ) -> dict[str, list[float]]:
        single = []
        for life in lives:
            key = (id(life.cells), phase)
            if key not in self._found:
                self._kept.append(life.cells)
                self._found[key] = life_effects([life], place, phase, clock)
            single.append(self._found[key])
        return {arm: [v for one in single for v in one[arm]] for arm in ("head", "again", "slowed")}

    def share_of(self, _lives: object, _place: int, _phase: str) -> float:
        return 1.0


def simulated_life(luck: random.Random, head: float, sd: float) -> Life:
    """Four processes, each with a luck of its own, and in every phase another."""
    levels = {"head": head, "slowed": math.log(1 + TERMS.slow_down)}
    arms = {}
    for arm in ARMS:
        logs = [levels.get(arm, 0.0) + luck.gauss(0.0, sd) for _ in range(3)]
        step = tuple(round(SECOND * math.exp(log)) for log in logs)
        taken = [[step]] * 2
        arms[arm] = ArmTurns(wall=taken, cpu=taken, waits=[0, 0])  # type: ignore[arg-type]
    return replace(make_life(), cells=[CellTurns(workload="w", strategy="s", arms=arms)])


def simulated_answers(head: float, sd: float, gates: int) -> list[str]:
    luck = random.Random(f"{head} {sd}")
    trial = [simulated_life(luck, head, sd) for _ in range(300)]
    pools = {
        "trial": trial,
        "confirmation": [replace(life, purpose="confirmation") for life in trial],
    }
    found = []
    weighing = WeighedOnce()
    for _ in range(gates):
        script = Script(lambda _number, purpose: luck.choice(pools[purpose]))
        outcome = Outcome()
        terms = replace(TERMS, budget=1e9)
        compare(script, terms, 1, outcome, now=script.clock, weighing=weighing)
        found.append(outcome.answer)
    return found


def test_equal_sides_fail_in_at_most_one_of_a_thousand_gates() -> None:
    gates = {LUCK: 600, LUCK / 3: 200, LUCK / 10: 200}
    answers = [a for sd, count in gates.items() for a in simulated_answers(0.0, sd, count)]
    assert len(answers) == 1000
    assert answers.count("FAIL") <= 1


def test_a_head_just_at_the_margin_hardly_ever_fails() -> None:
    at_margin = math.log1p(TERMS.margin)
    assert simulated_answers(at_margin, LUCK / 3, 150).count("FAIL") <= 1


def test_where_processes_are_steady_the_gate_answers() -> None:
    assert set(simulated_answers(0.0, LUCK / 10, 30)) == {"PASS"}
    assert set(simulated_answers(0.2, LUCK / 10, 30)) == {"FAIL"}
