"""A frozen tensor that moves is found, and with its cause alone."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from moved_buffers import (
    bn_counter,
    bn_statistics,
    bn_without_affine,
    buffers_of_ones_own,
    old_spectral_norm,
    spectral_norm,
    statistics_renewed,
    train_undoes_eval,
)
from moved_flags import (
    flag_re_enabled,
    flag_re_enabled_later,
    no_op_freeze,
    no_op_freeze_inferred,
    old_weight_norm_names,
    parts_of_one_vector,
    shared_memory,
    tied_and_trained_by_adam,
    tied_head,
    update_in_every_other_step,
    update_of_the_step_before,
    weight_norm_names,
    weight_norm_not_frozen_at_all,
)
from moved_updates import (
    decay_on_masked,
    decay_on_masked_by_hand,
    infinite_and_masked,
    lr_revived_by_cosine,
    lr_revived_by_hand,
    momentum_coasts,
    one_cycle_that_hid_the_zero,
    one_rate_for_each_part,
    rprop_floor,
    stale_gradient,
    stale_gradient_once,
    third_party_decay,
    third_party_list,
    third_party_wrapper,
    zero_times_inf,
    zeroed_not_none,
    zeroed_with_decay,
)
from moved_writes import (
    assigned_data,
    clamped,
    hooked_update,
    renormalised_embedding,
    replaced,
    written_by_numpy,
)
from trainings import Mlp, audited, freeze, rules

from bench.audit import Subject

FAULTS: list[tuple[Any, str, str]] = [
    (bn_statistics, "bn-statistics", "backbone.1.running_mean"),
    (bn_without_affine, "bn-statistics", "0.1.running_var"),
    (bn_counter, "bn-counter", "backbone.1.num_batches_tracked"),
    (train_undoes_eval, "train-undoes-eval", "backbone.1.running_mean"),
    (statistics_renewed, "train-undoes-eval", "backbone.1.running_mean"),
    (buffers_of_ones_own, "bn-statistics", "body.2.seen"),
    (spectral_norm, "spectral-norm", "stem.weight"),
    (old_spectral_norm, "spectral-norm", "stem.weight_u"),
    (stale_gradient, "stale-gradient", "body.0.weight"),
    (functools.partial(stale_gradient, torch.optim.AdamW), "stale-gradient", "body.0.weight"),
    (stale_gradient_once, "stale-gradient", "body.1.bias"),
    (zeroed_not_none, "zeroed-not-none", "body.0.weight"),
    (zeroed_with_decay, "zeroed-not-none", "body.0.weight"),
    (decay_on_masked, "decay-on-masked", "body.0.weight"),
    (decay_on_masked_by_hand, "decay-on-masked", "backbone.0.weight"),
    (momentum_coasts, "momentum-coasts", "body.0.weight"),
    (third_party_decay, "third-party-decay", "body.0.weight"),
    (third_party_list, "third-party-decay", "body.0.weight"),
    (third_party_wrapper, "third-party-decay", "body.0.weight"),
    (hooked_update, "inplace-data", "body.0.weight"),
    (renormalised_embedding, "inplace-data", "embedding.weight"),
    (lr_revived_by_cosine, "lr-revived", "body.0.weight"),
    (one_cycle_that_hid_the_zero, "no-op-freeze", "body.0.weight"),
    (lr_revived_by_hand, "lr-revived", "body.0.weight"),
    (zero_times_inf, "zero-times-inf", "body.0.weight"),
    (infinite_and_masked, "zero-times-inf", "body.0.weight"),
    (rprop_floor, "rprop-floor", "body.0.weight"),
    (tied_head, "tied-weights", "embedding.weight"),
    (tied_and_trained_by_adam, "tied-weights", "embedding.weight"),
    (shared_memory, "tied-weights", "embedding.weight"),
    (flag_re_enabled, "flag-re-enabled", "body.0.weight"),
    (flag_re_enabled_later, "flag-re-enabled", "body.0.weight"),
    (no_op_freeze, "no-op-freeze", "body.0.weight"),
    (update_of_the_step_before, "no-op-freeze", "body.0.weight"),
    (update_in_every_other_step, "no-op-freeze", "body.0.weight"),
    (parts_of_one_vector, "no-op-freeze", "body.0.weight"),
    (one_rate_for_each_part, "no-op-freeze", "body.0.weight"),
    (no_op_freeze_inferred, "no-op-freeze", "body.0.weight"),
    (weight_norm_names, "weight-norm-names", "stem.weight"),
    (weight_norm_not_frozen_at_all, "no-op-freeze", "stem.parametrizations.weight.original1"),
    (old_weight_norm_names, "weight-norm-names", "stem.weight"),
    (clamped, "inplace-data", "body.0.weight"),
    (assigned_data, "inplace-data", "body.0.weight"),
    (written_by_numpy, "inplace-data", "body.0.weight"),
    (replaced, "parameter-replaced", "body.0.weight"),
]


@pytest.mark.parametrize("how", ["anew", "rewound"])
@pytest.mark.parametrize(
    ("make", "rule", "name"), FAULTS, ids=[f"{rule}-{n}" for n, (_, rule, _) in enumerate(FAULTS)]
)
def test_a_frozen_tensor_that_moves_is_found_with_its_cause_alone(
    make: Any, rule: str, name: str, how: str
) -> None:
    found = audited(make, how)

    assert rules(found) == [rule], found.findings
    assert name in found.findings[0].where
    assert found.findings[0].moved
    assert found.findings[0].mend


def test_a_gradient_that_is_applied_once_is_seen_in_the_first_warm_step() -> None:
    assert audited(stale_gradient_once, warm=3).findings[0].since_step == 1


def test_the_line_that_wrote_is_named_without_its_folder() -> None:
    finding = audited(clamped).findings[0]

    assert "moved_writes.py:" in finding.what
    assert "/" not in finding.what


def test_a_change_of_dtype_is_no_change_by_0() -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def step() -> None:
            model.double()
            optimizer.zero_grad()
            model(torch.ones(2, 4, dtype=torch.float64)).sum().backward()
            optimizer.step()

        return Subject(model, [optimizer], step)

    (finding,) = [one for one in audited(make).findings if one.moved]

    assert "to another dtype" in finding.what
    assert "by up to 0" not in finding.what
