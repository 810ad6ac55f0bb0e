"""Steps that cannot be run a second time."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader
from trainings import freeze

from bench.audit import audit_training

BATCHES = 6  # as many as are audited


def batches() -> object:
    return iter(DataLoader([torch.randn(4) for _ in range(BATCHES)], batch_size=1))  # type: ignore[arg-type]


def test_drift_in_steps_that_cannot_be_repeated_has_no_cause() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    freeze(model[0])
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)
    left, calls = batches(), 0

    def step() -> None:
        nonlocal calls
        batch = next(left)  # type: ignore[call-overload]
        calls += 1
        if calls == 2:
            model[0].weight.data.add_(1)
        optimizer.zero_grad()
        model(batch).square().sum().backward()
        optimizer.step()

    found = audit_training(model, optimizer, step)
    (moved,) = [one for one in found.findings if one.rule == "frozen-moved"]
    assert "can't be repeated" in moved.what
    assert "begun again unchanged" not in moved.what
    assert "no single thing" not in moved.why
    assert any("StopIteration" in note for note in found.notes)


def test_a_missing_gradient_in_steps_that_cannot_be_repeated_has_no_cause() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict({k: nn.Linear(4, 4) for k in ("stem", "still", "head")})
    freeze(model["still"])
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    left = batches()

    def step() -> None:
        batch = next(left)  # type: ignore[call-overload]
        with torch.no_grad():
            hidden = model["still"](model["stem"](batch))
        optimizer.zero_grad()
        model["head"](hidden).square().sum().backward()
        optimizer.step()

    found = audit_training(model, optimizer, step)
    assert "unused" not in [one.rule for one in found.findings]
    (missing,) = [one for one in found.findings if "stem.weight" in one.where]
    assert not missing.decided_by
    assert any("StopIteration" in note for note in found.notes)
