"""How many lives a gate lives, in which order, and what it says at the end: all by script."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from gate_stage import Script, make_life

from bench.gate.time.comparison import BudgetError, Outcome, compare
from bench.gate.time.gate import racing_seconds
from bench.gate.time.record import Terms
from bench.gate.time.trial import SideFailedError
from bench.gate.time.turns import UntrustworthyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.gate.time.record import Life

LIFE = 4.0
LOOKS = (3, 5, 8)
WILD = 0.3
"""A luck of a process that no margin is wide enough for."""


def luck() -> Callable[[], float]:
    """Small, and not the same twice in a row."""
    return itertools.cycle((-0.002, -0.001, 0.0, 0.001, 0.002)).__next__


def lives_of(
    trial: float, confirmation: float | None = None, **more: Any
) -> Callable[[int, str], Life]:
    """Lives of a head that is slower by that logarithm, and differently when it is confirmed."""
    own = luck()

    def life(number: int, purpose: str) -> Life:
        head = trial if purpose == "trial" or confirmation is None else confirmation
        return make_life(head + own(), number=number, purpose=purpose, seconds=LIFE, **more)

    return life


def wild_lives(number: int, purpose: str) -> Life:
    """A head of which nothing can be said."""
    head = WILD if number % 2 else -WILD
    return make_life(head, number=number, purpose=purpose, seconds=LIFE)


def carried_out(
    lives: Callable[[int, str], Life], *, budget: float = 1e6, **changes: Any
) -> tuple[Outcome, Script]:
    script = Script(lives, seconds=LIFE)
    outcome = Outcome()
    terms = Terms(**{"looks": LOOKS, "budget": budget, **changes})
    compare(script, terms, 1, outcome, now=script.clock)
    return outcome, script


def trial_of(*numbers: int) -> list[str]:
    return [f"trial {number}" for number in numbers]


def confirmation_of(*numbers: int) -> list[str]:
    return [f"confirmation {number}" for number in numbers]


def test_it_stops_at_the_first_look_when_everything_passes() -> None:
    outcome, script = carried_out(lives_of(0.0))
    assert script.heard == trial_of(1, 2, 3)
    assert (outcome.answer, outcome.looks) == ("PASS", 1)
    assert outcome.why == "every ratio is below its margin, after 3 lives"
    assert {row.answer for row in outcome.rows} == {"PASS"}


def test_without_an_answer_it_goes_on_with_fresh_processes_to_the_last_look() -> None:
    outcome, script = carried_out(wild_lives)
    assert script.heard == [
        *trial_of(1, 2, 3),
        "renew",
        *trial_of(4, 5),
        "renew",
        *trial_of(6, 7, 8),
    ]
    assert (outcome.answer, outcome.looks) == ("CAN'T TELL", 3)
    assert outcome.why.startswith("w × s, forward: the ratio lies between ")
    assert "the margin of +5.0%" in outcome.why
    assert "; likewise 3 more. " in outcome.why


def test_it_answers_at_the_first_look_that_can() -> None:
    calm = lives_of(0.0)
    outcome, script = carried_out(
        lambda number, purpose: (
            wild_lives(number, purpose) if number < 2 else calm(number, purpose)
        ),
        margin=0.5,
        phase_margin=0.5,
        slow_down=1.0,
    )
    assert outcome.looks > 1
    assert script.heard.count("renew") == outcome.looks - 1
    assert len(outcome.lives) == LOOKS[outcome.looks - 1]


def test_a_fail_is_confirmed_by_as_many_fresh_lives_as_the_first_look_has() -> None:
    outcome, script = carried_out(lives_of(0.3))
    assert script.heard == [*trial_of(1, 2, 3), "renew", *confirmation_of(4, 5, 6)]
    assert (outcome.answer, outcome.looks) == ("FAIL", 1)
    assert "slower, and confirmed by fresh processes: w × s, forward +3" in outcome.why
    assert all(row.confirmed is not None for row in outcome.rows)
    assert [life.number for life in outcome.lives] == [1, 2, 3, 4, 5, 6]


def test_a_confirmation_may_exceed_the_budget() -> None:
    outcome, script = carried_out(lives_of(0.3), budget=3 * LIFE)
    assert outcome.answer == "FAIL"
    assert script.now > 3 * LIFE


def test_an_unconfirmed_fail_goes_on_and_its_lives_count_like_the_others() -> None:
    outcome, script = carried_out(lives_of(0.3, confirmation=-0.3))
    assert script.heard == [
        *trial_of(1, 2, 3),
        "renew",
        *confirmation_of(4, 5, 6),
        "renew",
        *trial_of(7, 8),
        "renew",
        *trial_of(9, 10, 11),
    ]
    assert (outcome.answer, outcome.looks) == ("CAN'T TELL", 3)
    # The mean of three confirming lives at -0.3 and eight others at 0.3.
    assert outcome.rows[-1].head.value == pytest.approx(
        math.exp((8 * 0.3 - 3 * 0.3) / 11), rel=0.01
    )


def test_an_unconfirmed_fail_may_still_end_as_a_pass() -> None:
    own = luck()

    def only_at_first(number: int, purpose: str) -> Life:
        head = 0.04 if number <= 3 else 0.0
        return make_life(head + own(), number=number, purpose=purpose, seconds=LIFE)

    outcome, script = carried_out(only_at_first, margin=0.02, phase_margin=0.02, looks=(3, 40))
    assert script.heard[3:7] == ["renew", *confirmation_of(4, 5, 6)]
    assert (outcome.answer, outcome.looks) == ("PASS", 2)


def test_an_unconfirmed_fail_at_the_end_of_the_budget_cannot_be_told() -> None:
    outcome, _ = carried_out(lives_of(0.3, confirmation=0.0), budget=3 * LIFE)
    assert outcome.answer == "CAN'T TELL"
    assert "fresh processes did not confirm it" in outcome.why
    assert not any(row.answer == "FAIL" for row in outcome.rows)


def test_it_stops_when_the_next_life_would_not_fit_and_judges_what_there_is() -> None:
    outcome, script = carried_out(wild_lives, budget=4.5 * LIFE)
    assert script.heard == [*trial_of(1, 2, 3), "renew", *trial_of(4)]
    assert script.now <= 4.5 * LIFE
    assert (outcome.answer, outcome.looks) == ("CAN'T TELL", 2)
    assert f"4 lives fitted into --budget {4.5 * LIFE:g}; a larger one" in outcome.why


def test_an_early_end_may_still_answer() -> None:
    script = Script(lives_of(0.0), seconds=LIFE)
    outcome = Outcome()
    terms = Terms(looks=(20,), budget=6 * LIFE)
    compare(script, terms, 1, outcome, now=script.clock)
    assert len(outcome.lives) == 6
    assert outcome.answer == "PASS"


def test_after_the_last_look_a_larger_budget_is_no_advice() -> None:
    outcome, _ = carried_out(wild_lives)
    assert "All 8 lives of a gate were lived; wider margins, would help." in outcome.why
    assert "larger" not in outcome.why


def test_a_budget_too_small_for_the_fewest_lives_is_told_with_a_figure() -> None:
    script = Script(lives_of(0.0), seconds=LIFE)
    outcome = Outcome()
    with pytest.raises(BudgetError) as refused:
        compare(script, Terms(budget=10.0), 1, outcome, now=script.clock)
    assert "one life of both sides took 4.0 s, and 3 are the fewest" in str(refused.value)
    assert "give --budget 18 or more" in str(refused.value)
    assert script.heard == trial_of(1)


def test_a_budget_that_just_holds_the_fewest_lives_is_none_too_small() -> None:
    outcome, _ = carried_out(lives_of(0.0), budget=3 * LIFE)
    assert outcome.answer == "PASS"


@pytest.mark.parametrize("at", [1, 3, 5])
def test_what_cannot_be_trusted_cannot_be_told_and_keeps_what_was_lived(at: int) -> None:
    def backwards(number: int, purpose: str) -> Life:
        if number == at:
            raise UntrustworthyError("the clock went backwards")
        return wild_lives(number, purpose)

    outcome, _ = carried_out(backwards)
    assert (outcome.answer, outcome.why) == ("CAN'T TELL", "the clock went backwards")
    assert [life.number for life in outcome.lives] == list(range(1, at))


def test_a_fail_whose_confirmation_cannot_be_trusted_is_none() -> None:
    slower = lives_of(0.3)

    def backwards(number: int, purpose: str) -> Life:
        if purpose == "confirmation":
            raise UntrustworthyError("the clock went backwards")
        return slower(number, purpose)

    outcome, _ = carried_out(backwards)
    assert outcome.answer == "CAN'T TELL"
    assert {(row.answer, row.why) for row in outcome.rows} == {
        ("CAN'T TELL", "the clock went backwards")
    }


@pytest.mark.parametrize(
    "error", [SideFailedError("head", "w × s", "no"), KeyboardInterrupt(), BrokenPipeError()]
)
def test_nothing_is_lost_when_a_life_raises(error: BaseException) -> None:
    def raising(number: int, purpose: str) -> Life:
        if number == 5:
            raise error
        return wild_lives(number, purpose)

    script = Script(raising, seconds=LIFE)
    outcome = Outcome()
    with pytest.raises(type(error)):
        compare(script, Terms(looks=LOOKS, budget=1e6), 1, outcome, now=script.clock)
    assert [life.number for life in outcome.lives] == [1, 2, 3, 4]
    assert outcome.looks == 1
    assert len(outcome.rows) == 4
    assert outcome.answer == "CAN'T TELL"


def test_others_on_the_machine_are_named_where_nothing_can_be_told() -> None:
    def crowded(number: int, purpose: str) -> Life:
        life = wild_lives(number, purpose)
        return make_life(
            math.log(life.cells[0].arms["head"].wall[0][0][0] / 1e9),
            number=number,
            others=0.4,
            stolen=0.25,
        )

    outcome, _ = carried_out(crowded)
    assert "other processes had 40% of the machine and its host took 25%" in outcome.why
    assert "a quieter machine" in outcome.why
    outcome, _ = carried_out(lambda n, p: make_life(wild(n), number=n, others=None, stolen=None))
    assert "Meanwhile" not in outcome.why


def wild(number: int) -> float:
    return WILD if number % 2 else -WILD


def test_what_goes_on_is_told_with_the_seconds_spent() -> None:
    script = Script(lives_of(0.3), seconds=LIFE)
    heard: list[tuple[str, float]] = []
    compare(
        script,
        Terms(looks=(3,), budget=1e6),
        1,
        Outcome(),
        now=script.clock,
        told=lambda what, spent: heard.append((what, spent)),
    )
    assert heard == [
        ("life 1", 0.0),
        ("life 2", LIFE),
        ("life 3", 2 * LIFE),
        ("confirming what looks slower", 3 * LIFE),
        ("confirming what looks slower", 4 * LIFE),
        ("confirming what looks slower", 5 * LIFE),
    ]


@pytest.mark.parametrize(
    ("cells", "budget", "seconds"), [(1, 150.0, 4.0), (3, 150.0, 12.0), (10, 150.0, 15.0),
                                     (20, 150.0, 20.0), (1, 20.0, 2.0), (1, 5.0, 1.0)]
)  # fmt: skip
def test_a_life_races_longer_for_more_cells_as_far_as_the_budget_goes(
    cells: int, budget: float, seconds: float
) -> None:
    terms = Terms(life_seconds=4.0, budget=budget)
    assert racing_seconds(terms, cells=cells) == seconds
