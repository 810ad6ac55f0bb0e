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
    source: str = "gpu counter"

    def steps(self, count: int) -> None:
        self.taken.append(count)
        self.now += count * self.seconds

    def joules(self) -> float | None:
        if self.now > self.falls_silent_after:
            return None
        moment = self.now // self.tick * self.tick if self.tick else self.now
        return self.watts * moment

    def end(self) -> None:
        """Nothing is held."""

    def read(self):
        return read_energy(self.steps, self.seconds, self, now=lambda: self.now)  # type: ignore[arg-type]


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


@given(st.floats(1e-3, 0.4), st.floats(0.02, 0.1))
def test_the_interval_holds_what_the_ticks_of_the_counter_hide(seconds: float, tick: float) -> None:
    joules = Socket(seconds=seconds, tick=tick).read().joules
    assert joules.low is not None
    assert joules.high is not None
    assert joules.low <= joules.high
    # What the first and last edges miss is at most a tick, of all windows together.
    assert joules.value == pytest.approx(100 * seconds, rel=tick / (WINDOWS * 0.5) + 1e-6)


def test_a_counter_that_falls_silent_gives_no_figure() -> None:
    with pytest.raises(EnergyError, match="could not be read any more"):
        Socket(seconds=0.01, falls_silent_after=1.0).read()


def test_a_counter_that_stands_still_gives_no_figure_rather_than_zero() -> None:
    with pytest.raises(EnergyError, match="stood still"):
        Socket(seconds=0.01, watts=0.0).read()


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
