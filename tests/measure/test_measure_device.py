"""Which device a name stands for, and what is said where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from bench.measure import device as module
from bench.measure.clock import HostClock
from bench.measure.device import Device, DeviceError, choose

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[str], Device]]:
    """A machine with so many CUDA devices, whatever is really there."""

    def with_devices(count: int) -> Callable[[str], Device]:
        monkeypatch.setattr(
            torch.accelerator, "current_accelerator", lambda *_, **__: torch.device("cuda")
        )
        return lambda name: choose(name, available=lambda: count > 0, count=lambda: count)

    return with_devices


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """How torch was built, and which driver answers."""

    def built(*, cuda: str | None, hip: str | None = None, driver: str | None = None) -> None:
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.version, "hip", hip)
        monkeypatch.setattr(module, "nvidia_driver", lambda: driver)

    return built


def refusal(name: str, choosing: Callable[[str], Device]) -> str:
    with pytest.raises(DeviceError) as refused:
        choosing(name)
    return str(refused.value)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("name", ["cpu", "cpu:0"])
def test_the_cpu_is_always_there(machine, count: int, name: str) -> None:
    assert str(machine(count)(name)) == "cpu"


def test_auto_is_the_cpu_without_an_accelerator(machine) -> None:
    assert str(machine(0)("auto")) == "cpu"


def test_auto_is_the_first_accelerator_where_there_is_one(machine) -> None:
    assert str(machine(2)("auto")) == "cuda:0"


@pytest.mark.parametrize(("name", "found"), [("cuda", "cuda:0"), ("cuda:1", "cuda:1")])
def test_an_accelerator_is_named_with_its_index(machine, name: str, found: str) -> None:
    assert str(machine(2)(name)) == found


@pytest.mark.parametrize(
    ("built", "said"),
    [
        ({"cuda": None}, "built for the CPU only"),
        ({"cuda": "13.2"}, "built for CUDA 13.2"),
        ({"cuda": None, "hip": "6.4"}, "built for ROCm 6.4"),
    ],
)
def test_without_cuda_it_is_said_what_torch_was_built_for(machine, build, built, said) -> None:
    build(**built)
    assert said in refusal("cuda", machine(0))


@pytest.mark.parametrize(
    ("built", "advice"),
    [
        ({"cuda": None}, "no NVIDIA driver answers; install one, or use --device cpu"),
        ({"cuda": "13.2"}, "no NVIDIA driver answers; install one, or use --device cpu"),
        ({"cuda": None, "driver": "580.1"}, "driver 580.1 is there; install a CUDA build of torch"),
        ({"cuda": "13.2", "driver": "580.1"}, "look at CUDA_VISIBLE_DEVICES"),
    ],
)
def test_without_cuda_it_is_said_what_to_do(machine, build, built, advice) -> None:
    build(**built)
    assert advice in refusal("cuda", machine(0))


@pytest.mark.parametrize(
    ("count", "advice"), [(1, "use cuda:0"), (4, "use cuda:0 to cuda:3")], ids=["one", "four"]
)
def test_an_index_that_is_too_high_is_refused_with_those_there_are(machine, count, advice) -> None:
    said = refusal("cuda:7", machine(count))
    assert "'cuda:7'" in said
    assert f"{count} cuda device(s)" in said
    assert said.endswith(advice)


@pytest.mark.parametrize("count", [1, 4])
def test_the_first_index_that_is_not_there_is_refused(machine, count: int) -> None:
    assert f"{count} cuda device(s)" in refusal(f"cuda:{count}", machine(count))


@pytest.mark.parametrize("count", [0, 1])
def test_a_misspelt_name_gets_the_nearest_one(machine, count: int) -> None:
    said = refusal("cudda", machine(count))
    assert "'cudda'" in said
    assert "did you mean 'cuda'" in said


def test_another_kind_of_accelerator_is_said_to_be_absent(machine) -> None:
    assert "finds no mps device; use --device cpu or auto" in refusal("mps", machine(1))


def test_a_cpu_has_a_host_clock() -> None:
    assert isinstance(choose("cpu").clock(), HostClock)


def test_a_cpu_has_no_allocator_peaks_rather_than_zeros() -> None:
    cpu = choose("cpu")
    cpu.reset_peaks()
    assert cpu.peaks() is None


def test_an_accelerator_that_does_not_count_has_no_peaks_rather_than_zeros(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.accelerator, "memory_stats", lambda *_: {})
    assert Device(torch.device("mps", 0)).peaks() is None


def test_a_cpu_tells_how_much_memory_there_is() -> None:
    assert choose("cpu").memory_bytes() > 2**20


def test_a_gpu_is_told_what_torch_calls_it() -> None:
    with pytest.raises(DeviceError, match="torch calls it cuda, mps or xpu"):
        choose("gpu:0")
