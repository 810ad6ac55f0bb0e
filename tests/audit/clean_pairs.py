"""Small trainings with nothing wrong, of a network beside another: critic, teacher, copy, mean."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from trainings import Mlp, freeze, inputs_of, plain

from bench.audit import Subject


def gan() -> Subject:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(4, 4)
            self.generator = Mlp()
            self.critic = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))

    model = Pair()
    freeze(model.encoder)
    one = torch.optim.Adam(model.generator.parameters(), 0.01)
    other = torch.optim.Adam(model.critic.parameters(), 0.01)

    def step() -> None:
        x = torch.randn(6, 4)
        fake = model.generator(model.encoder(x))
        other.zero_grad()
        (model.critic(fake.detach()).mean() - model.critic(torch.randn(6, 3)).mean()).backward()
        other.step()
        one.zero_grad()
        (-model.critic(fake).mean()).backward()
        one.step()

    return Subject(model, [one, other], step)


def running_average() -> Subject:
    model = Mlp()
    freeze(model.body)
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    return plain(
        model,
        SGD(model.parameters(), 0.1),
        after=lambda: ema.update_parameters(model),
        stateful=[ema],
    )


def a_teacher_beside() -> Subject:
    model = Mlp()
    teacher = copy.deepcopy(model).requires_grad_(False)
    freeze(model.body)
    optimizer = SGD(model.parameters(), 0.1)

    def step() -> None:
        x = torch.randn(6, 4)
        with torch.no_grad():
            target = teacher(x) + 1
        optimizer.zero_grad()
        (model(x) - target).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def shared_with_another_model() -> Subject:
    model = Mlp()
    other = Mlp()
    other.stem = model.stem
    freeze(model.stem)
    optimizer = SGD([*model.parameters(), *other.head.parameters()], 0.1)
    x = inputs_of(model)

    def step() -> None:
        optimizer.zero_grad()
        (model(x) + other(x)).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def critic_frozen_for_the_generator() -> Subject:
    """A frozen stem below, and flags of the critic that go off and on."""

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = Mlp()
            self.critic = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))

    model = Pair()
    freeze(model.generator.stem)
    one = torch.optim.Adam(model.generator.parameters(), 0.01)
    other = torch.optim.Adam(model.critic.parameters(), 0.01)

    def step() -> None:
        fake = model.generator(torch.randn(6, 4))
        model.critic.requires_grad_(True)
        other.zero_grad()
        (model.critic(fake.detach()).mean() - model.critic(torch.randn(6, 3)).mean()).backward()
        other.step()
        model.critic.requires_grad_(False)
        one.zero_grad()
        (-model.critic(fake).mean()).backward()
        one.step()

    return Subject(model, [one, other], step)


class Target(nn.Module):
    """A network and its copy, which follows it."""

    def __init__(self, norm: bool, momentum: float = 0.99) -> None:
        super().__init__()
        self.online = Mlp(norm=norm)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.momentum = momentum

    @torch.no_grad()
    def follow(self) -> None:
        pairs = zip(self.target.parameters(), self.online.parameters(), strict=True)
        for target, online in pairs:
            target.data = target.data * self.momentum + online.data * (1 - self.momentum)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            goal = self.target(x + 0.1)
        return self.online(x) - goal + 1


def target_network(norm: bool, when: str) -> Any:
    def make() -> Subject:
        model = Target(norm)
        optimizer = SGD([p for p in model.parameters() if p.requires_grad], 0.1)
        return plain(model, optimizer, **{when: model.follow})

    return make
