from __future__ import annotations

import inspect
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pynvml
import pytest
from fake_nvml import BUS, INSTANCE, LOST, UNSUPPORTED, UUID, FakeNvml, process

from bench.measure.telemetry.gpu import GpuMeter
from bench.measure.telemetry.gpu_processes import same_run
from bench.measure.telemetry.nvml import begin
from bench.measure.telemetry.of_device import bus_address
from bench.measure.telemetry.throttling import REASONS, is_throttled
from bench.records import Telemetry
from bench.records.telemetry import BRAKES

if TYPE_CHECKING:
    from collections.abc import Callable

OWN, SIBLING, STRANGER = 100, 101, 999
OF_GPU = {
    "sm_mhz", "memory_mhz", "celsius", "watts", "gpu_joules", "throttled_by", "process_bytes",
    "device_bytes", "foreign_processes", "foreign_bytes",
}  # fmt: skip
FUNCTIONS = [name for name in vars(FakeNvml) if name.startswith("nvml")]


def meter(library: FakeNvml, uuid: str = UUID, now: Callable[[], float] = lambda: 0.0) -> GpuMeter:
    """By default queries take no time, so that each is made each time."""
    nvml = begin(library)
    assert nvml is not None
    gpu = nvml.find(uuid, BUS)
    assert gpu is not None
    return GpuMeter(nvml, gpu, own=OWN, belongs=lambda pid: pid in (OWN, SIBLING), now=now)


def alone(**more: Any) -> FakeNvml:
    return FakeNvml(**{"computing": [process(OWN, 600)], **more})


def turn(meter: GpuMeter, library: FakeNvml, millijoules: int = 0) -> Any:
    meter.before()
    library.millijoules += millijoules
    return meter.after()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_stand_in_is_called_as_the_library_is(name: str) -> None:
    real = inspect.signature(getattr(pynvml, name))
    ours = inspect.signature(getattr(FakeNvml(), name))
    assert [(p.name, p.default, p.kind) for p in ours.parameters.values()] == [
        (p.name, p.default, p.kind) for p in real.parameters.values()
    ]


def test_the_stand_in_answers_with_the_library_s_fields() -> None:
    memory = FakeNvml().nvmlDeviceGetMemoryInfo("board")
    assert set(vars(memory)) == {name for name, _ in pynvml.c_nvmlMemory_t._fields_}
    assert set(vars(process(1, 2))) <= {name for name, _ in pynvml.c_nvmlProcessInfo_v3_t._fields_}


@pytest.mark.parametrize("constant", REASONS)
def test_every_throttle_reason_is_one_of_the_library_s(constant: str) -> None:
    assert getattr(pynvml, f"nvmlClocksThrottleReason{constant}") > 0


def test_every_figure_of_a_gpu_has_its_column_and_unit() -> None:
    library = alone()
    assert turn(meter(library), library, millijoules=2_500) == {
        "throttled_by": "",
        "sm_mhz": 1980,
        "memory_mhz": 2619,
        "watts": 312.3,
        "gpu_joules": 2.5,
        "celsius": 41,
        "device_bytes": 5_000,
        "process_bytes": 600,
        "foreign_processes": 0,
        "foreign_bytes": 0,
    }


def test_the_columns_are_those_of_the_record() -> None:
    assert set(Telemetry.__struct_fields__) >= OF_GPU
    library = alone()
    assert set(turn(meter(library), library)) == OF_GPU


@pytest.mark.parametrize("code", [UNSUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION])
@pytest.mark.parametrize(
    ("function", "columns"),
    [
        ("nvmlDeviceGetClockInfo", {"sm_mhz", "memory_mhz"}),
        ("nvmlDeviceGetTemperature", {"celsius"}),
        ("nvmlDeviceGetPowerUsage", {"watts"}),
        ("nvmlDeviceGetTotalEnergyConsumption", {"gpu_joules"}),
        ("nvmlDeviceGetCurrentClocksThrottleReasons", {"throttled_by"}),
        ("nvmlDeviceGetMemoryInfo", {"device_bytes"}),
        ("nvmlDeviceGetComputeRunningProcesses",
         {"process_bytes", "foreign_processes", "foreign_bytes"}),
        ("nvmlDeviceGetGraphicsRunningProcesses", set()),
    ],
)  # fmt: skip
def test_what_the_driver_does_not_tell_has_no_column_and_costs_no_other(
    function: str, columns: set[str], code: int
) -> None:
    library = alone(errors={function: code})
    assert set(turn(meter(library), library)) == OF_GPU - columns


