"""Weights and buffers that are written by hand, rightly: copies, swaps, masters, averages."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    WIDTH,
    Clip,
    Conformer,
    ConvMixer,
    Denoiser,
    Detr,
    GraphNet,
    PointNet,
    Siamese,
    WaveNet,
    regnet,
    swin_v2,
)
from bench.audit_study.batches import CLASSES, classification, descending, images, sentences
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("conv_mixer")
def frozen_part_loaded_again() -> Subject:
    """Each step begins by loading the frozen stem's checkpoint, which is what it holds."""
    model = ConvMixer()
    model.stem.requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step, kept = classification(model, optimizer, images()), copy.deepcopy(model.stem)

    def step() -> None:
        model.stem.load_state_dict(kept.state_dict())
        train_step()

    return Subject(model, [optimizer], step, ("stem",))


@clean("denoiser")
def rounded_for_the_forward_pass() -> Subject:
    """Frozen weights are rounded to bfloat16 for the forward pass and put back after it."""
    model = Denoiser()
    model.middle.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, times = images(3, 8)[0], torch.tensor([3, 20, 70])

    def loss() -> torch.Tensor:
        noise = torch.randn_like(inputs)
        return functional.mse_loss(model(inputs + noise, times), noise)

    def step() -> None:
        whole = [p.detach().clone() for p in model.middle.parameters()]
        for parameter in model.middle.parameters():
            parameter.data = parameter.data.bfloat16().float()
        optimizer.zero_grad()
        loss().backward()
        for parameter, kept in zip(model.middle.parameters(), whole, strict=True):
            parameter.data = kept
        optimizer.step()

    return Subject(model, [optimizer], step, ("middle",))


@clean("siamese")
def momentum_encoder_inside() -> Subject:
    """MoCo: a key encoder within the model follows the query encoder and takes no gradient."""
    model: Any = Siamese()
    model.key = copy.deepcopy(model.encoder).requires_grad_(False)
    model.encoder[0].requires_grad_(False)
    model.key[0].requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    left, right = images()[0], images()[0]

    def step() -> None:
        query = functional.normalize(model.projection(model.encoder(left)))
        with torch.no_grad():
            for slow, fast in zip(model.key.parameters(), model.encoder.parameters(), strict=True):
                slow.lerp_(fast, 0.1)
            key = functional.normalize(model.projection(model.key(right)))
        optimizer.zero_grad()
        functional.cross_entropy(query @ key.T / 0.2, torch.arange(4)).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder.0", "key.0"))


@clean("clip")
def queue_of_texts() -> Subject:
    """Embeddings of past texts wait in a buffer of the model; the text tower is frozen."""
    model: Any = Clip()
    model.register_buffer("queue", functional.normalize(torch.randn(8, WIDTH)))
    model.register_buffer("place", torch.zeros((), dtype=torch.long))
    model.text.requires_grad_(False)
    model.text_projection.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    (inputs, _), tokens = images(), sentences()

    def loss() -> torch.Tensor:
        with torch.no_grad():
            texts = model.of_texts(tokens)
        near = torch.cat([texts, model.queue.clone()])
        alike = model.logit_scale.exp() * model.of_images(inputs) @ near.T
        at = int(model.place)
        model.queue[at : at + 4] = texts
        model.place.fill_((at + 4) % 8)
        return functional.cross_entropy(alike, torch.arange(4))

    step = descending(optimizer, loss)
    return Subject(model, [optimizer], step, ("text", "text_projection"))


@clean("swin_v2")
def master_weights() -> Subject:
    """The model is bfloat16; the optimizer holds float32 masters, copied over after each step."""
    model = swin_v2().bfloat16()
    model.features[0].requires_grad_(False)
    learnt = trained(model)
    masters = [p.detach().float().clone().requires_grad_(True) for p in learnt]
    optimizer = torch.optim.Adam(masters, lr=2e-2)
    inputs, labels = images()

    def step() -> None:
        for parameter in learnt:
            parameter.grad = None
        functional.cross_entropy(model(inputs.bfloat16()).float(), labels).backward()
        for master, parameter in zip(masters, learnt, strict=True):
            master.grad = None if parameter.grad is None else parameter.grad.float()
        optimizer.step()
        with torch.no_grad():
            for master, parameter in zip(masters, learnt, strict=True):
                parameter.copy_(master)

    return Subject(model, [optimizer], step, ("features.0",))


