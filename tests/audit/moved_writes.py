"""Small trainings in which something besides the update writes what is frozen, or replaces it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from trainings import Mlp, Tagger, freeze, plain

if TYPE_CHECKING:
    from bench.audit import Subject


def hooked_update() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def clip_weights(*_: Any) -> None:
        for parameter in model.parameters():
            parameter.data.clamp_(-0.05, 0.05)

    optimizer.register_step_post_hook(clip_weights)
    return plain(model, optimizer)


def renormalised_embedding() -> Subject:
    model = Tagger()
    model.embedding = nn.Embedding(11, 6, max_norm=0.5)
    freeze(model.embedding)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def clamped() -> Subject:
    model = Mlp()
    freeze(model.body)

    def clamp() -> None:
        for parameter in model.parameters():
            parameter.data.clamp_(-0.05, 0.05)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), after=clamp)


def assigned_data() -> Subject:
    model = Mlp()
    freeze(model.body)

    def assign() -> None:
        model.body[0].weight.data = model.body[0].weight.data * 0.5

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=assign)


def written_by_numpy() -> Subject:
    model = Mlp()
    freeze(model.body)

    def write() -> None:
        model.body[0].weight.detach().numpy()[0, 0] += 1

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), between=write)


def replaced() -> Subject:
    model = Mlp()
    freeze(model.body)
    steps = [0]

    def swap() -> None:
        steps[0] += 1
        if steps[0] == 2:
            model.body[0] = nn.Linear(8, 8).requires_grad_(False)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=swap)
