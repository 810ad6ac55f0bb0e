"""From raw samples to figures: medians of turns, and ratios within rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records import PHASES, Cell, Counters, Origin, Samples, Warmup
from bench.summary import ideal_ratios, paired_ratio, summarize, turn_medians

if TYPE_CHECKING:
    from bench.records import Summary

Turns = dict[tuple[int, int], list[float]]  # seconds of each step, by life and round


def samples(total: list[float]) -> Samples:
    """A quarter forward, half backward, a quarter update."""
    quarter = [seconds / 4 for seconds in total]
    return Samples(quarter, [seconds / 2 for seconds in total], quarter, total)


def cell(strategy: str, turns: Turns, **more: Any) -> Cell:
    places = [(*key, number) for key, steps in turns.items() for number in range(len(steps))]
    life, round_, position = ([place[axis] for place in places] for axis in range(3))
    fields: dict[str, Any] = {
        "workload": "policy",
        "strategy": strategy,
        "topology": "front",
        "device": "cpu",
        "dtype": "float32",
        "batch": 4,
        "threads": 1,
        "optimizer": "adam",
        "verdict": "ok",
        "why": "",
        "samples": samples([seconds for steps in turns.values() for seconds in steps]),
        "origin": Origin(life, round_, position),
    }
    return Cell(**{**fields, **more})


def summary(mine: Cell, full: Cell | None, precision: float = 0.05, **how: Any) -> Summary:
    found = summarize(mine, full, precision, **{"fills": False, **how})
    assert found is not None
    return found


def ratio_of_totals(mine: Turns, full: Turns) -> float | None:
    ratio = summary(cell("requires_grad", mine), cell("full", full)).phases["total"].ratio
    return None if ratio is None else ratio.value


# --- turns ---------------------------------------------------------------------------------------


def test_a_turn_is_its_median_without_its_first_step() -> None:
    origin = Origin([1] * 4, [0] * 4, [0, 1, 2, 3])
    assert turn_medians([9.0, 1.0, 2.0, 5.0], origin) == {(1, 0): 2.0}


def test_a_turn_of_one_step_is_that_step() -> None:
    assert turn_medians([9.0], Origin([1], [0], [0])) == {(1, 0): 9.0}


def test_rounds_of_two_lives_are_turns_of_their_own() -> None:
    origin = Origin([1, 1, 2, 2], [0, 1, 0, 1], [0, 0, 0, 0])
    assert turn_medians([1.0, 2.0, 3.0, 4.0], origin) == {
        (1, 0): 1.0,
        (1, 1): 2.0,
        (2, 0): 3.0,
        (2, 1): 4.0,
    }


# --- ratios --------------------------------------------------------------------------------------

ROUNDS = [(life, number) for life in (1, 2) for number in (0, 1)]


def test_a_ratio_is_over_the_rounds_that_both_had() -> None:
    mine = {(1, 0): [1.0], (1, 1): [100.0], (2, 0): [1.0]}
    full = {(1, 0): [2.0], (2, 0): [2.0], (2, 1): [700.0]}
    assert ratio_of_totals(mine, full) == pytest.approx(0.5)


def test_without_a_round_in_common_there_is_no_ratio() -> None:
    assert ratio_of_totals({(1, 0): [1.0]}, {(1, 1): [2.0]}) is None
    assert paired_ratio({(1, 0): 1.0}, {(1, 1): 2.0}) is None


slowness = st.lists(st.floats(0.1, 100.0), min_size=len(ROUNDS), max_size=len(ROUNDS))


@given(slowness, st.floats(0.1, 10.0))
def test_what_slows_down_both_turns_of_a_round_cancels_out(slow: list[float], ratio: float) -> None:
    full = {turn: [factor] for turn, factor in zip(ROUNDS, slow, strict=True)}
    mine = {turn: [factor * ratio] for turn, factor in zip(ROUNDS, slow, strict=True)}
    found = summary(cell("requires_grad", mine), cell("full", full)).phases["total"].ratio
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((ratio,) * 3)


@given(slowness)
def test_the_ratio_the_other_way_round_is_the_inverse(slow: list[float]) -> None:
    one = {turn: [factor] for turn, factor in zip(ROUNDS, slow, strict=True)}
    other = {turn: [1.0] for turn in ROUNDS}
    there, back = ratio_of_totals(one, other), ratio_of_totals(other, one)
    assert there * back == pytest.approx(1.0)


def test_every_phase_has_its_seconds_and_its_ratio() -> None:
    found = summary(
        cell("requires_grad", {turn: [4.0] for turn in ROUNDS}),
        cell("full", {turn: [8.0] for turn in ROUNDS}),
    )
    assert tuple(found.phases) == PHASES
    seconds = {name: phase.seconds.value for name, phase in found.phases.items()}
    assert seconds == pytest.approx({"forward": 1, "backward": 2, "update": 1, "total": 4})
    assert [phase.ratio.value for phase in found.phases.values()] == pytest.approx([0.5] * 4)


def test_full_has_no_ratio_to_itself() -> None:
    full = cell("full", {turn: [1.0] for turn in ROUNDS})
    assert all(phase.ratio is None for phase in summary(full, full).phases.values())


def test_a_cell_without_samples_has_no_figures() -> None:
    full = cell("full", {(1, 0): [1.0]})
    assert summarize(cell("requires_grad", {}), full, 0.05, fills=False) is None


def test_lives_and_rounds_are_those_that_were_measured() -> None:
    found = summary(cell("full", {(1, 0): [1.0, 1.0], (1, 3): [1.0], (4, 0): [1.0]}), None)
    assert (found.lives, found.rounds) == (2, 3)


# --- precise enough ------------------------------------------------------------------------------


def wavering(share: float, lives: int = 3) -> Turns:
    """A cell whose turns go up and down by a share from life to life, beside one of 1 s."""
    return {(life, 0): [1.0 + share * (life % 2)] for life in range(lives)}


def is_precise(mine: Turns, full: Turns, precision: float = 0.05) -> bool:
    return summary(cell("requires_grad", mine), cell("full", full), precision).precise


def test_a_narrow_interval_is_precise() -> None:
    assert is_precise(wavering(0.01), wavering(0.0))


def test_a_wide_interval_is_not_precise() -> None:
    assert not is_precise(wavering(0.5), wavering(0.0))


def test_what_is_precise_depends_on_what_was_asked_for() -> None:
    assert is_precise(wavering(0.5), wavering(0.0), precision=1.0)


def test_one_life_alone_is_never_precise() -> None:
    assert not is_precise(wavering(0.0, lives=1), wavering(0.0, lives=1))


@pytest.mark.parametrize("full", [{}, {(9, 9): [1.0]}], ids=["no samples", "no common round"])
def test_a_ratio_that_is_not_there_is_not_precise(full: Turns) -> None:
    assert not is_precise(wavering(0.0), full)


@pytest.mark.parametrize(("phase", "matters"), [("backward", True), ("update", False)])
def test_a_phase_that_wavers_matters_only_in_backward(phase: str, matters: bool) -> None:
    steady, uneven = [1.0] * 3, [1.0, 2.0, 1.0]
    parts = {name: uneven if name == phase else steady for name in PHASES}
    mine = cell("requires_grad", wavering(0.0), samples=Samples(**parts))
    assert summary(mine, cell("full", wavering(0.0))).precise is not matters


# --- beside the time -----------------------------------------------------------------------------


def test_the_ideal_is_what_flops_alone_would_allow() -> None:
    full = Counters(forward_flops=100, backward_flops=200)
    mine = Counters(forward_flops=80, backward_flops=40)
    assert ideal_ratios(mine, full) == {"backward": 0.2, "total": 0.4}


@pytest.mark.parametrize("missing", ["forward_flops", "backward_flops"])
@pytest.mark.parametrize("whose", ["mine", "full"])
def test_without_counts_there_is_no_ideal(missing: str, whose: str) -> None:
    whole = {"forward_flops": 100, "backward_flops": 200}
    counters = {"mine": Counters(**whole), "full": Counters(**whole)}
    counters[whose] = Counters(**{**whole, missing: None})
    assert ideal_ratios(counters["mine"], counters["full"]) == {}


def test_a_model_without_any_flops_has_no_ideal() -> None:
    nothing = Counters(forward_flops=0, backward_flops=0)
    assert ideal_ratios(nothing, nothing) == {}


def test_nothing_to_compute_backward_is_an_ideal_of_0() -> None:
    full = Counters(forward_flops=100, backward_flops=100)
    mine = Counters(forward_flops=100, backward_flops=0)
    assert ideal_ratios(mine, full) == {"backward": 0.0, "total": 0.5}


def warmup(forward: list[float], first: list[bool]) -> Warmup:
    steps = samples([4 * seconds for seconds in forward])
    return Warmup(steps, [1] * len(first), first)


def test_filling_is_the_extra_forward_time_of_the_first_visits_after_the_opening_one() -> None:
    met = warmup([50.0, 6.0, 8.0, 1.0], [True, True, True, False])
    mine = cell("feature_cache", {(1, 0): [4.0, 4.0]}, warmup=met)
    assert summary(mine, None, fills=True).fill_seconds == pytest.approx(6.0)


def test_of_a_single_batch_the_opening_visit_is_the_filling() -> None:
    met = warmup([5.0, 1.0, 1.0], [True, False, False])
    mine = cell("feature_cache", {(1, 0): [4.0, 4.0]}, warmup=met)
    assert summary(mine, None, fills=True).fill_seconds == pytest.approx(4.0)


def test_filling_that_took_no_longer_took_no_time() -> None:
    met = warmup([0.5], [True])
    mine = cell("feature_cache", {(1, 0): [4.0]}, warmup=met)
    assert summary(mine, None, fills=True).fill_seconds == 0.0


@pytest.mark.parametrize("met", [None, warmup([5.0], [False])], ids=["no warm-up", "no visit"])
def test_filling_that_was_not_seen_is_absent(met: Warmup | None) -> None:
    mine = cell("feature_cache", {(1, 0): [4.0]}, warmup=met)
    assert summary(mine, None, fills=True).fill_seconds is None


def test_a_strategy_that_fills_nothing_has_no_time_for_it() -> None:
    mine = cell("requires_grad", {(1, 0): [4.0]}, warmup=warmup([5.0], [True]))
    assert summary(mine, None).fill_seconds is None


@pytest.mark.parametrize(("host", "bound"), [(8.9, False), (9.1, True), (12.0, True)])
def test_a_step_is_launch_bound_from_nine_tenths_of_the_device_s_time(
    host: float, bound: bool
) -> None:
    mine = cell("full", {(1, 0): [10.0] * 3}, host_samples=samples([host] * 3))
    found = summary(mine, None)
    assert (found.launch_bound, found.host_seconds) == (bound, host)


def test_on_the_host_itself_nothing_is_launched() -> None:
    found = summary(cell("full", {(1, 0): [10.0]}), None)
    assert (found.launch_bound, found.host_seconds) == (None, None)
