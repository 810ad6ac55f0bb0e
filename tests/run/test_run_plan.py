from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch
from stage import make_request

from bench.measure.device import Device
from bench.run import plan as planning
from bench.run.plan import RequestError, plan

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_energy_that_a_machine_does_not_tell_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning.energy_meters, "source", lambda _: None)
    asked = make_request(workloads=("policy",), strategies=("lr_zero",), energy=True)

    with pytest.raises(RequestError, match="processor has no counter of energy"):
        plan(asked)


@pytest.mark.parametrize("energy", [False, True])
def test_energy_is_measured_where_it_is_asked_for_and_told(
    monkeypatch: pytest.MonkeyPatch, energy: bool
) -> None:
    monkeypatch.setattr(planning.energy_meters, "source", lambda _: "cpu package")
    asked = make_request(workloads=("policy",), strategies=("lr_zero",), energy=energy)

    assert plan(asked).energy is energy


@pytest.mark.parametrize(
    ("device", "cores", "gib", "at_once"),
    [
        ("cpu", 16, 64, 1),
        ("cuda", 64, 256, 8),
        ("cuda", 16, 64, 8),
        ("cuda", 5, 64, 2),
        ("cuda", 16, 13, 3),
        ("cuda", 16, 2, 1),
        ("mps", 1, 64, 1),
    ],
)
def test_only_an_accelerator_s_cells_are_surveyed_side_by_side(
    monkeypatch: pytest.MonkeyPatch, device: str, cores: int, gib: int, at_once: int
) -> None:
    memory = SimpleNamespace(available=gib * 2**30)
    monkeypatch.setattr(planning, "physical_cores", lambda: cores)
    monkeypatch.setattr(planning.psutil, "virtual_memory", lambda: memory)

    assert planning._surveyed_at_once(Device(torch.device(device, 0))) == at_once
