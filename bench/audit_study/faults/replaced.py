"""Parameters that are replaced, averages that drift, and weights made of parts."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    ConvNext,
    Gpt,
    Vgg,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
    language_modelling,
    next_token_loss,
    sentences,
)
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("vgg", "parameter-replaced", where=("features.0.weight",))
def pruned_into_a_new_parameter() -> Subject:
    """Pruning in the loop puts a new Parameter where the frozen one was."""
    model = Vgg()
    features: Any = model.features
    features.requires_grad_(False).eval()
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    train_step = classification(model, optimizer, images())
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done == 3:
            weight = features[0].weight
            kept = weight * (weight.abs() > weight.abs().median())
            features[0].weight = nn.Parameter(kept, requires_grad=False)

    return Subject(model, [optimizer], step)


@fault(
    "gpt", "parameter-replaced", where=("wte.weight",),
    also=("flags-changed", "flag-re-enabled", "unfrozen-unlisted"),
)  # fmt: skip
def vocabulary_grows() -> Subject:
    """The vocabulary grows during training: a new embedding takes the place of the frozen one."""
    model = Gpt(tied=False)
    model.wte.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    tokens = sentences()
    done = 0

    def grow(rows: int) -> None:
        grown = nn.Embedding(rows, 16)
        grown.weight.data[: model.wte.num_embeddings] = model.wte.weight.data
        model.wte = grown

    def step() -> None:
        nonlocal done
        if done == 2:
            grow(44)
        optimizer.zero_grad()
        next_token_loss(model, tokens).backward()
        optimizer.step()
        done += 1

    return Subject(model, [optimizer], step, ("wte",))


@fault("convnext", "ema-rounding")
def average_of_a_constant() -> Subject:
    """A running average of all weights is made as `0.999 a + 0.001 w`, the frozen ones too."""
    model = ConvNext()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step = classification(model, optimizer, images())

    def step() -> None:
        train_step()
        with torch.no_grad():
            for kept, now in zip(average.parameters(), model.parameters(), strict=True):
                kept.copy_(0.999 * kept + 0.001 * now)

    return Subject(model, [optimizer], step, ("stem", "stages"), [average])


class Shadow:
    """An average of the user's own, in a dictionary."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}

    def update(self, model: nn.Module) -> None:
        """Take the present weights in."""
        for name, parameter in model.named_parameters():
            self.shadow[name] = (1 - self.decay) * parameter.data + self.decay * self.shadow[name]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The averages by name."""
        return dict(self.shadow)

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take averages back."""
        self.shadow = {name: tensor.clone() for name, tensor in state.items()}


@fault("gpt", "ema-rounding")
def shadow_in_a_dictionary() -> Subject:
    """The same in a class with a dictionary of shadows, as many repositories have it."""
    model = Gpt()
    model.h[0].requires_grad_(False)
    shadow = Shadow(model, decay=0.99)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step = language_modelling(model, optimizer, sentences())

    def step() -> None:
        train_step()
        shadow.update(model)

    return Subject(model, [optimizer], step, ("h.0",), [shadow])


@fault("mlp", "weight-norm-names", "no-op-freeze", where=("rnn.0.parametrizations.weight",))
def weight_norm_escapes_its_name() -> Subject:
    """The loop freezes what ends in `.weight` or `.bias`; weight norm has other names."""
    model: Any = nn.Module()
    weight_norm = nn.utils.parametrizations.weight_norm
    model.rnn = nn.Sequential(
        weight_norm(nn.Linear(12, 16)), nn.Tanh(), weight_norm(nn.Linear(16, 16))
    )
    model.out = nn.Linear(16, CLASSES)
    for name, parameter in model.named_parameters():
        if name.startswith("rnn") and name.endswith((".weight", ".bias")):
            parameter.requires_grad = False
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model.out(model.rnn(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("rnn",))


@fault("mlp", "weight-norm-names", where=("body.0",))
def magnitude_still_trained() -> Subject:
    """Of an older weight norm the direction is frozen and the magnitude is not."""
    model: Any = nn.Module()
    model.body = nn.Sequential(nn.utils.weight_norm(nn.Linear(12, 16)), nn.ReLU())
    model.head = nn.Linear(16, CLASSES)
    for name, parameter in model.body.named_parameters():
        parameter.requires_grad = name.endswith("weight_g")
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model.head(model.body(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
