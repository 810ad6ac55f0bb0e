"""The auditor on every set-up of the study: these are its regression tests."""

from __future__ import annotations

import copy
import random
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from bench.audit import Rewound
from bench.audit_study.observe import observe
from bench.audit_study.report import complaints
from bench.audit_study.roster import set_ups
from bench.measure.stillness import same_bits
from bench.workloads.seeding import seeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.audit.subject import Subject
    from bench.audit_study.set_up import SetUp

LIVING = 3  # of so many set-ups one is audited alive as well
FAULTS = [pytest.param(one, id=one.name) for one in set_ups() if one.expected]
CLEAN = [pytest.param(one, id=one.name) for one in set_ups() if not one.expected]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("one", FAULTS)
def test_a_fault_is_found_with_its_cause_and_nothing_else(one: SetUp) -> None:
    assert complaints(observe(one)) == []


@pytest.mark.parametrize("one", CLEAN)
def test_a_clean_set_up_stays_silent(one: SetUp) -> None:
    assert complaints(observe(one)) == []


@pytest.mark.parametrize("one", (FAULTS + CLEAN)[::LIVING])
def test_a_living_training_is_afterwards_as_it_was(one: SetUp) -> None:
    with seeded(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subject = one.make()
        before = state(subject)
        outcome = observe(one, Rewound(subject))
        after = state(subject)
    assert outcome.failed is None
    assert differences(before, after) == []


def state(subject: Subject) -> dict[str, Any]:
    """A copy of all that an audit has to put back."""
    model = subject.model
    named = dict(model.named_parameters(remove_duplicate=False))
    return {
        "identity": {name: id(parameter) for name, parameter in named.items()},
        "parameters": {name: parameter.detach().clone() for name, parameter in named.items()},
        "buffers": {name: buffer.clone() for name, buffer in model.named_buffers()},
        "gradients": {
            name: None if parameter.grad is None else parameter.grad.clone()
            for name, parameter in named.items()
        },
        "flags": {name: parameter.requires_grad for name, parameter in named.items()},
        "modes": {name: module.training for name, module in model.named_modules()},
        "hooks": {
            name: (len(module._forward_hooks), len(module._forward_pre_hooks))
            for name, module in model.named_modules()
        },
        "optimizers": [groups_and_state(optimizer) for optimizer in subject.optimizers],
        "others": [copy.deepcopy(other.state_dict()) for other in subject.stateful],
        "grad mode": torch.is_grad_enabled(),
        "random": [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()],
    }


def groups_and_state(optimizer: Any) -> Any:
    """What `state_dict` says, or the groups of an optimizer that has none."""
    if isinstance(optimizer, torch.optim.Optimizer):
        return copy.deepcopy(optimizer.state_dict())
    return [
        {key: len(value) if key == "params" else value for key, value in group.items()}
        for group in optimizer.param_groups
    ]


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Where two states differ; tensors are compared bitwise."""
    if isinstance(before, torch.Tensor) and isinstance(after, torch.Tensor):
        return [] if same_bits(before, after) else [path]
    if isinstance(before, dict) and isinstance(after, dict):
        if list(before) != list(after):
            return [f"{path}: keys"]
        return [d for key in before for d in differences(before[key], after[key], f"{path}/{key}")]
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        if len(before) != len(after):
            return [f"{path}: length"]
        pairs = enumerate(zip(before, after, strict=True))
        return [d for i, (one, other) in pairs for d in differences(one, other, f"{path}/{i}")]
    return [] if repr(before) == repr(after) else [path]  # a NaN equals itself
