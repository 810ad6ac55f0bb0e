"""A verdict follows from its outcome, whatever was measured."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import denoising, versus

from bench.claims import ROSTER
from bench.claims.cost import SpeedUp, faster
from bench.claims.denoising.findings import Difference
from bench.claims.denoising.question import _compared, _learns
from bench.claims.flags import TwoWays
from bench.claims.gradients import OthersGradients, StoredGradients, ThroughFrozen
from bench.claims.late.compiled import Compiled
from bench.claims.late.moments import LateFlags
from bench.claims.late.wrapped import Wrapped
from bench.claims.learning_rate import Revived
from bench.claims.moving import FrozenState, StaleGradient
from bench.claims.piling import PiledUp
from bench.records import Interval

GOOD = Wrapped("", still=True, agree=True, averaged=True)
BAD = Wrapped("Expected to have finished", still=True, agree=False, averaged=False)
MOVES = {"left": {"Adam": 0.1}}
CLEAN = {"cleared": {"Adam": 0.0}}

STORED = StoredGradients(10, 0, 10)
OTHERS = OthersGradients(
    {"front": 2, "back": 2}, {"front": 0, "back": 0}, {"front": 0.0, "back": 0}
)
THROUGH = ThroughFrozen(
    9, {"off": True, "on": True}, {"off": 2, "on": 2}, {"off": 0, "on": 0}, 1.0, 0.5
)
PILED = PiledUp([1, 2], [1.0, 2.0], 0.0, 10, 0.5, 4, 4)
STALE = StaleGradient(5, True, True, {"sgd": 0.1}, {"sgd": 0.0})
TWO = TwoWays(2, 10, 0, 0, 30, 10)
LATE = LateFlags(
    {"load_state_dict": True},
    CLEAN,
    {"before": GOOD, "after": GOOD},
    {"eager": {"before": Compiled(0, 0.0, 1), "after": Compiled(0, 0.0, 1)}},
)
STILL = FrozenState(5, {"parameters": 0.0, "buffers": 0.0}, {"parameters": 0.0, "buffers": 0.0})
COST = {"FLOPs": 2, "gradients": 2, "state": 2}
LR = Revived(5, {"SGD": 0.0, "Rprop": 0.0}, {"OneCycleLR": 0.0}, 0.0, COST, COST)
SLOW, FAST, UNSURE = versus(1.1, 1.3), versus(0.4, 0.6), versus(0.9, 1.2)
OTHER = versus(0.9, 1.2, workload="adapter", frozen_gradient_bytes=100, autograd_nodes=100)

VERDICTS = [
    (1, STORED, "holds"),
    (1, replace(STORED, with_flag_off=1), "false"),
    (1, replace(STORED, with_flag_on=0), "can't tell"),
    (2, OTHERS, "holds"),
    (2, replace(OTHERS, differing={"back": 1}, relative={"back": 1e-7}), "holds only when"),
    (2, replace(OTHERS, differing={"back": 1}, relative={"back": 1e-2}), "false"),
    (3, THROUGH, "holds"),
    (3, replace(THROUGH, others_moved={"off": 0, "on": 3}), "holds only when"),
    (3, replace(THROUGH, reached={"off": False, "on": False}), "false"),
    (3, replace(THROUGH, loss_after=1.5), "false"),
    (3, replace(THROUGH, loss_after=math.nan), "false"),
    (4, PILED, "false"),
    (4, replace(PILED, norms=[1.0, 1.0]), "holds"),
    (5, [FAST], "holds"),
    (5, [FAST, OTHER], "holds only when"),
    (5, [OTHER], "false"),
    (6, STALE, "holds"),
    (6, replace(STALE, kept=False), "false"),
    (6, replace(STALE, untouched=False), "false"),
    (7, denoising((0.1, 0.2)), "false"),
    (7, denoising((0.1, -0.1)), "holds only when"),
    (7, denoising((-0.1, -0.1)), "holds"),
    (7, denoising((0.0001, 0.0001)), "can't tell"),
    (7, denoising((0.1, 0.2), clean=0.9), "can't tell"),
    (8, FAST, "holds"),
    (8, SLOW, "false"),
    (8, UNSURE, "can't tell"),
    (8, versus(None), "can't tell"),
    (8, None, "can't tell"),
    (8, versus(0.4, 0.6, frozen_gradient_bytes=1), "false"),
    (9, TWO, "holds"),
    (9, replace(TWO, differing=1), "false"),
    (9, replace(TWO, on=1), "false"),
    (10, LATE, "false"),
    (10, replace(LATE, wrapped={"before": GOOD, "after": BAD}), "holds only when"),
    (10, replace(LATE, midway={"left": {"Adam": 0.1}}), "holds only when"),
    (10, replace(LATE, midway=MOVES, wrapped={"before": GOOD}, compiled={}), "holds"),
    (11, SpeedUp([FAST]), "holds"),
    (11, SpeedUp([FAST, OTHER]), "holds only when"),
    (11, SpeedUp([SLOW]), "false"),
    (11, SpeedUp([UNSURE]), "can't tell"),
    (5, [], "can't tell"),
    (14, [], "can't tell"),
    (11, SpeedUp([]), "can't tell"),
    (12, STILL, "holds"),
    (12, replace(STILL, in_training={"parameters": 0.0, "buffers": 0.1}), "holds only when"),
    (12, replace(STILL, in_training={"parameters": 0.1, "buffers": 0.1}), "false"),
    (13, LR, "holds"),
    (13, replace(LR, by_scheduler={"OneCycleLR": 0.6}), "holds only when"),
    (13, replace(LR, by_optimizer={"SGD": 0.0, "Rprop": 1e-5}), "holds only when"),
    (13, replace(LR, infinite_gradient=math.nan), "holds only when"),
    (13, replace(LR, by_optimizer={"SGD": 0.1}), "false"),
    (14, [FAST], "holds"),
    (14, [FAST, OTHER], "holds only when"),
    (14, [OTHER], "false"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "outcome", "told"), [
    (1, STORED, "10 gradients → 0"),
    (2, OTHERS, "0 of 4 gradients differ"),
    (3, THROUGH, "loss 1.00 → 0.50"),
    (4, PILED, "their norm 1 → 2 in 2 steps"),
    (5, [FAST], "policy: 100 → 0 bytes of gradients"),
    (9, TWO, "0 of 10 flags differ"),
    (10, LATE, "3 of 3 later moments work"),
    (13, LR, "0 of 1 schedulers move it"),
    (14, [FAST], "policy: 100 → 50 nodes"),
])  # fmt: skip
def test_the_figure_of_a_claim_answers_its_question(number, outcome, told):
    assert ROSTER[number]().headline(outcome) == told


@pytest.mark.parametrize(("number", "outcome", "verdict"), VERDICTS)
def test_a_verdict_follows_from_its_outcome(number, outcome, verdict):
    judged = ROSTER[number]().judge(outcome)
    assert judged.verdict == verdict
    assert bool(judged.condition) == (verdict == "holds only when")
    assert judged.answer
    assert isinstance(ROSTER[number]().headline(outcome), str)


def test_every_claim_can_have_more_than_one_verdict():
    for number in ROSTER:
        assert len({verdict for n, _, verdict in VERDICTS if n == number}) > 1


def test_every_claim_tells_its_rule_its_source_and_how_it_is_measured():
    for claim in ROSTER.values():
        for text in (claim.said, claim.short, claim.question, claim.rule, claim.how):
            assert text.strip()
        assert claim.question.endswith("?")


@given(st.floats(0.01, 3), st.floats(0, 3))
def test_a_time_is_only_called_faster_when_its_whole_interval_is(low, width):
    interval = Interval(low + width / 2, low, low + width)
    decided = faster(interval)
    assert (decided == "yes") == (interval.high < 1)
    assert (decided == "no") == (interval.low > 1)


def test_a_time_of_one_life_is_not_called_faster():
    assert faster(Interval(0.1, None, None)) == faster(None) == "unclear"


def test_a_condition_names_what_moves_at_a_learning_rate_of_0():
    outcome = replace(LR, by_scheduler={"OneCycleLR": 0.6}, infinite_gradient=math.nan)
    condition = ROSTER[13]().judge(outcome).condition
    assert "scheduler" in condition
    assert "finite" in condition
    assert "Rprop" not in condition


def test_a_condition_names_the_noise_at_which_the_adapter_does_not_learn():
    assert "noise is 4 " in ROSTER[7]().judge(denoising((0.1, -0.1))).condition


def test_advice_that_helps_is_told_with_its_figure_and_other_advice_as_no_difference():
    said = ROSTER[7]().judge(denoising(better="curriculum, 1 layer")).answer
    helped = next(one for one in said if one.startswith("A noise curriculum (1 layer)"))
    assert "better by +10.0" in helped
    other = next(one for one in said if one.startswith("Denoiser pretraining (1 layer)"))
    assert "no difference beyond doubt" in other


def test_severed_strategies_are_named_apart_from_those_that_train():
    said = ROSTER[7]().judge(denoising()).answer[-1]
    assert "cut off by no_grad." in said
    assert "requires_grad" in said.split("train the adapter")[0]


@pytest.mark.parametrize("gain", [(0.1, 0.2), (0.1, -0.1), (0.1, 0.0001), (-0.1, -0.1)])
def test_each_level_is_told_in_the_class_that_the_rule_puts_it_in(gain):
    said = ROSTER[7]().judge(denoising(gain)).answer
    words = {0.0001: "not beyond doubt", 0.1: "beyond doubt, so it learns", 0.2: "so it learns"}
    for level, points in zip((1, 4), gain, strict=True):
        told = words.get(points, "so the claim holds there")
        one = next(s for s in said if s.startswith("One new layer") and f"noise {level}" in s)
        assert told in one


def test_an_interval_without_0_that_is_not_beyond_doubt_gets_its_reason():
    alone = Difference(1.0, Interval(0.02, 0.01, 0.03), decided=False)
    doubtful = Difference(4.0, Interval(0.01, -0.01, 0.03), decided=False)
    assert "Holm" in _compared("Advice", [alone, doubtful])
    assert "Holm" not in _compared("Advice", [doubtful])
    assert "Holm" in " ".join(_learns([alone, doubtful]))
    assert "Holm" not in " ".join(_learns([doubtful]))


def test_gains_under_strategies_are_told_apart_from_those_of_the_arms():
    found = msgspec.structs.replace(denoising(), strategy_steps=7, strategy_batches=3)
    said = ROSTER[7]().judge(found).answer[-1]
    assert "7 steps over 3 batches that repeat, there 10 over new ones" in said
