"""Loops that do unusual things rightly."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils import prune

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Bert,
    ConvNext,
    Gpt,
    Mixer,
    NormFreeNet,
    Siamese,
    swin,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
    labelled_sentences,
    language_modelling,
    sentences,
)
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("convnext")
def gradients_by_autograd_grad() -> Subject:
    """Gradients are asked for with `torch.autograd.grad` and put into `.grad` by hand."""
    model = ConvNext()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    learnt = trained(model)
    optimizer = torch.optim.SGD(learnt, lr=0.1, momentum=0.9)
    inputs, labels = images()

    def step() -> None:
        loss = functional.cross_entropy(model(inputs), labels)
        for parameter, gradient in zip(learnt, torch.autograd.grad(loss, learnt), strict=True):
            parameter.grad = gradient
        optimizer.step()

    return Subject(model, [optimizer], step, ("stem", "stages"))


@clean("mixer", "wasted-gradients", "wasted-backward")
def frozen_gradients_dropped() -> Subject:
    """Frozen by setting the gradients to None before each update, under AdamW for everything."""
    model = Mixer()
    frozen = [*model.stem.parameters(), *model.blocks.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        for parameter in frozen:
            parameter.grad = None
        optimizer.step()

    return Subject(model, [optimizer], step, ("stem", "blocks"))


@clean("vit")
def fused_update() -> Subject:
    """A fused AdamW over all parameters."""
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("bert")
def updates_inside_backward() -> Subject:
    """Each parameter has an optimizer that steps in the backward pass and drops the gradient."""
    model = Bert(dropout=0.0)
    model.embeddings.requires_grad_(False)
    model.encoder.requires_grad_(False)
    optimizers = {p: torch.optim.Adam([p], lr=1e-3) for p in trained(model)}

    def update(parameter: torch.Tensor) -> None:
        own = optimizers[parameter]  # type: ignore[index]
        own.step()
        own.zero_grad()

    for parameter in optimizers:
        parameter.register_post_accumulate_grad_hook(update)
    tokens, labels = labelled_sentences()

    def step() -> None:
        functional.cross_entropy(model(tokens), labels).backward()

    return Subject(model, list(optimizers.values()), step, ("embeddings", "encoder"))


@clean("siamese")
def functional_call_of_the_model() -> Subject:
    """The model is called with its parameters in a dictionary, frozen ones detached."""
    model = Siamese()
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.Adam(model.projection.parameters(), lr=1e-3)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        held = {n: p if p.requires_grad else p.detach() for n, p in model.named_parameters()}
        one, other = functional_call(model, held, (left, right))
        optimizer.zero_grad()
        (1 - functional.cosine_similarity(one, other)).mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@clean("mlp")
def orthogonal_and_frozen() -> Subject:
    """An orthogonal parametrization, frozen as a whole, makes the same weight each time."""
    model: Any = nn.Module()
    model.body = nn.Sequential(
        nn.utils.parametrizations.orthogonal(nn.Linear(12, 12)), nn.ReLU(), nn.Linear(12, 16)
    )
    model.head = nn.Linear(16, CLASSES)
    model.body.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        model.train()
        optimizer.zero_grad()
        functional.cross_entropy(model.head(model.body(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("body",))


@clean("norm_free_net")
def pruned_and_frozen() -> Subject:
    """A pruned convolution makes its weight anew from its mask before each pass, the same."""
    model = NormFreeNet()
    prune.l1_unstructured(model.conv1, "weight", amount=0.5)
    model.stem.requires_grad_(False)
    model.conv1.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.01)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("stem", "conv1"))


@clean("gpt")
def rate_as_a_tensor() -> Subject:
    """The learning rate is a tensor, under a schedule."""
    model = Gpt()
    model.h.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=torch.tensor(1e-3), foreach=False)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    step = language_modelling(model, optimizer, sentences(), scheduler)
    return Subject(model, [optimizer], step, ("h",), [scheduler])


@clean("swin")
def clamped_where_it_trains() -> Subject:
    """The head's weights are clamped through `.data` after each update; nothing else is."""
    model = swin()
    model.features.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    train_step = classification(model, optimizer, images())

    def step() -> None:
        train_step()
        model.head.weight.data.clamp_(-0.2, 0.2)

    return Subject(model, [optimizer], step, ("features",))


@clean("siamese")
def validated_without_gradients() -> Subject:
    """Each step ends with a validation under `no_grad`, after which gradients are on again."""
    model = Siamese()
    model.encoder[0].requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    left, right = torch.randn(2, 4, 3, 16, 16)
    scores: list[float] = []

    def step() -> None:
        one, other = model(left, right)
        optimizer.zero_grad()
        (1 - functional.cosine_similarity(one, other)).mean().backward()
        optimizer.step()
        with torch.no_grad():
            scores.append(float(functional.cosine_similarity(*model(right, left)).mean()))

    return Subject(model, [optimizer], step)
