"""`meta` predicts the peak to the byte, and where it does not, the operators are named."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torchvision.models import resnet18
from toys import CUTTING

from bench.measure.memory import differing_allocations, read_memory
from bench.measure.training import NothingReachesTheLossError, Recipe, Training
from bench.workloads import ROSTER, Options, Workload, build
from strategies import ROSTER as STRATEGIES
from strategies import find

# --- the same on `meta` ---------------------------------------------------------------------------


def peak(workload: Workload, strategy: str, device: str) -> tuple[int | None, int | None]:
    memory = read_memory(Training(workload, find(strategy), Recipe(device))).memory
    return memory.peak_bytes, memory.resident_bytes


REACHED = [
    (workload, strategy)
    for workload in ROSTER
    for strategy in STRATEGIES
    if not (workload == "adapter" and strategy in CUTTING)
]


@pytest.mark.usefixtures("_untrained")
@pytest.mark.parametrize(("name", "strategy"), REACHED)
def test_a_built_in_workload_has_the_peak_that_meta_predicts(name: str, strategy: str) -> None:
    options = Options(batch=4)
    measured = peak(build(name, options), strategy, "cpu")
    assert measured == peak(build(name, options, meta=True), strategy, "meta")
    assert all(measured)


@pytest.mark.usefixtures("_untrained")
@pytest.mark.parametrize("strategy", CUTTING)
def test_a_workload_whose_loss_is_cut_off_has_no_peak(strategy: str) -> None:
    with pytest.raises(NothingReachesTheLossError):
        peak(build("adapter", Options(batch=4)), strategy, "cpu")


def small_resnet(device: str) -> Workload:
    with torch.device(device):
        batch = torch.ones(2, 3, 64, 64), torch.zeros(2, dtype=torch.int64)
        return Workload(resnet18(), [batch], frozen=("conv1", "bn1", "layer[123]"))


@pytest.mark.parametrize("strategy", ["full", "requires_grad", "detach+eval", "functional"])
def test_a_resnet_has_the_peak_that_meta_predicts(strategy: str) -> None:
    measured = peak(small_resnet("cpu"), strategy, "cpu")
    assert measured == peak(small_resnet("meta"), strategy, "meta")


# --- when the two differ --------------------------------------------------------------------------


def test_the_operators_that_allocate_otherwise_are_named_with_both_figures() -> None:
    said = differing_allocations(Counter(a=4, same=1), Counter(b=8, same=1))
    assert said == "allocates otherwise on meta: a (4 B, meta 0 B), b (0 B, meta 8 B)"


def test_of_many_operators_five_are_named_and_the_rest_counted() -> None:
    said = differing_allocations(Counter({f"op{number}": 1 for number in range(7)}), Counter())
    assert "op4 (1 B, meta 0 B) and 2 more" in said


def test_equal_allocations_can_only_differ_in_time() -> None:
    assert "when storages were freed" in differing_allocations(Counter(a=4), Counter(a=4))
