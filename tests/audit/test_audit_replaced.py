"""A frozen module that is replaced is gone, and one that only gets another name is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from trainings import Mlp, audited, freeze, plain, rules

if TYPE_CHECKING:
    from bench.audit import Subject


@pytest.mark.parametrize("how", ["anew", "rewound"])
def test_a_frozen_module_that_disappears_is_found_and_its_flags_did_not_change(how: str) -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        steps = [0]

        def swap() -> None:
            steps[0] += 1
            if steps[0] == 3:
                model.body = nn.Sequential(nn.Sequential(nn.Linear(8, 8)))

        return plain(model, torch.optim.SGD(model.parameters(), 0.1), ("body",), before=swap)

    found = audited(make, how)
    finding = found.findings[0]

    assert rules(found) == ["parameter-replaced"]
    assert "have not been in the model since step 3" in finding.what
    assert sorted(finding.where) == ["body.0.bias", "body.0.weight", "body.1.bias", "body.1.weight"]


def test_a_frozen_tensor_that_is_found_under_another_name_is_not_gone() -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)

        def wrap() -> None:
            if not isinstance(model.body[0], nn.Sequential):
                model.body[0] = nn.Sequential(model.body[0])

        return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=wrap)

    assert rules(audited(make)) == []
