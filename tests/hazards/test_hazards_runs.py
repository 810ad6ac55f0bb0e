"""How scenarios are run: nothing is left behind, and who fails is told."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import pytest
import torch
from hazard_strategies import FlagOnly

from bench.hazards import ROSTER, HazardError, chosen, measure, ranks
from bench.hazards.undisturbed import undisturbed
from bench.records import Outcome
from strategies import StrategyError

HERE = Path(__file__).parent
ALONE = [name for name, scenario in ROSTER.items() if scenario.needs_processes == 1]
SLOW = {"compile-stale", "ema-rounding"}


def _state():
    return (
        torch.get_rng_state().tolist(),
        random.getstate(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        logging.root.manager.disable,
    )


@pytest.mark.parametrize("hazard", [name for name in ALONE if name not in SLOW])
def test_a_scenario_leaves_the_process_as_it_found_it(hazard, heard):
    before = _state()
    measure([hazard], ["no_grad", "lr_zero"], heard)
    assert _state() == before


@pytest.mark.parametrize("hazard", [name for name in ALONE if name not in SLOW])
def test_a_scenario_says_the_same_whatever_ran_before(hazard, heard):
    first = measure([hazard], ["mask_grads"], heard)
    torch.manual_seed(12345)
    torch.randn(7)
    assert measure([hazard], ["mask_grads"], heard) == first


def test_default_dtype_and_gradient_mode_of_the_caller_are_not_the_scenarios(heard):
    expected = measure(["clip-counts-frozen"], ["lr_zero"], heard)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            assert measure(["clip-counts-frozen"], ["lr_zero"], heard) == expected
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_bar_hears_of_every_cell(heard):
    measure(["severed", "bn-counter"], ["full", "no_grad", "restore"], heard)
    assert heard.total == heard.done == 6


def test_what_a_strategy_raises_is_an_outcome(monkeypatch, heard):
    def prepare(self, model, partition):
        raise OSError("the disk is full")

    monkeypatch.setattr(FlagOnly, "prepare", prepare)
    with undisturbed():
        outcome = ROSTER["severed"].outcome(FlagOnly())
    assert outcome.kind == "error"
    assert outcome.says == "OSError: the disk is full."


def test_what_a_scenario_raises_itself_is_broken(monkeypatch, heard):
    def run(self, strategy, *, mended):
        raise KeyError("no such layer")

    monkeypatch.setattr(type(ROSTER["severed"]), "run", run)
    (cell,) = measure(["severed"], ["no_grad"], heard)
    assert cell.outcome.kind == cell.mended.kind == "broken"
    assert "no such layer" in cell.outcome.says


@pytest.fixture
def launches(monkeypatch):
    """Launches that come as far as they are told to, instead of processes."""
    ends = []

    def launched(tasks, work, told):
        ends_in = next((n for n, task in enumerate(tasks) if task.strategy in ends), len(tasks))
        for number, task in enumerate(tasks[: ends_in + 1]):
            ranks._append(work, ranks.Told(number, None))
            if number < ends_in:
                ranks._append(work, ranks.Told(number, Outcome("immune", "It stands.")))
                told(task)
        return "ChildFailedError: exitcode 7"

    monkeypatch.setattr(ranks, "_launch", launched)
    return ends


@pytest.mark.parametrize("dying", [[], ["a"], ["b"], ["c"], ["a", "b"], ["a", "b", "c"]])
def test_a_strategy_that_takes_its_processes_with_it_costs_its_own_cell(launches, tmp_path, dying):
    launches += dying
    tasks = [ranks.Task("ddp-flags", name, mended=False) for name in "abc"]
    heard = []
    found = ranks.launch(tasks, tmp_path, heard.append)
    assert heard == tasks
    assert list(found) == tasks
    for task in tasks:
        assert found[task].kind == ("error" if task.strategy in dying else "immune")
        assert ("exitcode 7" in found[task].says) is (task.strategy in dying)


def test_processes_that_never_begin_break_the_row_and_end(monkeypatch, tmp_path):
    monkeypatch.setattr(ranks, "_launch", lambda tasks, work, told: "no such interface")
    tasks = [ranks.Task("ddp-flags", name, mended=False) for name in "ab"]
    found = ranks.launch(tasks, tmp_path)
    assert [found[task].kind for task in tasks] == ["broken", "broken"]
    assert "no such interface" in found[tasks[0]].says


def test_a_strategy_of_a_file_has_its_own_name_in_the_matrix(heard):
    (cell,) = measure(["severed"], [f"{HERE / 'hazard_strategies.py'}:FlagOnly"], heard)
    assert cell.strategy == "flag_only"
    assert cell.outcome.kind == "immune"


def test_two_strategies_of_one_name_are_refused(heard, tmp_path):
    other = tmp_path / "other.py"
    other.write_text((HERE / "hazard_strategies.py").read_text())
    specs = [f"{HERE / 'hazard_strategies.py'}:FlagOnly", f"{other}:FlagOnly"]
    with pytest.raises(HazardError, match="both called 'flag_only'"):
        measure(["severed"], specs, heard)


def test_hazards_are_chosen_in_the_order_of_the_roster():
    assert chosen(["severed", "bn-counter"]) == ["bn-counter", "severed"]
    assert chosen([]) == list(ROSTER)


def test_an_unknown_hazard_is_told_its_near_matches():
    with pytest.raises(HazardError, match="did you mean 'lr-revived'"):
        chosen(["lr-revive"])


def test_an_unknown_strategy_is_refused_before_anything_runs(heard):
    with pytest.raises(StrategyError, match="no strategy 'no_gradd'"):
        measure(["severed"], ["no_gradd"], heard)
    assert heard.total == 0


def test_inference_mode_that_something_left_on_is_put_back():
    left_on = torch.inference_mode()
    with undisturbed():
        left_on.__enter__()

    assert not torch.is_inference_mode_enabled()
