"""Small trainings with frozen modules whose buffers move: statistics, counters, norm vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim.swa_utils import update_bn
from trainings import Conv, Mlp, freeze, inputs_of, plain

if TYPE_CHECKING:
    from bench.audit import Subject


def bn_statistics() -> Subject:
    model = Conv()
    freeze(model.backbone)
    return plain(model, torch.optim.SGD(model.head.parameters(), 0.1))


def bn_without_affine() -> Subject:
    model = nn.Sequential(
        nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8, affine=False)), nn.Linear(8, 2)
    )
    freeze(model[0])
    return plain(model, torch.optim.Adam(model.parameters()))


def bn_counter() -> Subject:
    model = Conv()
    freeze(model.backbone)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    return plain(model, torch.optim.SGD(model.head.parameters(), 0.1))


def train_undoes_eval() -> Subject:
    model = Conv()
    freeze(model.backbone)
    model.backbone.eval()
    return plain(model, torch.optim.SGD(model.head.parameters(), 0.1), before=model.train)


class Codebook(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.register_buffer("seen", torch.zeros(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen += x.detach().mean(0)
        return x * self.scale


def statistics_renewed() -> Subject:
    model = Conv()
    freeze(model.backbone)
    model.eval()
    x = inputs_of(model)
    return plain(
        model,
        torch.optim.SGD(model.head.parameters(), 0.1),
        after=lambda: update_bn([x], model),
    )


def buffers_of_ones_own() -> Subject:
    model = Mlp()
    model.body[2] = Codebook()
    freeze(model.body)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def spectral_norm() -> Subject:
    model = Mlp()
    model.stem = parametrizations.spectral_norm(model.stem)
    freeze(model.stem)
    return plain(model, torch.optim.AdamW(model.parameters()))


def old_spectral_norm() -> Subject:
    model = Mlp()
    model.stem = torch.nn.utils.spectral_norm(model.stem)
    freeze(model.stem)
    return plain(model, torch.optim.AdamW(model.parameters()))
