"""Phases are spans between neighbouring marks, and a device is waited for once a turn."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_in_device import LAUNCH, StandInDevice

from bench.measure.clock import MARKS_PER_STEP, DeviceClock, HostClock, StepTimes
from bench.run.worker import take_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PHASES = ("forward", "backward", "update")


class DeviceTraining:
    """Steps that only enqueue work of given durations."""

    def __init__(self, device: StandInDevice, durations: tuple[float, float, float]) -> None:
        self._device = device
        self._durations = durations

    def step(self, mark: Callable[..., None]) -> None:
        mark()
        for seconds in self._durations:
            self._device.enqueue(seconds)
            mark()


@pytest.fixture
def device() -> StandInDevice:
    return StandInDevice()


@pytest.fixture
def clock(device: StandInDevice) -> DeviceClock:
    return DeviceClock(device.new_event, device.synchronize, device.now)


def ticking(moments: Iterable[int]) -> HostClock:
    return HostClock(now=iter(moments).__next__)


def marked(moments: list[int]) -> StepTimes:
    clock = ticking(moments)
    for _ in moments:
        clock.mark()
    return clock.read().device


@st.composite
def moments_of_steps(draw: st.DrawFn) -> list[int]:
    steps = draw(st.integers(1, 5))
    gaps = st.lists(
        st.integers(0, 10**12), min_size=MARKS_PER_STEP * steps, max_size=MARKS_PER_STEP * steps
    )
    moments, now = [], draw(st.integers(0, 2**62))
    for gap in draw(gaps):
        now += gap
        moments.append(now)
    return moments


def test_a_phase_is_the_span_between_two_marks_in_seconds() -> None:
    times = marked([10_000_000_000, 11_000_000_000, 13_000_000_000, 17_000_000_000])
    assert times == StepTimes([1.0], [2.0], [4.0], [7.0])


@given(moments_of_steps())
def test_phases_add_up_to_the_total_without_a_gap(moments: list[int]) -> None:
    times = marked(moments)
    parts = zip(times.forward, times.backward, times.update, strict=True)
    assert [sum(phases) for phases in parts] == pytest.approx(times.total, rel=1e-12, abs=1e-15)


@given(moments_of_steps())
def test_what_happens_between_two_steps_belongs_to_neither(moments: list[int]) -> None:
    spans = zip(moments[::MARKS_PER_STEP], moments[3::MARKS_PER_STEP], strict=True)
    assert marked(moments).total == pytest.approx([(end - begin) * 1e-9 for begin, end in spans])


def test_a_reading_starts_the_next_one_afresh() -> None:
    clock = ticking(range(100))
    for _ in range(MARKS_PER_STEP):
        clock.mark()
    clock.read()
    assert clock.read().device == StepTimes()


def test_a_host_that_works_itself_has_no_second_time() -> None:
    clock = ticking(range(100))
    for _ in range(MARKS_PER_STEP):
        clock.mark()
    assert clock.read().host is None


def test_processor_time_is_read_at_the_same_marks() -> None:
    clock = HostClock(
        now=iter([10 * 10**9, 11 * 10**9, 13 * 10**9, 17 * 10**9]).__next__,
        spent=iter([5 * 10**9, 6 * 10**9, 6 * 10**9, 9 * 10**9]).__next__,
    )
    for _ in range(MARKS_PER_STEP):
        clock.mark()
    times = clock.read()
    assert times.device == StepTimes([1.0], [2.0], [4.0], [7.0])
    assert times.cpu == StepTimes([1.0], [0.0], [3.0], [4.0])


@given(moments_of_steps(), st.data())
def test_processor_time_and_wall_time_know_nothing_of_each_other(
    moments: list[int], data: st.DataObject
) -> None:
    spent = data.draw(st.permutations(moments))
    clock = HostClock(now=iter(moments).__next__, spent=iter(spent).__next__)
    for _ in moments:
        clock.mark()
    times = clock.read()
    assert times.device == marked(moments)
    assert times.cpu == marked(spent)


def test_a_reading_starts_the_next_one_afresh_by_processor_time_too() -> None:
    clock = HostClock(now=iter(range(100)).__next__, spent=iter(range(100)).__next__)
    for _ in range(MARKS_PER_STEP):
        clock.mark()
    clock.read()
    assert clock.read().cpu == StepTimes()


def test_a_host_that_only_enqueues_tells_no_processor_time(
    device: StandInDevice, clock: DeviceClock
) -> None:
    DeviceTraining(device, (0.5, 0.25, 0.125)).step(clock.mark)
    assert clock.read().cpu is None


def test_a_turn_reports_processor_time_where_the_host_does_the_work() -> None:
    class Working:
        def step(self, mark: Callable[..., None]) -> None:
            for _ in range(MARKS_PER_STEP):
                mark()

    marks = 3 * MARKS_PER_STEP
    clock = HostClock(now=iter(range(marks)).__next__, spent=iter(range(0, 2 * marks, 2)).__next__)
    reading = take_turn(Working(), clock, steps=3)  # type: ignore[arg-type]
    assert reading.times.total == pytest.approx([3e-9] * 3)
    assert reading.cpu_times is not None
    assert reading.cpu_times.total == pytest.approx([6e-9] * 3)


def test_times_of_turns_are_appended() -> None:
    times = StepTimes([1.0], [2.0], [3.0], [6.0])
    times.extend(StepTimes([4.0], [5.0], [6.0], [15.0]))
    assert times == StepTimes([1.0, 4.0], [2.0, 5.0], [3.0, 6.0], [6.0, 15.0])


def test_device_times_are_those_of_the_device(device: StandInDevice, clock: DeviceClock) -> None:
    DeviceTraining(device, (0.5, 0.25, 0.125)).step(clock.mark)
    times = clock.read().device
    found = [times.forward[0], times.backward[0], times.update[0], times.total[0]]
    # The device begins when the first piece of work has been launched.
    assert found == pytest.approx([0.5, 0.25, 0.125, 0.875], abs=2 * LAUNCH * 1e-9)


def test_host_times_are_those_of_enqueueing(device: StandInDevice, clock: DeviceClock) -> None:
    DeviceTraining(device, (0.5, 0.25, 0.125)).step(clock.mark)
    host = clock.read().host
    launch = LAUNCH * 1e-9
    expected = StepTimes([launch], [launch], [launch], [pytest.approx(3 * launch)])
    assert host == expected


def test_the_stand_in_tells_no_time_before_it_is_waited_for(device: StandInDevice) -> None:
    begin, end = device.new_event(), device.new_event()
    begin.record()
    device.enqueue(0.5)
    end.record()
    with pytest.raises(RuntimeError, match="not come to this event"):
        begin.elapsed_time(end)


def test_marks_do_not_wait_for_the_device(device: StandInDevice, clock: DeviceClock) -> None:
    training = DeviceTraining(device, (0.5, 0.25, 0.125))
    for _ in range(3):
        training.step(clock.mark)
    assert device.synchronisations == 0


def test_a_reading_waits_once_however_many_steps(device: StandInDevice, clock: DeviceClock) -> None:
    training = DeviceTraining(device, (0.5, 0.25, 0.125))
    for _ in range(3):
        training.step(clock.mark)
    assert len(clock.read().device.total) == 3
    assert device.synchronisations == 1


def test_events_are_used_again_in_the_next_turn(device: StandInDevice, clock: DeviceClock) -> None:
    training = DeviceTraining(device, (0.5, 0.25, 0.125))
    for _ in range(4):
        for _ in range(3):
            training.step(clock.mark)
        clock.read()
    assert device.events_made == 3 * MARKS_PER_STEP


def test_used_events_tell_the_times_of_their_own_turn(
    device: StandInDevice, clock: DeviceClock
) -> None:
    for seconds in (0.5, 0.25):
        DeviceTraining(device, (seconds,) * 3).step(clock.mark)
        times = clock.read().device
    assert times.backward == pytest.approx([0.25])


def test_a_turn_waits_for_the_device_once(device: StandInDevice, clock: DeviceClock) -> None:
    training = DeviceTraining(device, (0.5, 0.25, 0.125))
    for turns in range(1, 4):
        take_turn(training, clock, steps=4)  # type: ignore[arg-type]
        assert device.synchronisations == turns


def test_a_turn_reports_every_step_by_the_device_and_by_the_host(
    device: StandInDevice, clock: DeviceClock
) -> None:
    reading = take_turn(DeviceTraining(device, (0.5, 0.25, 0.125)), clock, steps=4)  # type: ignore[arg-type]
    assert reading.times.backward == pytest.approx([0.25] * 4)
    assert reading.host_times is not None
    assert reading.host_times.backward == pytest.approx([LAUNCH * 1e-9] * 4)


class Collecting:
    """A step that notes whether the garbage collector may run, and may then fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.collector_was_on: list[bool] = []
        self._error = error

    def step(self, mark: Callable[..., None]) -> None:
        for _ in range(MARKS_PER_STEP):
            mark()
        self.collector_was_on.append(gc.isenabled())
        if self._error:
            raise self._error


@pytest.fixture
def _collector_on() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.enable()
    yield
    if not was_on:
        gc.disable()


@pytest.mark.usefixtures("_collector_on")
def test_no_garbage_is_collected_inside_a_turn() -> None:
    training = Collecting()
    take_turn(training, HostClock(), steps=3)  # type: ignore[arg-type]
    assert training.collector_was_on == [False] * 3


@pytest.mark.usefixtures("_collector_on")
def test_garbage_is_collected_again_after_a_turn_that_failed() -> None:
    with pytest.raises(ZeroDivisionError):
        take_turn(Collecting(ZeroDivisionError()), HostClock(), steps=3)  # type: ignore[arg-type]
    assert gc.isenabled()
