from __future__ import annotations

import getpass
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import torch
from fake_nvml import BUS, INSTANCE, SERIAL, UNSUPPORTED, UUID, FakeNvml

from bench.measure.device import choose
from bench.measure.telemetry.nvml import begin
from bench.records import Gpu, Machine
from bench.run.gpu import gpu_record
from bench.run.machine import fingerprint, quota
from bench.run.torch_build import build, settings

if TYPE_CHECKING:
    from bench.measure.telemetry import nvml

PROPERTIES = SimpleNamespace(
    name="NVIDIA H100", multi_processor_count=132, major=9, minor=0, uuid=UUID, serial=SERIAL
)

SHOWN = """PyTorch built with:
  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605
  - Intel(R) MKL-DNN v3.12.0 (Git Hash 80afa71049cd)
  - OpenMP 201511 (a.k.a. OpenMP 4.5)
  - Build settings: CUDA_FLAGS= -gencode arch=compute_80,code=sm_80 -gencode
    arch=compute_90a,code=sm_90a, CXX_COMPILER=/opt/a-toolset/usr/bin/c++,
"""


def driver(library: FakeNvml, uuid: str = UUID) -> tuple[nvml.Nvml, nvml.Gpu]:
    session = begin(library)
    assert session is not None
    gpu = session.find(uuid, BUS)
    assert gpu is not None
    return session, gpu


def on(machine: Machine, library: FakeNvml, uuid: str = UUID) -> Machine:
    gpu = gpu_record(PROPERTIES, driver(library, uuid))
    return msgspec.structs.replace(machine, gpu=gpu)


@pytest.fixture(scope="module")
def here() -> Machine:
    return fingerprint(choose("cpu"))


def test_a_gpu_tells_what_it_is_and_is_set_to() -> None:
    assert gpu_record(PROPERTIES, driver(FakeNvml())) == Gpu(
        sm_count=132,
        compute_capability="9.0",
        mig=False,
        compute_mode="exclusive process",
        power_limit_watts=700.0,
        max_sm_mhz=2010,
        max_memory_mhz=2700,
        ecc=True,
        pcie="5.0 x16",
    )


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetMigMode", "mig"),
        ("nvmlDeviceGetComputeMode", "compute_mode"),
        ("nvmlDeviceGetEnforcedPowerLimit", "power_limit_watts"),
        ("nvmlDeviceGetEccMode", "ecc"),
        ("nvmlDeviceGetMaxPcieLinkGeneration", "pcie"),
        ("nvmlDeviceGetMaxPcieLinkWidth", "pcie"),
    ],
)
def test_what_the_driver_does_not_tell_of_a_gpu_is_absent(function: str, field: str) -> None:
    found = gpu_record(PROPERTIES, driver(FakeNvml(errors={function: UNSUPPORTED})))
    assert getattr(found, field) is None
    assert found.max_sm_mhz == 2010


def test_an_instance_says_so() -> None:
    assert gpu_record(PROPERTIES, driver(FakeNvml(mig=True), INSTANCE)).mig is True


def test_without_a_driver_torch_alone_tells_of_a_gpu() -> None:
    assert gpu_record(PROPERTIES, None) == Gpu(sm_count=132, compute_capability="9.0")


@pytest.mark.parametrize(("uuid", "mig"), [(UUID, False), (INSTANCE, True)])
def test_a_machine_names_no_device_host_user_or_path(here: Machine, uuid: str, mig: bool) -> None:
    written = msgspec.json.encode(on(here, FakeNvml(mig=mig), uuid)).decode()
    secrets = {UUID, INSTANCE, SERIAL, BUS, platform.node(), str(Path.home()), str(Path.cwd())}
    if len(getpass.getuser()) > 4:  # a shorter one is in some word by chance
        secrets.add(getpass.getuser())
    assert not [secret for secret in secrets if secret and secret in written]
    assert "/opt" not in written
    assert "/usr" not in written


def test_what_momentary_figures_say_does_not_change_the_machine(here: Machine) -> None:
    busy = FakeNvml(millijoules=5, reasons=0xFF)
    assert on(here, busy) == on(here, FakeNvml())


def test_a_machine_is_the_same_the_next_time(here: Machine) -> None:
    assert fingerprint(choose("cpu")) == here


def test_a_cpu_has_no_gpu_and_tells_its_processors(here: Machine) -> None:
    assert here.gpu is None
    assert here.processors is not None
    assert here.processors >= here.cores
    assert here.cpu_capability == torch.backends.cpu.get_cpu_capability()


@pytest.mark.parametrize(
    ("text", "found"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("1 0\n", None), (None, None)],
)
def test_a_quota_is_a_number_of_processors(tmp_path: Path, text: str | None, found: Any) -> None:
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)
    assert quota(tmp_path / "proc", tmp_path) == found


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"a/b": "50000 100000", "a": "max 100000"}, 0.5),
        ({"a/b": "max 100000", "a": "150000 100000"}, 1.5),
        ({"a/b": "200000 100000", "a": "150000 100000"}, 1.5),
        ({"a/c": "50000 100000"}, None),
    ],
)
def test_the_tightest_quota_of_a_group_and_those_above_it_counts(
    tmp_path: Path, limits: dict[str, str], found: float | None
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    for group, limit in limits.items():
        (tmp_path / "cgroup" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / group / "cpu.max").write_text(limit)
    assert quota(tmp_path / "proc", tmp_path / "cgroup") == found


def test_a_build_is_told_by_its_libraries_and_architectures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.version, "hip", None)
    assert build(SHOWN) == "CUDA 13.0, MKL 2024.2, oneDNN 3.12.0, OpenMP 201511, sm_80, sm_90a"


def test_a_build_of_which_nothing_is_told_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert build("") == "unknown"


def test_settings_are_those_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    found = settings()
    assert found.cudnn_benchmark is True
    assert found.allocator == "expandable_segments:True"


def test_an_allocator_without_options_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    assert settings().allocator is None
