"""Every claim is really measured, the long ones in a small size."""

from __future__ import annotations

import pytest
import torch
from msgspec.structs import replace

from bench.claims import ROSTER, Laboratory, Settings, UnknownClaimError, answer_all, chosen
from bench.claims.claim import Claim
from bench.claims.cost_of_run import costs, versus
from bench.claims.denoising.arms import ALONE, ARMS, AT_ONCE
from bench.claims.denoising.experiment import experiment
from bench.claims.denoising.learning import train_arm, trained_classifier
from bench.claims.late import wrapped as wrapping
from bench.claims.late.compiled import backends, compiled
from bench.claims.late.midway import drift_midway, flags_before_the_weights
from bench.run.progress import Unwatched
from strategies import ROSTER as STRATEGIES

TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])
TINY = Settings(
    seeds=2, noises=(0.0, 4.0), classifier_steps=2, steps=4, batch=8, looks=2, strategy_steps=2,
    strategy_batches=2, processes=1,
)  # fmt: skip

QUICK = {1: "holds", 2: "holds", 3: "holds", 4: "false", 6: "holds", 9: "holds",
         12: "holds only when", 13: "holds only when"}  # fmt: skip


@pytest.mark.parametrize("number", QUICK)
def test_a_quick_claim_is_measured_and_answered(number):
    answer = answer_all([number], Laboratory(TINY)).answers[0]
    assert answer.why == ""
    assert answer.verdict == QUICK[number]
    assert answer.figures
    assert answer.command == f"freezebench claims {number}"


def test_measuring_a_quick_claim_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    answer_all([2, 9], Laboratory(TINY))
    assert torch.equal(before, torch.get_rng_state())


@pytest.fixture(scope="module")
def tiny():
    return experiment(TINY, Unwatched())


def test_the_experiment_has_every_arm_level_and_seed(tiny):
    assert [arm.name for arm in tiny.arms] == [arm.name for arm in ARMS]
    for arm, plan in zip(tiny.arms, ARMS, strict=True):
        sizes = [len(level) for level in arm.accuracy]
        assert sizes == [2 if plan.trained_at(noise) else 0 for noise in TINY.noises]
    assert {curve.arm for curve in tiny.curves} == {arm.name for arm in ARMS}
    for curve in tiny.curves:
        assert all(len(each) == len(curve.steps) for each in curve.accuracy)


def test_the_experiment_compares_all_strategies_and_names_those_that_cut_the_adapter_off(tiny):
    assert [one.strategy for one in tiny.strategies] == list(STRATEGIES)
    verdicts = {one.strategy: one.verdict for one in tiny.strategies}
    severed = {name for name, verdict in verdicts.items() if verdict == "severed"}
    assert severed == {"no_grad", "detach", "inference_mode", "feature_cache"}
    assert verdicts["full"] == "reference"
    assert verdicts["requires_grad"] == "ok"
    for one in tiny.strategies:
        if one.verdict == "severed":
            assert one.before == one.after


def test_the_experiment_is_the_same_in_several_processes(tiny):
    small = Settings(**{**vars(TINY), "processes": 2})
    assert experiment(small, Unwatched()) == tiny


def test_the_experiment_can_be_judged_and_an_untrained_classifier_tells_nothing(tiny):
    assert ROSTER[7]().judge(tiny).verdict == "can't tell"


def test_an_adapter_leaves_its_classifier_as_it_was():
    classifier = trained_classifier(0, 2)
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    for arm in ARMS:
        train_arm(arm, classifier, 4.0, 0, TINY, 0)
    for name, tensor in classifier.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_an_adapter_begins_almost_as_the_classifier_alone():
    classifier = trained_classifier(0, 20)
    untrained = Settings(steps=0)
    alone = train_arm(ALONE, classifier, 1.0, 0, untrained, 0).accuracy
    assert train_arm(AT_ONCE, classifier, 1.0, 0, untrained, 0).accuracy == pytest.approx(
        alone, abs=0.03
    )


def test_a_freeze_in_mid_training_holds_only_with_cleared_gradients():
    assert drift_midway("Adam", "cleared") == 0
    assert drift_midway("Adam", "zeros") > 0
    assert drift_midway("AdamW", "left") > 0


def test_flags_survive_weights_that_come_later_but_not_a_new_layer():
    found = flags_before_the_weights()
    assert found.pop("a layer put in its place") is False
    assert all(found.values())


def test_flags_are_obeyed_whenever_they_are_set_around_a_compilation(monkeypatch):
    monkeypatch.setattr("bench.claims.late.compiled.backends", lambda: ["eager"])
    found = compiled()["eager"]
    assert all(one.works for one in found.values())
    further = found["after the first step"].frames - found["before compiling"].frames
    # Older torch may need no further frame: eager reads the flags when it runs the one there is.
    assert further > 0 or (further == 0 and TORCH < (2, 14))


def test_inductor_is_asked_only_where_there_is_a_compiler(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert backends() == ["eager"]


def test_flags_after_a_wrap_are_an_error_without_a_search_for_unused_parameters():
    before, after, searching = wrapping.wrapped().values()
    assert before.works
    assert "finished reduction" in after.error
    assert searching.works


def test_processes_that_tell_nothing_are_told(monkeypatch):
    monkeypatch.setattr(wrapping, "_launched", lambda _: ("no gloo here\n", False))
    with pytest.raises(wrapping.NoDistributedError, match="no gloo here"):
        wrapping.wrapped()


@pytest.fixture(scope="module")
def run():
    return Laboratory(budget=1.0, timed=("adapter",)).run


def test_claims_on_cost_rest_on_one_run(run):
    laboratory = Laboratory(TINY)
    laboratory.__dict__["run"] = run
    found = answer_all([5, 8, 14], laboratory)
    assert [answer.verdict for answer in found.answers] == ["holds", "can't tell", "holds"]
    assert found.costs == costs(run)
    assert found.run == run


def test_ratios_of_two_strategies_are_absent_where_a_cell_failed(run):
    failed = [
        replace(cell, verdict="failed") if cell.strategy == "lr_zero" else cell
        for cell in run.cells
    ]
    assert versus(replace(run, cells=failed), "requires_grad", "lr_zero") == []
    assert len(versus(replace(run, cells=failed), "requires_grad", "full")) == 1


class _Broken(Claim):
    number = 2
    source = "forum"
    said = short = question = rule = how = "broken?"

    def measure(self, laboratory):
        raise ValueError("out of luck\nwith more lines")

    def judge(self, outcome):
        raise AssertionError


def test_a_measurement_that_breaks_is_kept_without_a_verdict_beside_the_others(monkeypatch):
    monkeypatch.setitem(ROSTER, 2, _Broken)
    first, second = answer_all([1, 2], Laboratory(TINY)).answers
    assert first.verdict == "holds"
    assert second.verdict is None
    assert second.why == "ValueError: out of luck"


def test_claims_are_chosen_once_and_in_order():
    assert chosen([7, 3, 7]) == [3, 7]
    assert chosen([]) == list(range(1, 15))


def test_an_unknown_claim_is_refused():
    with pytest.raises(UnknownClaimError, match="no claim 15"):
        chosen([1, 15])
