"""Mistakes of the loop around a model that would be in order."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    ConvNext,
    Gpt,
    Mixer,
    NormFreeNet,
    Siamese,
    Translator,
    swin,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
    language_modelling,
    sentences,
)
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("mlp", "dropout-active", where=("body",))
def dropout_without_its_mode() -> Subject:
    """`functional.dropout` without `training=`: a frozen part in eval mode drops all the same."""

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(12, 16), nn.Linear(16, 16)

        def forward(self, x: torch.Tensor) -> Any:
            return self.second(functional.dropout(functional.relu(self.first(x)), 0.3))

    model: Any = nn.Module()
    model.body, model.head = Body(), nn.Linear(16, CLASSES)
    model.body.requires_grad_(False).eval()
    optimizer = torch.optim.Adam(model.head.parameters(), lr=1e-3)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model.head(model.body(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("body",))


@fault("siamese", "severed", where=("projection.weight",))
def weight_by_its_data() -> Subject:
    """The loss uses `projection.weight.data`, which has no history; the bias is trained."""
    model = Siamese()
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.SGD(model.projection.parameters(), lr=0.1)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def project(x: torch.Tensor) -> torch.Tensor:
        weight = functional.normalize(model.projection.weight.data, dim=1)
        return functional.linear(model.encoder(x), weight, model.projection.bias)

    def step() -> None:
        optimizer.zero_grad()
        (1 - functional.cosine_similarity(project(left), project(right))).mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@fault("mixer", "inplace-data", where=("stem.weight", "blocks.0.mlp_tokens.0.weight"))
def initialised_again() -> Subject:
    """`model.apply(init)` stands inside the function that trains a fold."""
    model = Mixer()
    model.stem.requires_grad_(False)
    model.blocks.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    train_step = classification(model, optimizer, images())
    done = 0

    def init(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)

    def step() -> None:
        nonlocal done
        if done == 3:
            model.apply(init)
        train_step()
        done += 1

    return Subject(model, [optimizer], step, ("stem", "blocks"))


@fault("convnext", "inplace-data", where=("stem.weight",))
def checkpoint_of_another_run() -> Subject:
    """The best weights so far are loaded at a plateau, and are those of an earlier run."""
    model, earlier = ConvNext(), ConvNext().state_dict()
    model.stem.requires_grad_(False)
    model.stages[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    train_step = classification(model, optimizer, images())
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done == 4:
            model.load_state_dict(earlier)

    return Subject(model, [optimizer], step)


@fault("swin", "not-updated", where=("head.weight", "norm.weight"))
def zeroed_before_the_update() -> Subject:
    """`zero_grad` stands between the backward pass and the update."""
    model = swin()
    model.features.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    inputs, labels = images()

    def step() -> None:
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.zero_grad()
        optimizer.step()

    return Subject(model, [optimizer], step, ("features",))


@fault("vit", "no-op-freeze", where=("conv_proj.bias",))
def biases_left_out() -> Subject:
    """The loop that freezes asks for "weight" in the name; biases go on training."""
    model = vit()
    for name, parameter in model.named_parameters():
        if "weight" in name and not name.startswith("heads"):
            parameter.requires_grad = False
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("conv_proj", "encoder"))


@fault("gpt", "severed", "step-raised", also=("step-raised", "severed"))
def gradients_not_switched_on_again() -> Subject:
    """Validation calls `torch.set_grad_enabled(False)`, and no one switches it on again."""
    model = Gpt()
    model.h[0].requires_grad_(False)
    tokens = sentences()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step = language_modelling(model, optimizer, tokens)
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done == 3:
            torch.set_grad_enabled(False)
            model(tokens)

    return Subject(model, [optimizer], step, ("h.0",))


@fault("norm_free_net", "no-op-freeze", "inplace-data", where=("stem.weight",))
def optimizer_nobody_told_of() -> Subject:
    """A second optimizer inside the loop still trains the stem."""
    model = NormFreeNet()
    of_head = torch.optim.SGD(model.head.parameters(), lr=0.05)
    of_rest = torch.optim.SGD(
        [p for n, p in model.named_parameters() if not n.startswith("head")], lr=0.01
    )
    inputs, labels = images()

    def step() -> None:
        model.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        of_head.step()
        of_rest.step()

    return Subject(model, [of_head], step, ("stem", "conv1", "conv2"))


@fault("translator", "severed", where=("transformer.encoder.layers.0.linear1.weight",))
def memory_detached_for_the_decoder() -> Subject:
    """The encoder's memory is cached for two decodings, detached, though it is to be trained."""
    model = Translator()
    model.source.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        cache = {"memory": model.transformer.encoder(model.source(source)).detach()}
        hidden = model.transformer.decoder(model.target(target[:, :-1]), cache["memory"])
        logits = model.generator(hidden)
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
