"""Small trainings whose flags freeze less than they seem to, or do not stay."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations
from trainings import Mlp, Tagger, freeze, inputs_of, plain

from bench.audit import Subject


def tied_head() -> Subject:
    model = Tagger(tied=True)
    return plain(
        model, torch.optim.SGD([*model.rnn.parameters(), model.head.weight], 0.1), ("embedding",)
    )


def tied_and_trained_by_adam() -> Subject:
    model = Tagger(tied=True)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    model.embedding.weight.requires_grad_(False)
    model.head.weight.requires_grad_(True)
    return plain(model, optimizer, ("embedding",))


def shared_memory() -> Subject:
    model = Tagger()
    model.head.weight.data = model.embedding.weight.data
    freeze(model.embedding)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def flag_re_enabled() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    return plain(model, optimizer, before=lambda: model.requires_grad_(True))


def flag_re_enabled_later() -> Subject:
    model = Mlp()
    freeze(model.body)
    steps = [0]

    def resize() -> None:
        steps[0] += 1
        if steps[0] == 3:
            model.body.requires_grad_(True)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), ("body",), before=resize)


def no_op_freeze() -> Subject:
    model = Mlp()
    model.body.requires_grad = False  # type: ignore[assignment]
    return plain(model, torch.optim.Adam(model.parameters()), ("body",))


def no_op_freeze_inferred() -> Subject:
    model = Mlp()
    for parameter in model.body.parameters():
        parameter.require_grad = False
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def update_of_the_step_before() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x = inputs_of(model)

    def step() -> None:
        optimizer.step()
        optimizer.zero_grad()
        model(x).square().mean().backward()

    return Subject(model, [optimizer], step, ("body",))


def update_in_every_other_step() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x = inputs_of(model)
    steps = [0]

    def step() -> None:
        steps[0] += 1
        if steps[0] % 2:
            optimizer.zero_grad()
            model(x).square().mean().backward()
        else:
            optimizer.step()

    return Subject(model, [optimizer], step, ("body",))


def parts_of_one_vector() -> Subject:
    model = Mlp()
    vector = nn.utils.parameters_to_vector(model.parameters()).detach()
    nn.utils.vector_to_parameters(vector, model.parameters())
    return plain(model, torch.optim.SGD(model.parameters(), 0.01), ("body",))


def weight_norm_names() -> Subject:
    model = Mlp()
    model.stem = parametrizations.weight_norm(model.stem)
    model.stem.parametrizations.weight.original1.requires_grad_(False)
    model.stem.bias.requires_grad_(False)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def weight_norm_not_frozen_at_all() -> Subject:
    model = Mlp()
    model.stem = parametrizations.weight_norm(model.stem)
    names = ("stem.parametrizations.weight.original1",)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1), names)


def old_weight_norm_names() -> Subject:
    model = Mlp()
    model.stem = torch.nn.utils.weight_norm(model.stem)
    model.stem.weight_v.requires_grad_(False)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))
