from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from fake_nvml import LOST, UNSUPPORTED, UUID, FakeNvml
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.energy import SLOW_WINDOWS, WINDOWS, EnergyError, read_energy
from bench.measure.telemetry.energy_meters import GpuCounter, GpuPower, gpu_source
from bench.measure.telemetry.nvml import Gpu, Nvml, begin


@dataclass
class Socket:
    """Steps of `seconds` at `watts`, with the meter that counts them: by ticks, as drivers do."""

    seconds: float
    watts: float = 100.0
    tick: float = 0.0
    falls_silent_after: float = float("inf")
    now: float = 0.0
    taken: list[int] = field(default_factory=list)
    waited: int = 0
    source: str = "gpu counter"

    def steps(self, count: int) -> None:
        self.taken.append(count)
        self.now += count * self.seconds

    def wait(self, seconds: float) -> None:
        self.waited += 1
        self.now += seconds

    def joules(self) -> float | None:
        if self.now > self.falls_silent_after:
            return None
        moment = self.now // self.tick * self.tick if self.tick else self.now
        return self.watts * moment

    def end(self) -> None:
        """Nothing is held."""

    def read(self):
        return read_energy(self.steps, self.seconds, self, now=lambda: self.now, wait=self.wait)  # type: ignore[arg-type]


def found(library: FakeNvml) -> tuple[Nvml, Gpu]:
    nvml = begin(library)
    assert nvml is not None
    gpu = nvml.find(UUID)
    assert gpu is not None
    return nvml, gpu


def test_joules_are_those_of_a_step() -> None:
    energy = Socket(seconds=0.01).read()
    assert energy.joules.value == pytest.approx(1.0)
    assert energy.source == "gpu counter"


def test_windows_are_much_longer_than_a_tick_of_the_counter() -> None:
    socket = Socket(seconds=0.01)
    energy = socket.read()
    assert socket.taken == [50] * WINDOWS
    assert (energy.steps, energy.seconds) == (50 * WINDOWS, pytest.approx(2.5))


def test_slow_steps_take_two_windows_of_one_step() -> None:
    socket = Socket(seconds=2.5)
    socket.read()
    assert socket.taken == [1] * SLOW_WINDOWS


def test_steps_as_long_as_a_window_take_one_each() -> None:
    socket = Socket(seconds=1.5)
    socket.read()
    assert socket.taken == [1] * WINDOWS


@pytest.mark.parametrize("tick", [0.02, 0.1])
@given(st.floats(1e-3, 3.0), st.floats(0.0, 1.0))
def test_the_interval_holds_what_the_ticks_of_the_counter_hide(
    tick: float, seconds: float, phase: float
) -> None:
    joules = Socket(seconds=seconds, tick=tick, now=phase * tick).read().joules
    assert joules.low is not None
    assert joules.high is not None
    assert joules.low <= 100 * seconds <= joules.high


@given(st.floats(0.0, 1.0))
def test_windows_with_equally_many_ticks_are_no_certainty(phase: float) -> None:
    energy = Socket(seconds=0.51, tick=0.1, now=phase * 0.1).read()
    assert energy.joules.low is not None
    assert energy.joules.high is not None
    assert len({round(window, 6) for window in energy.windows}) == 1
    assert energy.joules.low < energy.joules.value < 51 < energy.joules.high


def test_a_counter_without_ticks_widens_nothing_that_shows() -> None:
    joules = Socket(seconds=0.01).read().joules
    assert joules.low == pytest.approx(1.0, rel=2e-3)
    assert joules.high == pytest.approx(1.0, rel=2e-3)


def test_a_meter_that_moves_at_every_reading_is_not_waited_for() -> None:
    socket = Socket(seconds=0.01)
    socket.read()
    assert socket.waited == 2


def test_windows_are_kept_as_they_were_read() -> None:
    energy = Socket(seconds=0.51, tick=0.1).read()
    assert len(energy.windows) == WINDOWS
    assert sum(energy.windows) / WINDOWS == pytest.approx(energy.joules.value)


def test_a_counter_that_falls_silent_gives_no_figure() -> None:
    with pytest.raises(EnergyError, match="could not be read any more"):
        Socket(seconds=0.01, falls_silent_after=1.0).read()


def test_a_counter_that_stands_still_gives_no_figure_rather_than_zero() -> None:
    with pytest.raises(EnergyError, match="stood still"):
        Socket(seconds=0.01, watts=0.0).read()


def test_a_counter_that_is_not_seen_to_move_for_a_second_gives_no_figure() -> None:
    with pytest.raises(EnergyError, match="stood still for 1 s"):
        Socket(seconds=0.01, tick=1.5).read()


def test_a_pass_that_may_be_shorter_than_a_tick_gives_no_figure() -> None:
    # Steps were thought to take 2.5 s, so there are two windows of one step; polls see a tick as a
    # little longer than it is.
    socket = Socket(seconds=0.4503, tick=0.9)
    with pytest.raises(EnergyError, match="too seldom"):
        read_energy(socket.steps, 2.5, socket, now=lambda: socket.now, wait=socket.wait)  # type: ignore[arg-type]


def test_the_counter_of_a_gpu_is_in_millijoules() -> None:
    assert GpuCounter(*found(FakeNvml(millijoules=2_500))).joules() == 2.5


def test_power_is_integrated_over_time() -> None:
    moments = iter((0.0, 2.0))
    meter = GpuPower(*found(FakeNvml()), now=lambda: next(moments), wait=lambda _: True)
    before, after = meter.joules(), meter.joules()
    meter.end()
    assert before == 0.0
    assert after == pytest.approx(2 * 312.345)


def test_power_is_sampled_meanwhile_by_a_thread() -> None:
    library = FakeNvml()
    nvml, gpu = found(library)
    ends = iter((False, False, False, True))
    meter = GpuPower(nvml, gpu, now=lambda: 0.0, wait=lambda _: next(ends))
    meter.end()
    assert [name for name, _ in library.asked].count("nvmlDeviceGetPowerUsage") == 3


def test_power_of_a_gpu_that_is_lost_gives_no_figure() -> None:
    library = FakeNvml()
    meter = GpuPower(*found(library), wait=lambda _: True)
    library.silent = LOST
    assert meter.joules() is None
    meter.end()


def test_the_counter_is_preferred_to_power() -> None:
    assert gpu_source(*found(FakeNvml())) == "gpu counter"
    without = FakeNvml(errors={"nvmlDeviceGetTotalEnergyConsumption": UNSUPPORTED})
    assert gpu_source(*found(without)) == "gpu power"


def test_a_gpu_without_either_has_no_source() -> None:
    neither = FakeNvml(
        errors=dict.fromkeys(
            ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"), UNSUPPORTED
        )
    )
    assert gpu_source(*found(neither)) is None


def test_an_instance_has_no_energy_of_its_own() -> None:
    assert gpu_source(*found(FakeNvml(mig=True))) is None
