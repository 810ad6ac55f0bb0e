"""Tensors of other kinds: complex ones, those of one element, and a loss that counts for 0."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import NormFreeNet, SpectralConv, vit
from bench.audit_study.batches import CLASSES, images
from bench.audit_study.set_up import fault


@fault("mlp", "no-op-freeze", where=("operator.weight",))
def complex_weight_in_the_optimizer() -> Subject:
    """The complex weight of a Fourier layer was to be frozen, by a misspelt flag."""
    model: Any = nn.Module()
    model.operator, model.out = SpectralConv(4, 5), nn.Conv1d(4, 1, 1)
    model.operator.weight.require_grad = False
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, wanted = torch.randn(4, 4, 16), torch.randn(4, 1, 16)

    def step() -> None:
        optimizer.zero_grad()
        functional.mse_loss(model.out(model.operator(inputs)), wanted).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("operator",))


@fault("vit", "inplace-data", where=("logit_scale",))
def temperature_clamped() -> Subject:
    """The temperature of a contrastive loss is frozen, and clamped after each step as ever."""
    model: Any = nn.Module()
    model.image, model.text = vit(), nn.Linear(12, CLASSES)
    model.logit_scale = nn.Parameter(torch.tensor(5.0), requires_grad=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    (inputs, _), texts = images(), torch.randn(4, 12)

    def step() -> None:
        optimizer.zero_grad()
        one = functional.normalize(model.image(inputs), dim=-1)
        other = functional.normalize(model.text(texts), dim=-1)
        logits = model.logit_scale.exp() * one @ other.T
        functional.cross_entropy(logits, torch.arange(4)).backward()
        optimizer.step()
        model.logit_scale.data.clamp_(0, 4.6052)

    return Subject(model, [optimizer], step)


@fault("norm_free_net", "decay-on-masked", where=("auxiliary.weight",))
def loss_that_counts_for_nothing() -> Subject:
    """The auxiliary head is "frozen" by a factor of 0 of its loss; AdamW decays it."""
    model: Any = NormFreeNet()
    model.auxiliary = nn.Linear(16, CLASSES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        middle = model.auxiliary(model.stem(inputs).mean((2, 3)))
        (loss + 0.0 * functional.cross_entropy(middle, labels)).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("auxiliary",))
