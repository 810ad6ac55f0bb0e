"""Frozen parts whose modes and norms are in order, or that do not mind the mode."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import FrozenBatchNorm2d

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Bert,
    ConvNext,
    Gan,
    Mixer,
    NormFreeNet,
    UNet,
    Vgg,
    densenet,
    efficientnet_b,
    hub_bert,
    mobilenet_v3,
    resnet18,
    short_resnet,
    shufflenet,
    vit,
)
from bench.audit_study.batches import CLASSES, classification, images, labelled_sentences
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("resnet18")
def eval_after_every_train() -> Subject:
    """The loop calls `model.train()` and then puts the frozen backbone into eval mode."""
    model = resnet18()
    model.requires_grad_(False)
    model.fc = nn.Linear(512, CLASSES)
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.01, momentum=0.9)
    one_step = classification(model, optimizer, images())

    def step() -> None:
        model.train()
        for name, child in model.named_children():
            if name != "fc":
                child.eval()
        one_step()

    return Subject(model, [optimizer], step)


@clean("densenet")
def train_overridden() -> Subject:
    """`train()` of the model itself keeps its frozen features in eval mode."""

    class Probe(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = densenet().features.requires_grad_(False)
            self.classifier = nn.LazyLinear(CLASSES)

        def train(self, mode: bool = True) -> Probe:
            super().train(mode)
            self.features.eval()
            return self

        def forward(self, inputs: torch.Tensor) -> Any:
            return self.classifier(functional.relu(self.features(inputs)).mean((2, 3)))

    model = Probe().train()
    batch = images(size=32)
    model(batch[0])
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    one_step = classification(model, optimizer, batch)

    def step() -> None:
        model.train()
        one_step()

    return Subject(model, [optimizer], step, ("features",))


@clean("short_resnet")
def frozen_batchnorm_of_torchvision() -> Subject:
    """`FrozenBatchNorm2d` has buffers only, and does not mind training mode."""
    model = short_resnet(norm_layer=FrozenBatchNorm2d)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(("layer4", "fc"))
    optimizer = torch.optim.SGD(trained(model), lr=0.01, momentum=0.9, weight_decay=1e-4)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("short_resnet")
def last_stage_with_its_batchnorm() -> Subject:
    """The last stage is trained with its BatchNorm; what is before it is frozen and in eval."""
    model = short_resnet()
    for name, child in model.named_children():
        if name not in ("layer4", "fc"):
            child.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("conv1", "bn1", "layer[1-3]"))


@clean("shufflenet")
def only_batchnorm_istrained() -> Subject:
    """Convolutions and head are frozen; BatchNorm is trained, and its statistics move."""
    model = shufflenet()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad = isinstance(module, nn.BatchNorm2d)
    optimizer = torch.optim.SGD(trained(model), lr=0.1, momentum=0.9)
    return Subject(model, [optimizer], classification(model, optimizer, images(size=32)))


@clean("unet")
def group_norm_in_training_mode() -> Subject:
    """GroupNorm keeps nothing, so a frozen encoder may stay in training mode."""
    model = UNet(norm=lambda width: nn.GroupNorm(2, width))
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))
    return Subject(model, [optimizer], classification(model, optimizer, (inputs, target)))


@clean("unet")
def instance_norm_without_statistics() -> Subject:
    """InstanceNorm as it is by default normalises each image by itself."""
    model = UNet(norm=partial(nn.InstanceNorm2d, affine=True))
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.05)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))
    step = classification(model, optimizer, (inputs, target))
    return Subject(model, [optimizer], step, ("encoder",))


@clean("unet")
def encoder_in_eval_under_no_grad() -> Subject:
    """BatchNorm of the encoder in eval mode, its features under `no_grad`; the rest is trained."""
    model = UNet()
    model.encoder.requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))

    def step() -> None:
        with torch.no_grad():
            levels = model.encode(inputs)
        optimizer.zero_grad()
        functional.cross_entropy(model.decode(levels), target).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@clean("vit")
def layer_norm_in_training_mode() -> Subject:
    """A vision transformer without dropout is the same in both modes."""
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    optimizer = torch.optim.SGD(model.heads.parameters(), lr=0.1, momentum=0.9)
    one_step = classification(model, optimizer, images())

    def step() -> None:
        model.train()
        one_step()

    return Subject(model, [optimizer], step)


@clean("mlp")
def weight_norm_wholly_frozen() -> Subject:
    """All parts of both kinds of weight norm are frozen; the weight is made again, the same."""
    model: Any = nn.Module()
    model.body = nn.Sequential(
        nn.utils.weight_norm(nn.Linear(12, 16)),
        nn.ReLU(),
        nn.utils.parametrizations.weight_norm(nn.Linear(16, 16)),
    )
    model.head = nn.Linear(16, CLASSES)
    model.body.requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model.head(model.body(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("body",))


@clean("gan")
def spectral_norm_in_eval() -> Subject:
    """Frozen features with spectral norm are put into eval mode after each `train()`."""
    model = Gan(constrain=nn.utils.parametrizations.spectral_norm)
    features = model.discriminator.features.requires_grad_(False)
    of_g = torch.optim.Adam(model.generator.parameters(), lr=1e-3)
    of_d = torch.optim.Adam(model.discriminator.score.parameters(), lr=1e-3)
    real = torch.randn(4, 3, 4, 4)
    features.eval()

    def step() -> None:
        model.train()
        features.eval()
        noise = torch.randn(4, 8)
        of_d.zero_grad()
        fake = model.generator(noise).detach()
        scores = model.discriminator(real), model.discriminator(fake)
        (functional.softplus(-scores[0]) + functional.softplus(scores[1])).mean().backward()
        of_d.step()
        of_g.zero_grad()
        functional.softplus(-model.discriminator(model.generator(noise))).mean().backward()
        of_g.step()

    return Subject(model, [of_g, of_d], step, ("discriminator.features",))


@clean("norm_free_net")
def weight_standardised_in_training_mode() -> Subject:
    """Standardised weights are made in each forward pass; what is kept does not move."""
    model = NormFreeNet()
    model.stem.requires_grad_(False)
    model.conv1.requires_grad_(False)
    optimizer = torch.optim.RMSprop(trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("bert")
def encoder_in_eval_mode() -> Subject:
    """The frozen encoder's dropout is off; the classifier has one of its own, which is on."""
    model = Bert()
    model.embeddings.requires_grad_(False)
    model.encoder.requires_grad_(False).eval()
    model.pooler = nn.Sequential(nn.Dropout(0.3), nn.Linear(16, 16))  # type: ignore[assignment]
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, labelled_sentences()))