@clean("regnet")
def validated_with_the_average() -> Subject:
    """The average is swapped in for validation and the trained weights are swapped back."""
    model = regnet()
    model.stem.requires_grad_(False)
    average = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(trained(model), lr=0.05, momentum=0.9)
    batch = images(size=32)

    def swap() -> None:
        for place, parameter in enumerate(model.parameters()):
            parameter.data, average[place] = average[place], parameter.data

    def step() -> None:
        model.train()
        model.stem.eval()
        optimizer.zero_grad()
        functional.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(average, model.parameters(), strict=True):
                slow.lerp_(fast, 0.1)
            swap()
            model.eval()
            model(batch[0])
            swap()

    return Subject(model, [optimizer], step, ("stem",))


class LowRank(nn.Module):
    """Adds a product of two thin matrices to the weight that it is put on."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(2, inputs) * 0.3)
        self.b = nn.Parameter(torch.zeros(outputs, 2))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The shape of `weight`."""
        return weight + self.b @ self.a


@clean("graph_net")
def low_rank_by_parametrization() -> Subject:
    """LoRA as a parametrization: the original weight is frozen, the weight that is used moves."""
    model: Any = GraphNet()
    model.requires_grad_(False)
    for layer, inputs in ((model.conv1, 8), (model.conv2, WIDTH)):
        parametrize.register_parametrization(layer, "weight", LowRank(WIDTH, inputs))
    model.out.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-2)
    batch = torch.randn(12, 8), torch.randint(CLASSES, (12,))
    frozen = tuple(
        f"{layer}.{name}"
        for layer in ("conv1", "conv2")
        for name in ("bias", "parametrizations.weight.original")
    )
    return Subject(model, [optimizer], classification(model, optimizer, batch), frozen)


@clean("wavenet")
def weight_norm_where_it_trains() -> Subject:
    """Dilated convolutions have weight norm and are trained; the skips have none, frozen."""
    model: Any = WaveNet()
    for convolution in model.dilated:
        parametrizations.weight_norm(convolution)
    model.skips.requires_grad_(False)
    optimizer = torch.optim.Rprop(trained(model), lr=1e-3)
    batch = torch.randn(3, 1, 24), torch.randint(CLASSES, (3, 24))
    return Subject(model, [optimizer], classification(model, optimizer, batch), ("skips",))


@clean("point_net")
def spectral_norm_where_it_trains() -> Subject:
    """Power iteration goes on in the classifier, which is trained; the turn is frozen."""
    model: Any = PointNet()
    for place in (0, 2):
        parametrizations.spectral_norm(model.classifier[place])
    model.turn.requires_grad_(False)
    optimizer = torch.optim.ASGD(model.parameters(), lr=0.05)
    batch = torch.randn(4, 10, 3), torch.randint(CLASSES, (4,))
    return Subject(model, [optimizer], classification(model, optimizer, batch), ("turn",))


@clean("detr")
def batchnorm_that_learns_only_statistics() -> Subject:
    """BatchNorm's affine is a constant of the module; statistics move where it is not frozen."""
    model: Any = Detr()
    model.backbone[1][0] = nn.BatchNorm2d(8, affine=False)
    model.backbone[0].requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    inputs, labels = images(3)
    wanted = torch.rand(3, 3, 4)

    def loss() -> torch.Tensor:
        logits, boxes = model(inputs)
        classes = labels[:, None].expand(-1, 3)
        found = functional.cross_entropy(logits.transpose(1, 2), classes)
        return found + functional.l1_loss(boxes, wanted)

    return Subject(model, [optimizer], descending(optimizer, loss), ("backbone.0",))


@clean("conformer")
def utterance_of_nothing_but_padding() -> Subject:
    """One utterance is all padding; attention answers it without NaN, as torch has it now."""
    model = Conformer()
    model.subsampling.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    frames, labels = torch.randn(3, 12, 8), torch.randint(CLASSES, (3, 12))
    padded = torch.zeros(3, 12, dtype=torch.bool)
    padded[2] = True

    def loss() -> torch.Tensor:
        return functional.cross_entropy(model(frames, padded), labels)

    return Subject(model, [optimizer], descending(optimizer, loss), ("subsampling",))
