"""Telemetry, fingerprint and energy of a real GPU. Skipped where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import CliRunner

from bench import store
from bench.cli import main
from bench.measure.device import choose
from bench.measure.telemetry import of_device
from bench.measure.telemetry.energy_meters import energy_meter

if TYPE_CHECKING:
    from bench.measure.telemetry.nvml import Gpu, Nvml
    from bench.records import Run

pytestmark = [pytest.mark.cuda, pytest.mark.xdist_group("cuda")]
GPUS = range(torch.cuda.device_count())
MIB = 2**20


def found(index: int) -> tuple[Nvml, Gpu]:
    if torch.version.hip:
        pytest.skip("the driver's library is NVIDIA's")
    pair = of_device.driver_and_gpu(choose(f"cuda:{index}"))
    assert pair is not None, "torch has a CUDA device that its driver does not find"
    return pair


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    results = tmp_path_factory.mktemp("results")
    arguments = ["-w", "policy", "-s", "requires_grad", "-d", "cuda", "--budget", "10", "--energy"]
    done = CliRunner().invoke(main, ["run", *arguments, "--results", str(results)])
    assert done.exit_code == 0, done.output
    (folder,) = results.glob("*/*")
    return store.load(folder)[1]


@pytest.mark.parametrize("index", GPUS)
def test_the_gpu_found_is_the_device_used(index: int) -> None:
    nvml, gpu = found(index)
    if gpu.part is None:
        pytest.skip("an instance that the driver does not find by torch's UUID")

    def used() -> int:
        torch.cuda.synchronize(index)
        return int(nvml.ask("nvmlDeviceGetMemoryInfo", gpu.part).used)

    torch.zeros(1, device=f"cuda:{index}")  # the context itself takes memory
    before = used()
    block = torch.zeros(512 * MIB, dtype=torch.uint8, device=f"cuda:{index}")
    grown = used() - before
    del block
    torch.cuda.empty_cache()
    assert grown == pytest.approx(512 * MIB, abs=64 * MIB)


@pytest.mark.parametrize("index", GPUS)
def test_a_reading_is_plausible(index: int) -> None:
    nvml, gpu = found(index)
    meter = of_device.meter(choose(f"cuda:{index}"))
    matrix = torch.randn(4096, 4096, device=f"cuda:{index}")
    meter.before()
    for _ in range(200):
        matrix @ matrix
    torch.cuda.synchronize(index)
    reading = meter.after()
    ranges = {
        "sm_mhz": (100, 5_000),
        "memory_mhz": (100, 30_000),
        "celsius": (1, 120),
        "watts": (1, 3_000),
        "gpu_joules": (0, 10_000),
        "device_bytes": (MIB, 2**40),
        "process_bytes": (MIB, 2**40),
        "foreign_processes": (0, 1_000),
    }
    known = {name: value for name, value in reading.items() if value is not None}
    assert {name for name in known if name in ranges} >= {"sm_mhz"}
    for name, (least, most) in ranges.items():
        assert least <= float(known.get(name, least)) <= most, name
    assert ("watts" in reading) <= (not gpu.instance)
    assert nvml.driver()


@pytest.mark.parametrize("index", GPUS)
def test_a_second_of_work_takes_energy(index: int) -> None:
    found(index)
    meter = energy_meter(choose(f"cuda:{index}"))
    if meter is None:
        pytest.skip("this GPU tells neither energy nor power of its own")
    matrix = torch.randn(8192, 8192, device=f"cuda:{index}")
    before = meter.joules()
    for _ in range(40):
        matrix @ matrix
    torch.cuda.synchronize(index)
    after = meter.joules()
    meter.end()
    assert before is not None
    assert after is not None
    assert after > before


def test_every_turn_of_a_run_has_its_reading(run: Run) -> None:
    for cell in run.cells:
        assert cell.telemetry is not None
        assert cell.telemetry.sm_mhz is not None
        assert len(cell.telemetry.sm_mhz) == len(cell.interference)


def test_workers_of_the_run_itself_are_not_foreign(run: Run) -> None:
    counts = [
        count
        for cell in run.cells
        if cell.telemetry
        for count in cell.telemetry.foreign_processes or []
    ]
    if not any(count is not None for count in counts):
        pytest.skip("in a container the driver's process numbers say nothing")
    assert min(count for count in counts if count is not None) == 0


def test_the_machine_tells_what_its_gpu_is_and_nothing_that_names_it(run: Run) -> None:
    gpu = run.machine.gpu
    properties = torch.cuda.get_device_properties(0)
    assert gpu is not None
    assert gpu.sm_count == properties.multi_processor_count
    assert gpu.compute_capability == f"{properties.major}.{properties.minor}"
    assert str(properties.uuid) not in str(run.machine)


def test_every_cell_tells_its_joules_a_step(run: Run) -> None:
    full, frozen = run.cells
    if full.energy is None or frozen.energy is None:
        pytest.skip("this GPU tells no energy of its own")
    assert full.energy.source in ("gpu counter", "gpu power")
    assert full.energy.joules.value > 0
    assert frozen.energy.joules.value > 0
