"""Learning rates that are all 0, or stay 0 for some steps, are a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from trainings import Mlp, audited, freeze, plain, rules

if TYPE_CHECKING:
    from bench.audit import Subject


@pytest.mark.parametrize(("steps", "expected"), [(5, ["not-updated"]), (1, [])])
def test_a_schedule_that_stays_at_0_is_a_warning_after_some_steps(
    steps: int, expected: list[str]
) -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: done // 100)
        return plain(model, optimizer, stateful=[scheduler])

    found = audited(make, steps=steps)

    assert rules(found) == expected, found.findings
    assert {finding.severity for finding in found.findings} <= {"warning"}


def at_rate_zero() -> Subject:
    model = Mlp()
    freeze(model.stem)
    left = [p for p in model.parameters() if p.requires_grad]
    return plain(model, torch.optim.SGD(left, lr=0.0))


def test_learning_rates_that_are_all_0_are_a_warning_though_nothing_was_declared() -> None:
    found = audited(at_rate_zero)
    assert [(one.rule, one.severity) for one in found.findings] == [("not-updated", "warning")]


def test_several_names_take_verbs_in_the_plural() -> None:
    (found,) = audited(at_rate_zero).findings
    assert len(found.where) > 1
    assert " get a gradient, and the learning rate is 0" in found.what
