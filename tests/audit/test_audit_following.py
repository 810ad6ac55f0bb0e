"""A copy that follows hides no drift beside it, and is an error where it should be frozen."""

from __future__ import annotations

import torch
from clean_pairs import target_network
from torch import nn
from trainings import audited, freeze, plain, rules

from bench.audit import Subject


class Beside(nn.Module):
    """A frozen encoder with BatchNorm beside a trained part and the copy that follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.ModuleDict(
            {
                "encoder": nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)),
                "online": nn.Linear(4, 3),
                "target": nn.Linear(4, 3),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net["online"](self.net["encoder"](x))

    @torch.no_grad()
    def follow(self) -> None:
        for one, other in zip(
            self.net["target"].parameters(), self.net["online"].parameters(), strict=True
        ):
            one.lerp_(other, 0.1)


def test_what_drifts_beside_a_copy_that_follows_is_found_by_its_own_cause() -> None:
    def make() -> Subject:
        model = Beside()
        freeze(model.net["encoder"], model.net["target"])
        optimizer = torch.optim.SGD(model.net["online"].parameters(), 0.01)
        return plain(model, optimizer, after=model.follow)

    found = audited(make)
    drift, follower = found.findings[0], found.findings[1]

    assert rules(found) == ["bn-statistics"]
    if drift.rule != "bn-statistics":
        drift, follower = follower, drift
    assert all(name.startswith("net.encoder.1.") for name in drift.where)
    assert sorted(follower.where) == ["net.target.bias", "net.target.weight"]


def test_a_copy_that_follows_is_an_error_where_it_was_said_to_be_frozen() -> None:
    def make() -> Subject:
        subject = target_network(norm=False, when="after")()
        return Subject(subject.model, subject.optimizers, subject.step, ("target",))

    assert rules(audited(make)) == ["inplace-data"]
