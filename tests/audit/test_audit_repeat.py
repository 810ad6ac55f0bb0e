"""Steps that cannot be run a second time."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from trainings import freeze

from bench.audit import AuditError, Rewound, Subject, audit_training
from bench.audit.rebuilt import Made, Rebuilt

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


def test_what_cannot_be_put_back_is_said_and_the_rest_is_put_back() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    freeze(model[0])
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        model(torch.randn(3, 4)).square().sum().backward()
        optimizer.step()

    def stays() -> None:
        raise RuntimeError("it stays")

    world = Rewound(Subject(model, [optimizer], step))
    world._snapshot._restore.insert(0, stays)  # in front of all else
    before, drawn = model[1].weight.detach().clone(), torch.get_rng_state()
    world.begin()
    step()
    with pytest.raises(AuditError, match=r"could not be put back.*it stays"):
        world.end()
    assert torch.equal(model[1].weight, before)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not optimizer.state


def test_an_expanded_buffer_is_put_back() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    freeze(model[0])
    one = torch.ones(1)
    model[1].register_buffer("wide", one.expand(4))
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)

    def step() -> None:
        one.add_(1)
        optimizer.zero_grad()
        model(torch.ones(3, 4)).square().sum().backward()
        optimizer.step()

    before = model[1].weight.detach().clone()
    audit_training(model, optimizer, step)
    assert torch.equal(model[1].weight, before)
    assert torch.equal(model[1].wide, torch.ones(4))


def test_the_random_state_is_put_back_where_closing_raises() -> None:
    def close() -> None:
        raise RuntimeError("no teardown")

    torch.manual_seed(5)
    before = torch.get_rng_state()
    world = Rebuilt(lambda: Made(Subject(nn.Linear(1, 1), [], lambda: None), close))
    world.begin()
    with pytest.raises(AuditError, match="no teardown"):
        world.end()
    assert torch.equal(torch.get_rng_state(), before)


def test_copies_are_decided_on_with_all_that_is_copied() -> None:
    model = nn.ModuleDict({"still": nn.Linear(10, 10), "head": nn.Linear(10, 200)})
    freeze(model["still"])
    optimizer = torch.optim.Adam(model["head"].parameters())

    def step() -> None:
        optimizer.zero_grad()
        model["head"](model["still"](torch.ones(2, 10))).square().sum().backward()
        optimizer.step()

    def kept_by(free_bytes: int) -> str:
        return Rewound(Subject(model, [optimizer], step), free_bytes).kept_by

    head = sum(parameter.nbytes for parameter in model["head"].parameters())
    frozen = sum(parameter.nbytes for parameter in model["still"].parameters())
    room = 2 * (frozen + head) + 100  # half of it may be taken
    assert kept_by(room) == "copy"
    step()  # a gradient and two averages as large
    assert kept_by(room) == "hash"
    assert kept_by(room + 2 * 3 * head) == "copy"
    assert kept_by(2 * frozen) == "hash"
