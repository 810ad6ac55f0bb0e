"""Statistics that moved in a frozen part, and frozen parts that were left in training mode."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Gan,
    UNet,
    Vgg,
    densenet,
    efficientnet_b,
    mobilenet_v3,
    resnet18,
    short_resnet,
    shufflenet,
)
from bench.audit_study.batches import CLASSES, classification, images
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained

TRAINING_BN = ("bn-counter", "batch-statistics")
"""What is true as well where BatchNorm of a frozen part runs in training mode."""


@fault("resnet18", "bn-statistics", where=("bn1.running_mean", "layer4.1.bn2"), also=TRAINING_BN)
def backbone_left_in_train() -> Subject:
    """Everything but a new `fc` has its flag off; `model.train()` begins every epoch."""
    model = resnet18()
    model.requires_grad_(False)
    model.fc = nn.Linear(512, CLASSES)
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.01, momentum=0.9)
    one_step = classification(model, optimizer, images())

    def step() -> None:
        model.train()
        one_step()

    return Subject(model, [optimizer], step)


@fault(
    "densenet", "train-undoes-eval", where=("features.norm0",),
    also=(*TRAINING_BN, "bn-statistics", "flags-changed"),
)  # fmt: skip
def eval_undone_by_the_loop() -> Subject:
    """The features were put into eval mode once, before a loop that calls `model.train()`."""
    model = densenet()
    model.features.requires_grad_(False)
    model.features.eval()
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    one_step = classification(model, optimizer, images(size=32))

    def step() -> None:
        model.train()
        one_step()

    return Subject(model, [optimizer], step, ("features",))


@fault("mobilenet_v3", "bn-counter", where=("features.0.1",), also=("batch-statistics",))
def momentum_of_zero() -> Subject:
    """BatchNorm is "frozen" by a momentum of 0, which leaves its counter."""
    model = mobilenet_v3()
    model.features.requires_grad_(False)
    for module in model.features.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    optimizer = torch.optim.AdamW(model.classifier.parameters(), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images(size=32)))


@fault(
    "unet", "bn-statistics", where=("encoder.0.1.running_mean", "encoder.1.1.running_var"),
    also=TRAINING_BN,
)  # fmt: skip
def encoder_under_no_grad_only() -> Subject:
    """The encoder of a U-Net runs under `no_grad`, which does not stop its statistics."""
    model = UNet()
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))

    def step() -> None:
        with torch.no_grad():
            levels = model.encode(inputs)
        loss = functional.cross_entropy(model.decode(levels), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault(
    "efficientnet", "train-undoes-eval", where=("features.0.1.running_mean",),
    also=(*TRAINING_BN, "bn-statistics", "flags-changed"),
)  # fmt: skip
def validation_ends_with_train() -> Subject:
    """`validate` ends with `model.train()`, whatever the frozen features were before."""
    model = efficientnet_b()
    model.features.requires_grad_(False)
    model.features.eval()
    optimizer = torch.optim.SGD(model.classifier.parameters(), lr=0.01)
    train_step = classification(model, optimizer, images(size=32))
    held_out, _ = images(size=32)
    done = 0

    def validate() -> None:
        model.eval()
        with torch.no_grad():
            model(held_out)
        model.train()

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done % 2 == 0:
            validate()

    return Subject(model, [optimizer], step, ("features",))


@fault(
    "short_resnet", "no-op-freeze", "bn-statistics", where=("layer1.0.bn1",),
    also=("no-op-freeze", "bn-statistics", *TRAINING_BN),
)  # fmt: skip
def frozen_but_for_batchnorm() -> Subject:
    """A freezing function skips BatchNorm, as `train_bn=True` does, and is meant to freeze all."""
    model = short_resnet()

    def freeze(module: nn.Module) -> None:
        for part in module.modules():
            if not isinstance(part, nn.BatchNorm2d):
                for parameter in part.parameters(recurse=False):
                    parameter.requires_grad = False

    for name in ("conv1", "bn1", "layer1", "layer2", "layer3"):
        freeze(model.get_submodule(name))
    optimizer = torch.optim.SGD(trained(model), lr=0.01)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("conv1", "bn1", "layer[1-3]"))


class Whitening(nn.Module):
    """Keeps a running mean of its input by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.mean: torch.Tensor
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The shape of `x` `(count, width)`."""
        if self.training:
            self.mean.lerp_(x.detach().mean(0), 0.1)
        return (x - self.mean) * self.scale


@fault("mlp", "bn-statistics", "inplace-data", where=("trunk.1.mean",))
def running_mean_of_ones_own() -> Subject:
    """A layer of the user's own keeps statistics in training mode, as BatchNorm does."""
    model: Any = nn.Module()
    model.trunk = nn.Sequential(nn.Linear(12, 16), Whitening(16), nn.ReLU())
    model.head = nn.Linear(16, CLASSES)
    model.trunk.requires_grad_(False)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=1e-3)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        model.train()
        optimizer.zero_grad()
        functional.cross_entropy(model.head(model.trunk(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("gan", "spectral-norm", where=("discriminator.features.0",))
def discriminator_with_spectral_norm() -> Subject:
    """The features of a discriminator are frozen (FreezeD); their power iteration runs on."""
    model = Gan(constrain=nn.utils.parametrizations.spectral_norm)
    model.discriminator.features.requires_grad_(False)
    of_g = torch.optim.Adam(model.generator.parameters(), lr=1e-3)
    of_d = torch.optim.Adam(model.discriminator.score.parameters(), lr=1e-3)
    real = torch.randn(4, 3, 4, 4)

    def step() -> None:
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


@fault("mlp", "spectral-norm", where=("body.0",))
def spectral_norm_of_old() -> Subject:
    """`torch.nn.utils.spectral_norm`, the older one with hooks, in a frozen body."""
    model: Any = nn.Module()
    model.body = nn.Sequential(
        nn.utils.spectral_norm(nn.Linear(12, 16)),
        nn.ReLU(),
        nn.utils.spectral_norm(nn.Linear(16, 16)),
    )
    model.head = nn.Linear(16, CLASSES)
    model.body.requires_grad_(False)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model.head(model.body(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("unet", "bn-statistics", where=("encoder.0.1.running_mean",), also=TRAINING_BN)
def instance_norm_that_tracks() -> Subject:
    """InstanceNorm with running statistics, in a frozen encoder in training mode."""
    model = UNet(norm=partial(nn.InstanceNorm2d, affine=True, track_running_stats=True))
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))
    return Subject(model, [optimizer], classification(model, optimizer, (inputs, target)))


@fault(
    "shufflenet", "train-undoes-eval", "bn-statistics", where=("conv1.1.running_mean",),
    also=(*TRAINING_BN, "bn-statistics", "flags-changed", "inplace-data"),
)  # fmt: skip
def swa_renews_statistics() -> Subject:
    """`update_bn` of weight averaging renews the statistics of the frozen part, too."""
    model = shufflenet()
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    model.eval()
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.1)
    batch = images(size=32)
    train_step = classification(model, optimizer, batch)
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done == 3:
            update_bn([batch], model)

    return Subject(model, [optimizer], step)


@fault("vgg", "dropout-active", where=("classifier.2",))
def frozen_classifier_drops() -> Subject:
    """The first layers of a frozen classifier drop at random: the mode is not the flag."""
    model = Vgg()
    model.requires_grad_(False)
    model.features.eval()
    last: Any = model.classifier
    last[3].requires_grad_(True)
    optimizer = torch.optim.SGD(last[3].parameters(), lr=0.01)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("features", "classifier.[0-2]"))


@fault("short_resnet", "batch-statistics", where=("layer1",))
def statistics_not_tracked() -> Subject:
    """BatchNorm without running statistics: a frozen part whose answer depends on the batch."""
    model = short_resnet(norm_layer=partial(nn.BatchNorm2d, track_running_stats=False))
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.01)
    return Subject(model, [optimizer], classification(model, optimizer, images(6)))


@fault("densenet", "batch-statistics", where=("features",))
def tracking_switched_off() -> Subject:
    """A freezing callback sets `track_running_stats = False` and leaves training mode on."""
    model = densenet()
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    for module in model.features.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad = False
    return Subject(model, [optimizer], classification(model, optimizer, images(6, size=32)))


@fault(
    "mobilenet_v3", "bn-statistics", where=("teacher.features.0.1.running_mean",),
    also=(*TRAINING_BN, "dropout-active"),
)  # fmt: skip
def teacher_in_training_mode() -> Subject:
    """A teacher's flags are off and its mode is on: `model.train()` reaches it as well."""
    model: Any = nn.Module()
    model.student = mobilenet_v3()
    model.teacher = copy.deepcopy(model.student).requires_grad_(False)
    optimizer = torch.optim.Adam(model.student.parameters(), lr=1e-3)
    inputs, _ = images(size=32)

    def step() -> None:
        model.train()
        with torch.no_grad():
            taught = model.teacher(inputs).softmax(-1)
        optimizer.zero_grad()
        functional.cross_entropy(model.student(inputs), taught).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("teacher",))
