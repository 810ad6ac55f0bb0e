"""Tensors of other kinds: sparse gradients, complex weights, nothing in them, one element."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import ConvNext, SpectralConv, Tagger, vit
from bench.audit_study.batches import CLASSES, images, sentences
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("tagger")
def sparse_gradients() -> Subject:
    """Word vectors have sparse gradients and an optimizer for those; the rest is frozen."""
    model = Tagger()
    model.vectors = nn.Embedding(40, 16, sparse=True)
    model.rnn.requires_grad_(False)
    of_vectors = torch.optim.SparseAdam(list(model.vectors.parameters()), lr=1e-2)
    of_classes = torch.optim.Adam(model.out.parameters(), lr=1e-3)
    tokens, tags = sentences(), torch.randint(CLASSES, (4, 8))

    def step() -> None:
        model.zero_grad()
        functional.cross_entropy(model(tokens)[0], tags).backward()
        of_vectors.step()
        of_classes.step()

    return Subject(model, [of_vectors, of_classes], step, ("rnn",))


@clean("mlp")
def complex_weights() -> Subject:
    """Of two Fourier layers with complex weights one is frozen."""
    model: Any = nn.Sequential(SpectralConv(4, 5), SpectralConv(4, 5), nn.Conv1d(4, 1, 1))
    model[0].requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, wanted = torch.randn(4, 4, 16), torch.randn(4, 1, 16)

    def step() -> None:
        optimizer.zero_grad()
        functional.mse_loss(model(inputs), wanted).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("0",))


@clean("convnext")
def nothing_in_a_parameter() -> Subject:
    """A frozen place for prompts, of which there are none."""
    model: Any = ConvNext()
    model.prompts = nn.Parameter(torch.empty(0, 16), requires_grad=False)
    model.stem.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("vit")
def locked_image_tower() -> Subject:
    """Contrastive tuning with a locked image tower; the temperature is trained and clamped."""
    model: Any = nn.Module()
    model.image, model.text = vit().requires_grad_(False), nn.Linear(12, CLASSES)
    model.logit_scale = nn.Parameter(torch.tensor(2.6))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    (inputs, _), texts = images(), torch.randn(4, 12)

    def step() -> None:
        optimizer.zero_grad()
        with torch.no_grad():
            one = functional.normalize(model.image(inputs), dim=-1)
        other = functional.normalize(model.text(texts), dim=-1)
        logits = model.logit_scale.exp() * one @ other.T
        functional.cross_entropy(logits, torch.arange(4)).backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)

    return Subject(model, [optimizer], step, ("image",))


@clean("convnext")
def frozen_in_bfloat16() -> Subject:
    """The frozen stages are kept in bfloat16; what trains is float32."""
    model = ConvNext()
    for part in (model.stem, model.stages):
        part.requires_grad_(False).bfloat16()
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        x = model.stages(model.stem(inputs.bfloat16())).float().mean((2, 3))
        functional.cross_entropy(model.head(model.norm(x)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("stem", "stages"))
