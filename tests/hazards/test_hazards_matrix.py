"""Every scenario under every strategy: who is hit, who is spared, and that it is the hazard."""

from __future__ import annotations

import pytest
import torch
from hazard_strategies import EVERY

from bench.hazards import ROSTER
from bench.rules import RULES
from strategies import find

TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])
FREEZING = tuple(name for name in EVERY if name != "full")
IN_TRAINING_MODE = tuple(name for name in FREEZING if not name.endswith("+eval"))
CUTTING = ("no_grad", "detach", "inference_mode", "feature_cache")

VICTIMS = {
    "bn-statistics": ("moves", IN_TRAINING_MODE),
    "train-undoes-eval": ("moves", tuple({*IN_TRAINING_MODE} - {"feature_cache"})),
    "batch-statistics": ("affected", FREEZING),
    "bn-counter": ("moves", IN_TRAINING_MODE),
    "spectral-norm": ("moves", IN_TRAINING_MODE),
    "dropout-active": ("affected", tuple({*IN_TRAINING_MODE} - {"feature_cache"})),
    "stale-gradient": ("moves", ("no_grad", "mask_grads", "functional")),
    "zeroed-not-none": ("moves", ("mask_grads", "no_grad")),
    "decay-on-masked": ("moves", ("mask_grads",)),
    "momentum-coasts": ("moves", ("mask_grads",)),
    "third-party-decay": ("moves", ("clear_grads", "mask_grads", "no_grad")),
    "lr-revived": ("moves", ("lr_zero",)),
    "zero-times-inf": ("moves", ("lr_zero",)),
    "rprop-floor": ("moves", ("lr_zero",)),
    "state-for-frozen": ("affected", ("lr_zero", "mask_grads", "restore")),
    "gradient-pile-up": ("affected", ("optimizer_subset",)),
    "clip-counts-frozen": ("affected", ("optimizer_subset", "lr_zero")),
    "no-op-freeze": ("moves", ("requires_grad", "no_grad", "lr_zero")),
    "weight-norm-names": ("moves", FREEZING),
    "tied-weights": ("moves", CUTTING),
    "flag-re-enabled": ("affected", ("requires_grad", "requires_grad+eval")),
    "unfrozen-unlisted": ("affected", ("requires_grad", "optimizer_subset", "lr_zero")),
    "severed": ("severed", CUTTING),
    "inference-tensor": ("error", ("inference_mode",)),
    "reentrant-checkpoint": ("severed", ("requires_grad", *CUTTING)),
    "inplace-data": ("affected", ("requires_grad", "optimizer_subset")),
    "scaler-no-grads": ("error", ("no_grad", "clear_grads")),
    "ema-rounding": ("affected", ("requires_grad", "no_grad")),
    "ddp-flags": ("error", ("requires_grad", "no_grad")),
    "fsdp-mixed": ("error", ("requires_grad",)),
    "compile-stale": (
        "immune",
        FREEZING,
    ),  # torch guards it by now
    "compile-recompiles": ("affected", ("requires_grad", "no_grad")),
}

# Where the mend is for others: what these do themselves is against the wrapper.
NOT_MENDED = {
    ("unfrozen-unlisted", "buffers"): "affected",  # there is no parameter to give to an optimizer
    ("reentrant-checkpoint", "functional"): "error",  # torch.func takes no saved-tensor hooks
    ("ddp-flags", "backward_inputs"): "error",  # DDP's hooks don't run with inputs=
    ("ddp-flags", "functional"): "error",
    ("fsdp-mixed", "mask_grads"): "moves",  # the hooks are on views of the flat parameter
    ("fsdp-mixed", "functional"): "error",
    ("fsdp-mixed", "restore"): "error",  # the snapshot has the whole shape, the shard has not
}


def _skip_what_depends_on_torch(hazard):
    if hazard.startswith("compile-") and TORCH < (2, 14):
        pytest.skip("which frames are used again, and what compiles, depends on torch")


def test_every_scenario_has_its_victims_named():
    assert VICTIMS.keys() == ROSTER.keys()


@pytest.mark.parametrize("hazard", ROSTER)
def test_no_scenario_is_broken(cells, hazard):
    for name in EVERY:
        cell = cells[hazard, name]
        assert "broken" not in (cell.outcome.kind, cell.mended.kind), cell.outcome.says


@pytest.mark.parametrize("hazard", ROSTER)
def test_a_hazard_hits_whom_it_is_known_to_hit(cells, hazard):
    _skip_what_depends_on_torch(hazard)
    kind, victims = VICTIMS[hazard]
    found = {name: cells[hazard, name].outcome.kind for name in victims}
    assert found == dict.fromkeys(victims, kind)


@pytest.mark.parametrize("hazard", ROSTER)
def test_without_the_hazard_there_is_nothing_to_see(cells, hazard):
    _skip_what_depends_on_torch(hazard)
    found = {name: cells[hazard, name].mended for name in EVERY}
    left = {
        (hazard, name): outcome.kind
        for name, outcome in found.items()
        if outcome.kind not in ("immune", "not applicable")
    }
    assert left == {key: kind for key, kind in NOT_MENDED.items() if key[0] == hazard}


@pytest.mark.parametrize("hazard", ROSTER)
def test_what_is_said_has_a_figure_or_names(cells, hazard):
    for name in EVERY:
        outcome = cells[hazard, name].outcome
        assert outcome.says.endswith((".", "!", "?"))
        assert "\n" not in outcome.says
        if outcome.kind in ("moves", "affected"):
            assert outcome.figure is None or outcome.figure > 0
            assert outcome.unit
        if outcome.kind == "severed":
            assert outcome.severed
        if outcome.kind == "error":
            assert outcome.error


@pytest.mark.parametrize("hazard", ROSTER)
def test_a_scenario_tells_its_mechanism_its_mend_and_its_source(hazard):
    told = ROSTER[hazard].told()
    assert told.title
    assert told.mechanism.endswith(".")
    assert told.mend
    assert told.sources
    assert all(source.startswith("https://") for source in told.sources)


def test_a_finding_of_an_audit_has_the_name_of_its_scenario():
    # These are wrappers' and compilers' own: no audit meets them as a cause.
    apart = {"ddp-flags", "fsdp-mixed", "compile-stale", "compile-recompiles"}
    assert set(ROSTER) - apart <= set(RULES)


@pytest.mark.parametrize("hazard", ROSTER)
def test_what_freezes_nothing_is_concerned_by_no_hazard(cells, hazard):
    cell = cells[hazard, "full"]
    assert {cell.outcome.kind, cell.mended.kind} == {"not applicable"}


@pytest.mark.parametrize("hazard", ["severed", "reentrant-checkpoint", "compile-recompiles"])
def test_without_any_freeze_there_is_no_hazard(hazard):
    assert ROSTER[hazard].outcome(find("full")).kind == "immune"


def test_overflow_is_told_as_no_figure(cells):
    outcome = cells["zero-times-inf", "lr_zero"].outcome
    assert outcome.figure is None
    assert "infinity or NaN" in outcome.says


def test_a_cache_does_not_renew_what_a_module_keeps_on_itself(cells):
    outcome = cells["inference-tensor", "feature_cache"].outcome
    assert outcome.kind == "affected"
    assert "kept in another step" in outcome.says


def test_the_silent_and_the_loud_cut_are_both_told(cells):
    says = cells["severed", "no_grad"].outcome.says
    assert "stem.weight" in says
    assert "does not require grad" in says