def test_what_the_driver_does_not_support_is_not_asked_again() -> None:
    library = alone(errors={"nvmlDeviceGetTemperature": UNSUPPORTED})
    instrument = meter(library)
    turn(instrument, library)
    library.asked.clear()
    turn(instrument, library)
    assert ("nvmlDeviceGetTemperature", "board") not in library.asked


class Slow:
    """Seconds that go by when the clock is looked at, and otherwise where they are added."""

    def __init__(self, each: float) -> None:
        self.seconds, self._each = 0.0, each

    def __call__(self) -> float:
        self.seconds += self._each
        return self.seconds


def test_a_query_that_takes_long_is_made_seldom_and_has_no_figure_in_between() -> None:
    library, clock = alone(), Slow(0.001)
    instrument = meter(library, now=clock)
    readings = []
    while clock.seconds < 10:
        readings.append(turn(instrument, library, millijoules=2_500))
        clock.seconds += 0.02

    asked = Counter(name for name, _ in library.asked)
    assert 80 <= asked["nvmlDeviceGetTemperature"] <= 100
    assert asked["nvmlDeviceGetCurrentClocksThrottleReasons"] == len(readings) > 150
    assert all("throttled_by" in reading for reading in readings)
    paced = {
        "celsius": "nvmlDeviceGetTemperature",
        "foreign_processes": "nvmlDeviceGetComputeRunningProcesses",
    }
    for name, function in paced.items():
        assert sum(name in reading for reading in readings) == asked[function]
    joules = [reading.get("gpu_joules") for reading in readings]
    assert set(joules) == {2.5, None}
    assert 30 <= joules.count(2.5) <= 60


def test_a_query_that_failed_in_passing_is_asked_again() -> None:
    library = alone(errors={"nvmlDeviceGetTemperature": pynvml.NVML_ERROR_TIMEOUT})
    instrument = meter(library)
    assert "celsius" not in turn(instrument, library)
    library.errors.clear()
    assert turn(instrument, library)["celsius"] == 41


@pytest.mark.parametrize(
    "code", [LOST, pynvml.NVML_ERROR_UNINITIALIZED, pynvml.NVML_ERROR_DRIVER_NOT_LOADED]
)
def test_a_gpu_that_is_lost_tells_nothing_and_raises_nothing(code: int) -> None:
    library = alone()
    instrument = meter(library)
    turn(instrument, library)
    library.silent = code
    assert turn(instrument, library) == {}


def test_a_gpu_that_is_lost_is_not_asked_again() -> None:
    library = alone()
    instrument = meter(library)
    library.silent = LOST
    turn(instrument, library)
    library.silent = None
    library.asked.clear()
    assert turn(instrument, library) == {}
    assert not library.asked


def test_a_gpu_lost_within_a_turn_keeps_what_was_read_before() -> None:
    library = alone(errors={"nvmlDeviceGetPowerUsage": LOST})
    assert set(turn(meter(library), library)) == {"throttled_by", "sm_mhz", "memory_mhz"}


def test_an_energy_counter_that_went_back_says_nothing_of_that_turn() -> None:
    library = alone()
    assert turn(meter(library), library, millijoules=-1)["gpu_joules"] is None


def test_without_a_driver_there_is_no_session() -> None:
    assert begin(FakeNvml(silent=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)) is None


def test_a_function_newer_than_the_driver_has_no_column() -> None:
    library = alone()

    def mismatch(handle: Any) -> Any:
        raise pynvml.NVMLLibraryMismatchError("of different age")

    library.nvmlDeviceGetComputeRunningProcesses = mismatch  # type: ignore[method-assign]
    assert "foreign_processes" not in turn(meter(library), library)


@pytest.mark.parametrize("uuid", [UUID, f"GPU-{UUID}"])
def test_a_gpu_is_found_by_uuid_with_or_without_its_prefix(uuid: str) -> None:
    gpu = begin(FakeNvml()).find(uuid)  # type: ignore[union-attr]
    assert gpu is not None
    assert (gpu.board, gpu.part, gpu.instance) == ("board", "board", False)


