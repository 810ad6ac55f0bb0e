from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.telemetry.host import MOST_PROCESSORS, HostMeter
from bench.measure.telemetry.meter import Meters
from bench.measure.telemetry.rapl import PackageEnergy
from bench.records import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.measure.telemetry.meter import Reading

CPUINFO = """processor\t: 0
flags\t\t: fpu {flag}
cpu MHz\t\t: 2000.000

processor\t: 1
flags\t\t: fpu {flag}
cpu MHz\t\t: 3000.000

processor\t: 2
flags\t\t: fpu {flag}
cpu MHz\t\t: 9000.000
"""

STAT = """cpu  1 2 3 4 5 6 7 {} 0 0
cpu0 1 2 3 4 5 6 7 {} 0 0
cpu1 1 2 3 4 5 6 7 {} 0 0
cpu2 1 2 3 4 5 6 7 {} 0 0
intr 1 2 3
"""


class Host:
    """Files of a kernel below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/stat", STAT.format(100, 60, 30, 10))
        self.write("proc/loadavg", "1.25 0.50 0.25 3/700 4242\n")
        self.write("proc/cpuinfo", CPUINFO.format(flag="aperfmperf"))
        self.write("proc/self/cgroup", "0::/a/b\n")
        self.quota("", None)
        self.quota("a/", 5_000_000)
        self.quota("a/b/", 1_000_000)
        for zone, name in (("0", "package-0"), ("0:0", "core"), ("1", "package-1"), ("2", "psys")):
            self.write(f"sys/class/powercap/intel-rapl:{zone}/name", f"{name}\n")
            self.write(f"sys/class/powercap/intel-rapl:{zone}/max_energy_range_uj", "10000000\n")
            self.joules(zone, 9)
        for number, kilohertz in enumerate((2_500_000, 3_500_000, 1)):
            file = f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq"
            self.write(file, f"{kilohertz}\n")

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def remove(self, pattern: str) -> None:
        for file in self.root.glob(pattern):
            file.unlink()

    def quota(self, group: str, throttled: int | None) -> None:
        told = "" if throttled is None else f"nr_throttled 1\nthrottled_usec {throttled}\n"
        self.write(f"sys/fs/cgroup/{group}cpu.stat", f"usage_usec 1\n{told}")

    def joules(self, zone: str, joules: float) -> None:
        file = f"sys/class/powercap/intel-rapl:{zone}/energy_uj"
        self.write(file, f"{joules * 1e6:.0f}\n")

    def meter(self, processors: tuple[int, ...] = (0, 1)) -> HostMeter:
        return HostMeter(self.root / "proc", self.root / "sys", processors, ticks=100)

    def turn(self, change: Callable[[], object] = lambda: None) -> Reading:
        meter = self.meter()
        meter.before()
        change()
        return meter.after()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_every_figure_of_a_host_has_its_column(host: Host) -> None:
    reading = host.turn()
    assert set(reading) == {"cpu_mhz", "load", "stolen_seconds", "quota_seconds", "cpu_joules"}
    assert set(reading) <= set(Telemetry.__struct_fields__)


def test_load_is_that_of_a_minute(host: Host) -> None:
    assert host.turn()["load"] == 1.25


def test_stolen_time_is_that_of_the_turn_on_the_processors_that_may_be_used(host: Host) -> None:
    stolen = STAT.format(303, 61, 32, 210)
    assert host.turn(lambda: host.write("proc/stat", stolen))["stolen_seconds"] == 0.03


def test_on_a_large_machine_stolen_time_is_that_of_all_that_may_be_used(host: Host) -> None:
    def stat(ticks: int) -> str:
        return "".join(f"cpu{number} 1 2 3 4 5 6 7 {ticks} 0 0\n" for number in range(100))

    host.write("proc/stat", stat(1))
    meter = host.meter(tuple(range(100)))
    meter.before()
    host.write("proc/stat", stat(2))
    assert meter.after()["stolen_seconds"] == 1.0


def test_frequency_is_the_mean_of_the_processors_that_may_be_used(host: Host) -> None:
    assert host.turn()["cpu_mhz"] == 3000.0


def test_without_cpufreq_a_measured_frequency_of_cpuinfo_is_taken(host: Host) -> None:
    host.remove("sys/devices/system/cpu/*/cpufreq/*")
    assert host.turn()["cpu_mhz"] == 2500.0


def test_a_frequency_that_nobody_measured_is_absent(host: Host) -> None:
    host.remove("sys/devices/system/cpu/*/cpufreq/*")
    host.write("proc/cpuinfo", CPUINFO.format(flag="hypervisor"))
    assert "cpu_mhz" not in host.turn()


def test_on_a_large_machine_some_processors_stand_for_all(host: Host) -> None:
    meter = host.meter(tuple(range(1000)))
    assert 1 <= len(meter._frequencies or meter._processors) <= MOST_PROCESSORS


def test_time_under_a_quota_is_that_of_the_turn(host: Host) -> None:
    assert host.turn(lambda: host.quota("a/b/", 1_250_000))["quota_seconds"] == 0.25


def test_a_quota_of_a_group_above_counts_too(host: Host) -> None:
    assert host.turn(lambda: host.quota("a/", 5_500_000))["quota_seconds"] == 0.5


def test_without_a_quota_nothing_is_said_of_one(host: Host) -> None:
    for group in ("a/", "a/b/"):
        host.quota(group, None)
    assert "quota_seconds" not in host.turn()


def test_energy_is_that_of_all_packages_and_of_them_alone(host: Host) -> None:
    def spend() -> None:
        for zone in ("0", "0:0", "1", "2"):
            host.joules(zone, 9.5)

    assert host.turn(spend)["cpu_joules"] == 1.0


def test_an_energy_counter_that_began_again_is_followed(host: Host) -> None:
    assert host.turn(lambda: host.joules("0", 0.25))["cpu_joules"] == 1.25


def test_energy_of_some_packages_alone_is_not_taken_for_that_of_all(host: Host) -> None:
    host.remove("sys/class/powercap/intel-rapl:1/energy_uj")
    assert "cpu_joules" not in host.turn()


def test_energy_that_is_not_for_us_to_read_is_absent(host: Host) -> None:
    file = host.root / "sys/class/powercap/intel-rapl:0/energy_uj"
    file.unlink()
    file.mkdir()  # a superuser may read any file, but nobody a folder
    assert "cpu_joules" not in host.turn()


def test_a_counter_that_went_back_says_nothing_of_that_turn(host: Host) -> None:
    stolen = STAT.format(1, 1, 0, 0)
    assert "stolen_seconds" not in host.turn(lambda: host.write("proc/stat", stolen))


def test_a_system_without_these_files_has_no_columns(tmp_path: Path) -> None:
    meter = HostMeter(tmp_path, tmp_path, (0,), ticks=100)
    meter.before()
    assert meter.after() == {}


@pytest.mark.parametrize("file", ["proc/stat", "proc/loadavg", "proc/cpuinfo", "proc/self/cgroup"])
@pytest.mark.parametrize("text", ["", "\n", "cpu", "x y z", "0::/../../..\n", "\x00"])
def test_a_file_of_another_form_costs_its_own_figure_at_most(
    host: Host, file: str, text: str
) -> None:
    host.write(file, text)
    assert host.turn()["cpu_joules"] == 0.0


@given(st.lists(st.floats(0, 9.9), min_size=1, max_size=20))
def test_joules_never_go_back_however_often_the_counter_began_again(
    tmp_path_factory: pytest.TempPathFactory, steps: list[float]
) -> None:
    host = Host(tmp_path_factory.mktemp("host"))
    energy = PackageEnergy(host.root / "sys/class/powercap")
    total = spent = 0.0
    for step in steps:
        total += step
        host.joules("0", (9 + total) % 10)
        joules = energy.joules()
        assert joules is not None
        assert joules >= spent
        spent = joules
    assert spent == pytest.approx(total, abs=1e-3)


def test_meters_close_in_the_reverse_of_the_order_they_opened_in() -> None:
    heard = []

    class Heard:
        def __init__(self, name: str) -> None:
            self.name = name

        def before(self) -> None:
            heard.append(f"before {self.name}")

        def after(self) -> Reading:
            heard.append(f"after {self.name}")
            return {self.name: 1}

    meters = Meters([Heard("host"), Heard("gpu")])
    meters.before()
    assert meters.after() == {"host": 1, "gpu": 1}
    assert heard == ["before host", "before gpu", "after gpu", "after host"]
