"""Gradients that nobody made, that nobody applied, or that were too small."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    ConvNext,
    Mixer,
    NormFreeNet,
    UNet,
    efficientnet_b,
    short_resnet,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
)
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("norm_free_net", "unused", where=("auxiliary.weight",))
def auxiliary_head_never_called() -> Subject:
    """An auxiliary head is in the model and in the optimizer, and in no loss."""
    model: Any = NormFreeNet()
    model.auxiliary = nn.Linear(16, CLASSES)
    model.stem.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.01)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@fault("vit", "no-backward")
def scaled_and_not_propagated() -> Subject:
    """The loss is scaled, and `.backward()` was forgotten behind it."""
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    optimizer = torch.optim.SGD(model.heads.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        scaler.scale(loss)
        scaler.step(optimizer)
        scaler.update()

    return Subject(model, [optimizer], step)


@fault("efficientnet", "no-backward")
def backward_in_training_mode_only() -> Subject:
    """The loop asks whether the model trains, and the frozen model was put into eval mode."""
    model = efficientnet_b().eval()
    model.features.requires_grad_(False)
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    inputs, labels = images(size=32)

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        if model.training:
            loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("features",))


class FirstGroupOnly(torch.optim.Optimizer):
    """Signed descent that looks at its first group only."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Descend."""
        group = self.param_groups[0]
        for parameter in group["params"]:
            if parameter.grad is not None:
                parameter.add_(parameter.grad.sign(), alpha=-group["lr"])


@fault("short_resnet", "not-updated", where=("fc.weight",))
def optimizer_with_one_group_in_mind() -> Subject:
    """An optimizer of the user's own forgets that there can be more groups than one."""
    model = short_resnet().eval()
    model.requires_grad_(False)
    model.layer4.requires_grad_(True)
    model.fc.requires_grad_(True)
    groups = [{"params": model.layer4.parameters()}, {"params": model.fc.parameters()}]
    optimizer = FirstGroupOnly(groups, lr=1e-4)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@fault("unet", "not-updated", "inplace-data", where=("decoder.0.0.weight",))
def best_weights_put_back_each_time() -> Subject:
    """Early stopping without a comparison: the first weights are put back after each step."""
    model = UNet(norm=lambda width: nn.GroupNorm(2, width))
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))
    train_step = classification(model, optimizer, (inputs, target))
    best = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def step() -> None:
        train_step()
        model.load_state_dict(best)

    return Subject(model, [optimizer], step)


@fault("convnext", "lost-to-rounding", where=("norm.weight", "stages.1.norm.weight"))
def bfloat16_weights() -> Subject:
    """Weights in bfloat16 and a small rate: 1 minus a little is 1."""
    model = ConvNext().bfloat16()
    model.stem.requires_grad_(False)
    model.stages[0].requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=1e-5)
    inputs, labels = images()
    step = classification(model, optimizer, (inputs.bfloat16(), labels))
    return Subject(model, [optimizer], step)


@fault("mixer", "lost-to-rounding", where=("blocks.1.norm2.weight",))
def rate_below_the_precision() -> Subject:
    """AdamW at a rate of 1e-9 on float32 weights of 1."""
    model = Mixer()
    model.stem.requires_grad_(False)
    model.norm.requires_grad_(False)
    for name, parameter in model.blocks.named_parameters():
        parameter.requires_grad = name.endswith("norm2.weight")
    optimizer = torch.optim.AdamW(
        [
            {"params": trained(model.blocks), "lr": 1e-9},
            {"params": trained(model.head), "lr": 1e-3},
        ],
        lr=1e-3,
        weight_decay=0.0,
    )
    return Subject(
        model, [optimizer], classification(model, optimizer, images()), ("stem", "blocks.*.mlp_*",
        "blocks.*.norm1", "blocks.*.norm2.bias", "norm"),
    )  # fmt: skip
