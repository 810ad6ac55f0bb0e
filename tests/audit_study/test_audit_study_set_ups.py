"""The set-ups are what they say, by a plain comparison that knows nothing of the auditor."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from bench.audit_study import set_up
from bench.audit_study.clean import CLEAN
from bench.audit_study.faults import FAULTS
from bench.measure.stillness import frozen_tensors, same_bits
from bench.rules import RULES
from bench.workloads.seeding import seeded
from strategies import Partition, find_tensor

if TYPE_CHECKING:
    import torch

    from bench.audit.subject import Subject
    from bench.audit_study.set_up import SetUp

NOISE = 1e-6  # of a gradient
WATCHED = 6  # steps, as an audit runs them by default
MOVES = {
    "bn-statistics",
    "bn-counter",
    "train-undoes-eval",
    "spectral-norm",
    "stale-gradient",
    "zeroed-not-none",
    "decay-on-masked",
    "momentum-coasts",
    "third-party-decay",
    "lr-revived",
    "zero-times-inf",
    "rprop-floor",
    "tied-weights",
    "flag-re-enabled",
    "no-op-freeze",
    "inplace-data",
    "parameter-replaced",
}
STAYS = {
    "severed",
    "reentrant-checkpoint",
    "flag-off",
    "unfrozen-unlisted",
    "not-updated",
    "lost-to-rounding",
    "unused",
}
MOVING = [one for one in FAULTS if set(one.expected) <= MOVES]
STAYING = [one for one in FAULTS if set(one.expected) <= STAYS]


def named(set_ups: tuple[SetUp, ...] | list[SetUp]) -> list[object]:
    return [pytest.param(one, id=one.name) for one in set_ups]


def tensors(subject: Subject) -> dict[str, torch.Tensor]:
    model = subject.model
    return dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())


def moved(subject: Subject) -> set[str]:
    """Names whose tensors differ after a step from what they were."""
    before = {name: tensor.detach().clone() for name, tensor in tensors(subject).items()}
    found: set[str] = set()
    for _ in range(WATCHED):
        subject.step()
        now = tensors(subject)
        found |= {name for name, kept in before.items() if not same_bits(kept, now[name])}
    return found


@pytest.mark.parametrize("one", named(MOVING))
def test_a_fault_that_moves_something_moves_what_it_names(one: SetUp) -> None:
    with seeded(0):
        found = moved(one.make())
    for name in one.where:
        assert any(other == name or other.startswith(f"{name}.") for other in found), name


@pytest.mark.parametrize("one", named(STAYING))
def test_a_fault_that_keeps_something_from_training_leaves_it_where_it_is(one: SetUp) -> None:
    with seeded(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = moved(one.make())
    for name in one.where:
        assert not any(other == name or other.startswith(f"{name}.") for other in found), name


@pytest.mark.parametrize("one", named(CLEAN))
def test_a_clean_set_up_moves_what_is_trained_and_nothing_else(one: SetUp) -> None:
    with seeded(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subject = one.make()
        model = subject.model
        at_zero = {
            id(parameter)
            for optimizer in subject.optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
            if group["lr"] == 0 and any(g["lr"] for g in optimizer.param_groups)
        }
        if subject.frozen is None:
            partition = Partition.of_names(
                model,
                [n for n, p in model.named_parameters() if not p.requires_grad or id(p) in at_zero],
            )
        else:
            partition = Partition.of(model, subject.frozen)
        still = {place.name for place in frozen_tensors(model, partition)}
        found = moved(subject)
    assert not found & still
    for name in set(partition.trainable) - found:  # dead, or a bias before a norm
        gradient = find_tensor(model, name).grad
        assert gradient is not None
        assert gradient.abs().max() < NOISE


@pytest.mark.parametrize("one", named(FAULTS))
def test_a_fault_names_rules_that_there_are(one: SetUp) -> None:
    assert one.expected
    assert set(one.expected) | set(one.also) <= set(RULES)


def test_every_rule_from_a_warning_upwards_is_planted() -> None:
    planted = {rule for one in FAULTS for rule in one.expected}
    loud = {rule.name for rule in RULES.values() if rule.severity != "notice"}
    assert loud <= planted


# Of flags that are thawed outside of what is frozen, the audit gives a notice by this rule.
MILDER = {"flags-changed"}


@pytest.mark.parametrize("one", named(CLEAN))
def test_what_a_clean_set_up_pays_for_is_a_notice(one: SetUp) -> None:
    assert {RULES[rule].severity for rule in {*one.also} - MILDER} <= {"notice"}


def test_two_set_ups_of_one_name_are_refused() -> None:
    from bench.audit_study.faults import flags  # noqa: PLC0415

    with pytest.raises(ValueError, match="two set-ups have the name"):
        set_up.gathered((flags, flags))
