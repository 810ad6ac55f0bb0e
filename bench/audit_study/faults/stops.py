"""Steps that could not be finished, and numbers that are none."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from bench.audit.subject import Subject
from bench.audit_study.architectures import Gan, Siamese, Tagger, UNet, mobilenet_v3, swin, vit
from bench.audit_study.batches import CLASSES, images, sentences
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("tagger", "step-raised")
def last_batch_is_smaller() -> Subject:
    """The recurrent state is kept from batch to batch, and the last batch is smaller."""
    model = Tagger()
    model.vectors.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    data = TensorDataset(sentences(14), torch.randint(CLASSES, (14, 8)))
    batches = iter(DataLoader(data, batch_size=4))
    state: Any = None

    def step() -> None:
        nonlocal state
        tokens, tags = next(batches)
        logits, state = model(tokens, state)
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        functional.cross_entropy(logits, tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("tagger", "step-raised")
def graph_of_the_last_step() -> Subject:
    """The recurrent state is not detached: the second step goes back through the first."""
    model = Tagger(nn.GRU)
    model.vectors.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    tokens, tags = sentences(), torch.randint(CLASSES, (4, 8))
    state: Any = None

    def step() -> None:
        nonlocal state
        logits, state = model(tokens, state)
        optimizer.zero_grad()
        functional.cross_entropy(logits, tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("vit", "inference-tensor", also=("step-raised",))
def features_under_inference_mode() -> Subject:
    """Frozen features are made under `inference_mode` and used by a layer that trains."""
    model = vit()
    model.requires_grad_(False)
    model.heads = nn.Linear(16, CLASSES)
    optimizer = torch.optim.SGD(model.heads.parameters(), lr=0.1)
    inputs, labels = images()
    body = nn.Sequential(model.conv_proj, nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten())

    def step() -> None:
        with torch.inference_mode():
            features = body(inputs)
        optimizer.zero_grad()
        functional.cross_entropy(model.heads(features), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("unet", "inference-tensor", also=("step-raised",))
def encoder_in_inference_mode() -> Subject:
    """The same with a U-Net whose skips are inference tensors."""
    model = UNet(norm=lambda width: nn.GroupNorm(2, width))
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))

    @torch.inference_mode()
    def encode(batch: torch.Tensor) -> list[torch.Tensor]:
        return model.encode(batch)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model.decode(encode(inputs)), target).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@fault("gan", "scaler-no-grads", also=("step-raised",))
def scaler_steps_the_frozen_side() -> Subject:
    """One loss scaler for both sides steps the optimizer of the side that is frozen by now."""
    model = Gan()
    model.discriminator.requires_grad_(False)
    of_g = torch.optim.Adam(model.generator.parameters(), lr=1e-3)
    of_d = torch.optim.Adam(model.discriminator.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu")

    def step() -> None:
        of_g.zero_grad()
        loss = functional.softplus(-model.discriminator(model.generator(torch.randn(4, 8)))).mean()
        scaler.scale(loss).backward()
        scaler.step(of_g)
        scaler.step(of_d)
        scaler.update()

    return Subject(model, [of_g, of_d], step, ("discriminator",), [scaler])


@fault("siamese", "non-finite", where=("projection.weight",))
def distance_of_equal_things() -> Subject:
    """The gradient of a distance is NaN where both sides are equal."""
    model = Siamese()
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.Adam(model.projection.parameters(), lr=1e-3)
    left = torch.randn(4, 3, 16, 16)
    right = left.clone()
    right[1:] += 0.1

    def step() -> None:
        one, other = model(left, right)
        loss = ((one - other) ** 2).sum(1).sqrt().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@fault("swin", "non-finite", where=("head.weight",))
def logarithm_of_zero() -> Subject:
    """`log` of a softmax that has reached 0."""
    model = swin()
    model.features.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, _ = images()

    def step() -> None:
        probability = (model(inputs) * 1e4).softmax(-1)
        optimizer.zero_grad()
        (probability * probability.log()).sum().backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("features",))


@fault("mobilenet_v3", "step-raised")
def single_image_in_training_mode() -> Subject:
    """The last batch holds one image, and BatchNorm of a new head refuses it."""
    model = mobilenet_v3()
    model.requires_grad_(False)
    model.eval()
    width = model.classifier[0].in_features
    model.classifier = nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, CLASSES))
    optimizer = torch.optim.SGD(model.classifier.parameters(), lr=0.1)
    data = TensorDataset(*images(13, size=32))
    batches = iter(DataLoader(data, batch_size=4))

    def step() -> None:
        inputs, labels = next(batches)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
