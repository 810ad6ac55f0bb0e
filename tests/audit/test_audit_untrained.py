"""What is not trained is found with its cause alone, also where a step raises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from trainings import Mlp, audited, rules
from untrained_parts import FAULTS, head_replaced, raises_at_3

from bench.audit import Rewound, Subject, audit


@pytest.mark.parametrize("how", ["anew", "rewound"])
@pytest.mark.parametrize(("make", "rule", "name"), FAULTS, ids=[m.__name__ for m, _, _ in FAULTS])
def test_what_is_not_trained_is_found_with_its_cause_alone(
    make: Any, rule: str, name: str | None, how: str
) -> None:
    found = audited(make, how)

    assert rules(found) == [rule], found.findings
    assert name is None or name in found.findings[0].where


ELSEWHERE = [one for one in FAULTS if one[0] is not head_replaced]  # it makes a layer in a step


@pytest.mark.parametrize(
    ("make", "rule", "name"), ELSEWHERE, ids=[m.__name__ for m, _, _ in ELSEWHERE]
)
def test_a_default_device_of_the_user_s_changes_nothing(
    make: Any, rule: str, name: str | None
) -> None:
    torch.manual_seed(0)
    subject = make()

    with torch.device("meta"):  # where nothing can be computed with
        found = audit(Rewound(subject), target="a test")

    assert rules(found) == [rule]
    assert name is None or name in found.findings[0].where


def test_what_was_found_before_a_step_raised_is_kept() -> None:
    def make() -> Subject:
        subject = raises_at_3()
        model = subject.model
        assert isinstance(model, Mlp)
        with torch.no_grad():
            step, weight = subject.step, model.body[0].weight

        def writing() -> None:
            weight.data.add_(1.0)
            step()

        return Subject(model, subject.optimizers, writing)

    found = audited(make)

    assert rules(found) == ["inplace-data", "step-raised"]
    assert found.stopped is not None
    assert "ValueError: no third batch (untrained_parts.py:" in found.stopped