def test_a_gpu_that_the_driver_knows_by_its_address_alone_is_found_by_that() -> None:
    gpu = begin(FakeNvml(known=False)).find(UUID, BUS)  # type: ignore[union-attr]
    assert gpu is not None
    assert gpu.part == "board"


def test_a_gpu_that_the_driver_does_not_know_is_not_found() -> None:
    assert begin(FakeNvml()).find("other", "00000000:99:00.0") is None  # type: ignore[union-attr]


def test_the_address_is_written_as_the_driver_does() -> None:
    class Properties:
        pci_domain_id, pci_bus_id, pci_device_id = 0, 0x3B, 0

    assert bus_address(Properties()) == BUS
    assert bus_address(object()) is None


def test_an_instance_has_memory_of_its_own_and_clocks_of_the_board() -> None:
    library = alone(mig=True)
    reading = turn(meter(library, INSTANCE), library)
    assert reading["device_bytes"] == 700
    assert reading["sm_mhz"] == 1980


def test_power_and_energy_of_all_instances_are_not_taken_for_one_s() -> None:
    library = alone(mig=True)
    reading = turn(meter(library, INSTANCE), library, millijoules=5)
    assert set(reading) == OF_GPU - {"watts", "gpu_joules"}


def test_processes_of_an_instance_are_asked_of_the_instance() -> None:
    library = alone(mig=True)
    turn(meter(library, INSTANCE), library)
    asked = {handle for name, handle in library.asked if "Processes" in name}
    assert asked == {"instance"}


def test_a_cut_board_whose_instance_is_not_known_tells_clocks_and_heat_alone() -> None:
    library = alone(mig=True)
    reading = turn(meter(library, UUID), library)
    assert set(reading) == {"sm_mhz", "memory_mhz", "celsius", "throttled_by"}


def test_processes_of_another_run_are_foreign_and_counted_once() -> None:
    strangers = [process(STRANGER, 70), process(SIBLING, 30)]
    library = alone(drawing=[process(STRANGER, 70), process(STRANGER + 1, 5)])
    library.computing += strangers
    reading = turn(meter(library), library)
    assert (reading["foreign_processes"], reading["foreign_bytes"]) == (2, 75)


def test_foreign_memory_that_the_driver_does_not_tell_is_absent_and_the_count_is_not() -> None:
    library = alone()
    library.computing.append(process(STRANGER, None))
    reading = turn(meter(library), library)
    assert (reading["foreign_processes"], reading["foreign_bytes"]) == (1, None)


def test_in_a_container_the_host_s_process_numbers_say_nothing() -> None:
    library = FakeNvml(computing=[process(4_000_001, 600), process(4_000_002, 70)])
    reading = turn(meter(library), library)
    names = ("process_bytes", "foreign_processes", "foreign_bytes")
    assert [reading[name] for name in names] == [None, None, None]


def test_this_process_and_the_children_of_its_parent_are_of_the_run() -> None:
    belongs = same_run(os.getpid())
    assert belongs(os.getpid())
    assert not belongs(os.getppid())  # the fork server
    assert belongs(psutil.Process(os.getppid()).ppid())  # whoever started it
    assert not belongs(2**31 - 1)


@pytest.mark.parametrize(
    ("constant", "name"),
    [
        ("HwSlowdown", "hw_slowdown"),
        ("HwThermalSlowdown", "hw_thermal"),
        ("SwThermalSlowdown", "sw_thermal"),
        ("HwPowerBrakeSlowdown", "hw_power_brake"),
    ],
)
def test_heat_and_power_brakes_count_as_throttled(constant: str, name: str) -> None:
    library = alone(reasons=getattr(pynvml, f"nvmlClocksThrottleReason{constant}"))
    reading = turn(meter(library), library)
    assert reading["throttled_by"] == name
    assert is_throttled(reading) is True


def test_a_software_power_cap_is_named_and_does_not_count() -> None:
    cap = pynvml.nvmlClocksThrottleReasonSwPowerCap | pynvml.nvmlClocksThrottleReasonGpuIdle
    library = alone(reasons=cap)
    reading = turn(meter(library), library)
    assert reading["throttled_by"] == "sw_power_cap"
    assert is_throttled(reading) is False


def test_where_nobody_tells_reasons_nothing_is_said_of_throttling() -> None:
    assert is_throttled({}) is None


def test_what_counts_as_throttled_are_names_of_reasons() -> None:
    assert set(REASONS.values()) > BRAKES
