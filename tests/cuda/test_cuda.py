"""The whole way on a real GPU. Skipped where there is none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import CliRunner

import strategies
from bench import store, workloads
from bench.cli import main
from bench.measure.device import choose
from bench.measure.memory import read_memory
from bench.measure.training import Recipe, Training
from bench.run.worker import take_turn

if TYPE_CHECKING:
    from pathlib import Path

    from bench.records import Run

pytestmark = [pytest.mark.cuda, pytest.mark.xdist_group("cuda")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    results = tmp_path_factory.mktemp("results")
    arguments = ["-w", "policy", "-w", "adapter", "-d", "cuda", "--budget", "10"]
    done = CliRunner().invoke(main, ["run", *arguments, "--results", str(results)])
    assert done.exit_code == 0, done.output
    (folder,) = results.glob("*/*")
    return store.load(folder)[1]


def test_every_strategy_has_a_verdict_and_none_fails(run: Run) -> None:
    assert {cell.strategy for cell in run.cells} == set(strategies.names())
    assert not [cell.why for cell in run.cells if cell.verdict == "failed"]


def test_device_and_host_time_are_two_numbers(run: Run) -> None:
    timed = [cell for cell in run.cells if cell.summary]
    assert timed
    for cell in timed:
        assert cell.host_samples is not None
        assert len(cell.host_samples.total) == len(cell.samples.total)
        assert cell.host_samples.total != cell.samples.total


def test_the_allocator_never_hands_out_less_than_what_lives(run: Run) -> None:
    for cell in run.cells:
        if cell.memory.peak_bytes is not None:
            assert cell.memory.allocated_peak_bytes is not None
            assert cell.memory.reserved_peak_bytes is not None
            assert cell.memory.reserved_peak_bytes >= cell.memory.allocated_peak_bytes
            # The optimizer's step counts (4 bytes a tensor) live on the host.
            assert cell.memory.allocated_peak_bytes >= 0.99 * cell.memory.peak_bytes


def test_the_machine_names_the_gpu_and_the_driver(run: Run) -> None:
    assert run.machine.accelerator == torch.cuda.get_device_name(0)
    assert run.machine.driver
    assert run.machine.cuda == torch.version.cuda


@pytest.mark.parametrize("name", strategies.names())
def test_prediction_agrees_with_the_gpu_or_says_which_operator_does_not(name: str) -> None:
    options = workloads.Options(8, 0, (), None)
    peaks = []
    for recipe in (Recipe("cuda"), Recipe("meta", foreach=True)):
        workload = workloads.build("policy", options, meta=recipe.device == "meta")
        peaks.append(read_memory(Training(workload, strategies.find(name), recipe)))
    measured, predicted = peaks
    assert measured.memory.peak_bytes == pytest.approx(predicted.memory.peak_bytes, rel=0.5)
    if measured.memory.peak_bytes != predicted.memory.peak_bytes:
        assert measured.allocated_by != predicted.allocated_by


@pytest.mark.parametrize("index", range(torch.cuda.device_count()))
def test_events_agree_with_a_synchronised_host_clock_on_every_gpu(index: int) -> None:
    device = choose(f"cuda:{index}")
    device.activate()
    training = Training(
        workloads.build("policy", workloads.Options(512, 0, (), None)),
        strategies.find("full"),
        Recipe(str(device)),
    )
    clock = device.clock()
    for _ in range(5):
        training.step(clock.mark)
    clock.read()
    device.synchronize()
    begin = time.perf_counter()
    for _ in range(20):
        training.step(clock.mark)
    by_events = sum(clock.read().device.total)
    by_host = time.perf_counter() - begin
    assert 0.5 * by_host < by_events <= by_host


def test_a_turn_synchronises_once(monkeypatch: pytest.MonkeyPatch) -> None:
    device = choose("cuda")
    training = Training(
        workloads.build("policy", workloads.Options(None, 0, (), None)),
        strategies.find("requires_grad"),
        Recipe(str(device)),
    )
    take_turn(training, device.clock(), 2)
    calls = []
    real = torch.accelerator.synchronize
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda *a: (calls.append(a), real(*a)))
    torch.cuda.set_sync_debug_mode("error")  # any other wait raises
    try:
        take_turn(training, device.clock(), 4)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(calls) == 1


@pytest.mark.parametrize("arguments", [["--dtype", "float16"], ["--compile"]])
def test_half_precision_and_compilation_run(arguments: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main,
        ["run", "-w", "policy", "-s", "requires_grad", "-d", "cuda", "--budget", "5",
         "--results", str(tmp_path), *arguments],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