@clean("hub_bert")
def hub_bert_probed() -> Subject:
    """`bert` in eval mode, flags off; its classifier is trained."""
    model = hub_bert()
    model.train()
    model.bert.requires_grad_(False).eval()
    tokens, labels = labelled_sentences()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        model(input_ids=tokens, labels=labels).loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("bert",))


@clean("convnext")
def stochastic_depth_where_it_trains() -> Subject:
    """The stage that trains leaves branches out at random, the frozen one does not."""
    model = ConvNext(drop_path=0.5)
    model.stem.requires_grad_(False)
    model.stages[0].requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("mixer")
def dropout_of_nothing() -> Subject:
    """Dropout with a probability of 0 in a frozen part in training mode."""
    model = Mixer()
    model.blocks[0].mlp_channels.append(nn.Dropout(0.0))  # type: ignore[operator, union-attr]
    model.stem.requires_grad_(False)
    model.blocks.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("efficientnet")
def validation_that_puts_modes_back() -> Subject:
    """After each step there is a validation that remembers the mode of each module."""
    model = efficientnet_b(stochastic_depth=0.2)
    model.features.requires_grad_(False).eval()
    optimizer = torch.optim.SGD(model.classifier.parameters(), lr=0.01)
    train_step = classification(model, optimizer, images(size=32))
    held_out, _ = images(size=32)

    def step() -> None:
        train_step()
        modes = {module: module.training for module in model.modules()}
        model.eval()
        with torch.no_grad():
            model(held_out)
        for module, mode in modes.items():
            module.training = mode

    return Subject(model, [optimizer], step, ("features",))


@clean("mobilenet_v3")
def teacher_in_eval() -> Subject:
    """A frozen teacher in eval mode; the student with its BatchNorm and dropout is trained."""
    model: Any = nn.Module()
    model.student = mobilenet_v3()
    model.teacher = copy.deepcopy(model.student).requires_grad_(False)
    model.teacher.eval()
    optimizer = torch.optim.Adam(model.student.parameters(), lr=1e-3)
    inputs, _ = images(size=32)

    def step() -> None:
        model.student.train()
        with torch.no_grad():
            taught = model.teacher(inputs).softmax(-1)
        optimizer.zero_grad()
        functional.cross_entropy(model.student(inputs), taught).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("teacher",))


@clean("vgg")
def all_in_eval_while_the_head_trains() -> Subject:
    """The whole model is in eval mode, the head is trained nevertheless."""
    model = Vgg().eval()
    model.features.requires_grad_(False)
    optimizer = torch.optim.Adagrad(model.classifier.parameters(), lr=1e-2)
    return Subject(model, [optimizer], classification(model, optimizer, images()))
