"""What is said of the machine beside the turns: marks, sentences, columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bench.disturbance import Foreigners, brakes, foreigners, marks, shares
from bench.records import Energy, Interference, Interval, Telemetry
from bench.records.telemetry import BRAKES
from bench.report.disturbances import disturbances
from bench.report.frame import tidy
from bench.report.sentences import sentences

if TYPE_CHECKING:
    from bench.records import Run

GIB = 2**30


@pytest.fixture(scope="session")
def run_with(make_run, make_cell):
    """A run of one cell whose turns of 1 s, on two processors, have these columns."""

    def build(*, turns: int = 4, switches: int | None = 0, energy: Energy | None = None, **columns):
        cell = replace(
            make_cell("policy", "full", "reference"),
            interference=[Interference(1, at, 1.0, 1.0, switches) for at in range(turns)],
            telemetry=Telemetry(**columns) if columns else None,
            energy=energy,
        )
        run = make_run(cells=[cell])
        return replace(run, synthetic=True, machine=replace(run.machine, processors=2))

    return build


def of_turns(run: Run) -> list[Any]:
    return marks(run.cells[0], run.machine)


@pytest.mark.parametrize("reason", sorted(BRAKES))
def test_a_turn_under_a_brake_is_throttled(run_with, reason: str) -> None:
    run = run_with(turns=3, throttled_by=["", f"sw_power_cap {reason}", None])
    assert of_turns(run) == [frozenset(), {"throttled"}, frozenset()]


def test_a_turn_at_its_power_cap_is_not_throttled(run_with) -> None:
    assert of_turns(run_with(turns=1, throttled_by=["sw_power_cap sync_boost"])) == [frozenset()]


def test_a_turn_with_others_on_the_gpu_is_marked(run_with) -> None:
    run = run_with(turns=3, foreign_processes=[0, 2, None])
    assert of_turns(run) == [frozenset(), {"foreign processes"}, frozenset()]


@pytest.mark.parametrize(("stolen", "marked"), [(0.0, False), (0.109, False), (0.12, True)])
def test_stolen_time_is_marked_from_a_twentieth_of_all_processors_and_a_tick(
    run_with, stolen: float, marked: bool
) -> None:
    assert of_turns(run_with(turns=1, stolen_seconds=[stolen])) == [
        {"stolen time"} if marked else frozenset()
    ]


def test_one_tick_of_stolen_time_says_nothing_of_a_short_turn(run_with) -> None:
    run = run_with(turns=1, stolen_seconds=[0.01])
    cell = replace(run.cells[0], interference=[Interference(1, 0, 0.004, 0.004, 0)])
    assert marks(cell, run.machine) == [frozenset()]


def test_a_turn_that_a_quota_held_back_is_marked(run_with) -> None:
    assert of_turns(run_with(turns=2, quota_seconds=[0.0, 0.01])) == [frozenset(), {"quota"}]


@pytest.mark.parametrize(("switches", "marked"), [(0, False), (1, True), (None, False)])
def test_involuntary_switches_are_marked_where_they_are_known(
    run_with, switches: int | None, marked: bool
) -> None:
    expected = {"involuntary switches"} if marked else frozenset()
    assert of_turns(run_with(turns=1, switches=switches)) == [expected]


def test_a_run_without_telemetry_has_marks_of_switches_alone(run_with) -> None:
    assert of_turns(run_with(turns=2, switches=3)) == [{"involuntary switches"}] * 2


numbers = st.none() | st.floats(0, 10, allow_nan=False)


@given(
    st.lists(numbers, max_size=4),
    st.lists(numbers, max_size=4),
    st.lists(st.none() | st.sampled_from(["", "hw_thermal", "sw_power_cap"]), max_size=4),
)
def test_marks_are_parallel_to_the_turns_however_short_a_column_is(
    run_with, stolen: list[Any], quota: list[Any], throttled: list[Any]
) -> None:
    run = run_with(turns=4, stolen_seconds=stolen, quota_seconds=quota, throttled_by=throttled)
    assert len(of_turns(run)) == 4
    assert all(0 < share <= 1 for share in shares(run).values())


def test_brakes_are_named_the_most_frequent_first(run_with) -> None:
    reasons = ["hw_thermal", "hw_thermal hw_power_brake", "sw_power_cap", None]
    assert brakes(run_with(throttled_by=reasons)) == ["hw_thermal", "hw_power_brake"]


def test_others_on_the_gpu_are_the_most_that_were_seen(run_with) -> None:
    run = run_with(foreign_processes=[0, 3, 1, None], foreign_bytes=[0, 5, 9, None])
    assert foreigners(run) == Foreigners(3, 9)


@pytest.mark.parametrize("counts", [[0, 0, 0, 0], [None] * 4, None])
def test_nobody_on_the_gpu_is_nobody(run_with, counts: Any) -> None:
    assert foreigners(run_with(foreign_processes=counts, load=[1.0] * 4)) is None


def test_a_quiet_run_says_nothing_of_disturbances(run_with) -> None:
    quiet = run_with(
        throttled_by=["sw_power_cap"] * 4,
        foreign_processes=[0] * 4,
        stolen_seconds=[0.0] * 4,
        quota_seconds=[0.0] * 4,
    )
    assert disturbances(quiet) == []


def test_throttling_is_told_with_its_share_and_reasons(run_with) -> None:
    (note,) = disturbances(run_with(throttled_by=["", "hw_thermal", "", ""]))
    assert "held down in 25% of the turns (hw_thermal)" in note


@pytest.mark.parametrize(
    ("counts", "sizes", "said"),
    [
        ([1, 1, 0, 0], [GIB, GIB, 0, 0],
         "1 process of others was on the GPU in 50% of the turns, with 1.00 GiB."),
        ([2, 1, 1, 1], [3 * GIB, GIB, 1, 1],
         "Up to 2 processes of others were on the GPU in 100% of the turns, with 3.00 GiB."),
        ([1, 0, 0, 0], [None, 0, 0, 0], "with memory that the driver does not tell."),
    ],
)  # fmt: skip
def test_others_on_the_gpu_are_named_by_count_and_memory(
    run_with, counts: list[int], sizes: list[Any], said: str
) -> None:
    (note,) = disturbances(run_with(foreign_processes=counts, foreign_bytes=sizes))
    assert said in note


def test_others_on_the_gpu_are_a_share_of_the_turns_in_which_the_driver_was_asked(run_with) -> None:
    run = run_with(foreign_processes=[1, None, None, 0], foreign_bytes=[GIB, None, None, 0])
    (note,) = disturbances(run)
    assert "on the GPU in 50% of the turns" in note


@pytest.mark.parametrize(("lives", "fair"), [(1, False), (2, True)])
def test_ratios_of_cells_that_lived_once_are_not_called_fair(run_with, lives, fair) -> None:
    run = run_with(stolen_seconds=[1.0] * 4)
    cell = run.cells[0]
    cell = replace(cell, summary=replace(cell.summary, lives=lives))
    (note,) = disturbances(replace(run, cells=[cell]))
    assert ("keep the ratios fair" in note) == fair
    assert ("lived only once" in note) != fair


def test_stolen_time_is_told_with_its_share(run_with) -> None:
    (note,) = disturbances(run_with(stolen_seconds=[1.0, 0.0, 0.0, 0.0]))
    assert "gave its processors to others in 25% of the turns" in note


def test_a_quota_is_told_with_how_long_it_held_the_run_back(run_with) -> None:
    (note,) = disturbances(run_with(quota_seconds=[0.5, 0.0, 0.75, 0.0]))
    assert "held the run back in 50% of the turns, by 1.2 s in all" in note


def test_a_single_turn_in_a_thousand_is_not_worth_a_sentence(run_with) -> None:
    run = run_with(turns=1000, stolen_seconds=[1.0] + [0.0] * 999, quota_seconds=[0.1])
    assert disturbances(run) == []


def test_disturbances_follow_what_won(run_with) -> None:
    assert sentences(run_with(switches=7))[-1].startswith("Other work shared the processor")


def test_the_table_has_joules_with_their_interval_and_source(run_with) -> None:
    energy = Energy(Interval(1.5, 1.25, 1.75), "gpu power", steps=100, seconds=2.5)
    row = tidy(run_with(energy=energy)).loc[0]
    assert list(row[["step_j", "step_low_j", "step_high_j"]]) == [1.5, 1.25, 1.75]
    assert row["energy_source"] == "gpu power"


def test_the_table_has_medians_sums_and_largest_values_of_the_turns(run_with) -> None:
    row = tidy(
        run_with(
            sm_mhz=[1000.0, None, 1500.0, 1400.0],
            stolen_seconds=[0.5, 0.25, None, 0.0],
            foreign_processes=[0, 2, 1, None],
            throttled_by=["", "hw_thermal", "sw_power_cap", None],
        )
    ).loc[0]
    assert row["sm_mhz"] == 1400.0
    assert row["stolen_s"] == 0.75
    assert row["foreign_processes"] == 2
    assert (row["throttled_turns"], row["disturbed_turns"]) == (1, 3)


def test_what_the_machine_did_not_tell_is_missing_in_the_table(run_with) -> None:
    row = tidy(run_with()).loc[0]
    names = ["step_j", "energy_source", "sm_mhz", "stolen_s", "foreign_bytes", "throttled_turns"]
    assert row[names].isna().all()
