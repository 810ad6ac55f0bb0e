"""Flags that were never off, came on again, or are off where something is to be trained."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Bert,
    ConvNext,
    Gan,
    Gpt,
    Mixer,
    Siamese,
    Translator,
    UNet,
    resnet18,
    short_resnet,
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
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("siamese", "no-op-freeze", where=("encoder.0.weight", "encoder.3.bias"))
def flag_of_a_module() -> Subject:
    """`module.requires_grad = False` makes an attribute and freezes nothing."""
    model = Siamese()
    model.encoder.requires_grad = False  # type: ignore[assignment]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        one, other = model(left, right)
        loss = functional.relu(0.5 - (one - other).norm(dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@fault("mixer", "no-op-freeze", where=("blocks.0.norm1.weight",))
def flag_misspelt() -> Subject:
    """`require_grad` is not the flag."""
    model = Mixer()
    for parameter in model.blocks.parameters():
        parameter.require_grad = False  # type: ignore[attr-defined]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("blocks",))


@fault("bert", "no-op-freeze", where=("encoder.layers.0.linear1.weight",))
def name_that_matches_nothing() -> Subject:
    """The names of a checkpoint's layers differ from those that the loop looks for."""
    model = Bert(dropout=0.0)
    for name, parameter in model.named_parameters():
        if name.startswith("bert.encoder.layer."):
            parameter.requires_grad = False
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    step = classification(model, optimizer, labelled_sentences())
    return Subject(model, [optimizer], step, ("encoder",))


@fault("vit", "no-op-freeze", where=("encoder.layers.encoder_layer_0",))
def second_optimizer_forgotten() -> Subject:
    """The head's new optimizer came beside the old one of everything, which still steps."""
    model = vit()
    of_all = torch.optim.SGD(model.parameters(), lr=1e-3)
    of_head = torch.optim.SGD(model.heads.parameters(), lr=1e-2)
    inputs, labels = images()

    def step() -> None:
        of_all.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        of_head.step()
        of_all.step()

    return Subject(model, [of_all, of_head], step, ("conv_proj", "encoder"))


@fault(
    "gan", "flag-re-enabled", where=("discriminator.features.0.weight",), also=("flags-changed",)
)
def set_requires_grad_of_a_gan() -> Subject:
    """The usual toggle of a GAN switches on the features that were to stay frozen."""
    model = Gan()
    model.discriminator.features.requires_grad_(False)
    of_g = torch.optim.Adam(model.generator.parameters(), lr=1e-3)
    of_d = torch.optim.Adam(model.discriminator.parameters(), lr=1e-3)
    real = torch.randn(4, 3, 4, 4)

    def step() -> None:
        noise = torch.randn(4, 8)
        model.discriminator.requires_grad_(True)
        of_d.zero_grad()
        fake = model.generator(noise).detach()
        scores = model.discriminator(real), model.discriminator(fake)
        (functional.softplus(-scores[0]) + functional.softplus(scores[1])).mean().backward()
        of_d.step()
        model.discriminator.requires_grad_(False)
        of_g.zero_grad()
        functional.softplus(-model.discriminator(model.generator(noise))).mean().backward()
        of_g.step()

    return Subject(model, [of_g, of_d], step, ("discriminator.features",))


@fault("gpt", "flag-re-enabled", where=("h.0.qkv.weight",), also=("flags-changed",))
def epoch_start_unfreezes() -> Subject:
    """A function for the start of an epoch switches everything on; the freeze was before it."""
    model = Gpt()
    for block in model.h:
        block.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    one_step = language_modelling(model, optimizer, sentences())
    done = 0

    def start_epoch() -> None:
        model.train()
        model.requires_grad_(True)

    def step() -> None:
        nonlocal done
        if done % 3 == 2:
            start_epoch()
        one_step()
        done += 1

    return Subject(model, [optimizer], step)


@fault("unet", "flag-re-enabled", where=("encoder.1.0.weight",), also=("flags-changed",))
def wrapper_for_prediction() -> Subject:
    """A decorator turns gradients off for a prediction and afterwards on for all."""
    model = UNet(norm=lambda width: nn.GroupNorm(2, width))
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))

    def frozen_while(function: Any) -> Any:
        def wrapped(*args: Any) -> Any:
            for parameter in model.parameters():
                parameter.requires_grad = False
            try:
                return function(*args)
            finally:
                for parameter in model.parameters():
                    parameter.requires_grad = True

        return wrapped

    predict = frozen_while(lambda batch: model(batch).argmax(1))

    def step() -> None:
        confident = predict(inputs) == target
        loss = functional.cross_entropy(model(inputs), target, reduction="none")
        optimizer.zero_grad()
        (loss * (1 + confident)).mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@fault("translator", "flag-off", where=("transformer.decoder.layers.0.linear1.weight",))
def too_much_frozen() -> Subject:
    """The loop that freezes the encoder asks for "layers", which the decoder has as well."""
    model = Translator()
    for name, parameter in model.named_parameters():
        if "layers" in name:
            parameter.requires_grad = False
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("transformer.encoder.layers",))


@fault("convnext", "flag-off", where=("norm.weight",))
def head_and_its_norm() -> Subject:
    """Everything is frozen, the head is thawed; the norm before it was to be trained as well."""
    model = ConvNext()
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    optimizer = torch.optim.SGD([*model.norm.parameters(), *model.head.parameters()], lr=0.1)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("stem", "stages"))


@fault("resnet18", "unfrozen-unlisted", where=("layer4.1.conv2.weight",))
def thawed_after_the_optimizer() -> Subject:
    """`layer4` was thawed when the optimizer with the filtered parameters was there already."""
    model = resnet18()
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    optimizer = torch.optim.SGD(trained(model), lr=0.01)
    model.layer4.requires_grad_(True)
    model.eval()
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("conv1", "bn1", "layer[1-3]"))


@fault("short_resnet", "unfrozen-unlisted", where=("fc.weight", "fc.bias"))
def head_after_the_optimizer() -> Subject:
    """The new head came after the optimizer, which holds the old one."""
    model = short_resnet().eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("layer4")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.fc = nn.Linear(512, 3)
    inputs, _ = images()
    step = classification(model, optimizer, (inputs, torch.randint(3, (4,))))
    return Subject(model, [optimizer], step)


@fault("swin", "unfrozen-unlisted", where=("head.weight",))
def optimizer_of_another_copy() -> Subject:
    """The model was copied for a second run; the optimizer still moves the first."""
    first = swin()
    first.features.requires_grad_(False)
    optimizer = torch.optim.Adam((p for p in first.parameters() if p.requires_grad), lr=1e-3)
    model = copy.deepcopy(first)
    return Subject(model, [optimizer], classification(model, optimizer, images()), ("features",))


@fault("gpt", "tied-weights", where=("wte.weight",))
def head_thawed_with_its_twin() -> Subject:
    """All is frozen, the last norm and the head are thawed; the head is the embedding."""
    model = Gpt()
    model.requires_grad_(False)
    model.ln_f.requires_grad_(True)
    model.lm_head.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    step = language_modelling(model, optimizer, sentences())
    return Subject(model, [optimizer], step, ("wte", "wpe", "h"))


@fault("translator", "tied-weights", where=("source.weight",))
def source_side_frozen() -> Subject:
    """The encoder's side is frozen, the decoder's trained: they share their embedding."""
    model = Translator()
    for part in (model.source, model.transformer.encoder):
        part.requires_grad_(False)
    for part in (model.target, model.transformer.decoder, model.generator):
        part.requires_grad_(True)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("source", "transformer.encoder"))


@fault("gpt", "tied-weights", where=("wte.weight",))
def tied_by_storage() -> Subject:
    """The head is a Parameter of its own over the embedding's memory."""
    model = Gpt(tied=False)
    model.lm_head.weight = nn.Parameter(model.wte.weight.data)
    model.wte.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    return Subject(model, [optimizer], language_modelling(model, optimizer, sentences()))


@fault(
    "bert", "flags-changed", where=("encoder",)
)  # fmt: skip
def left_in_eval_after_validation() -> Subject:
    """Validation puts the model into eval mode, and nobody puts it back: dropout is gone."""
    model = Bert()
    model.embeddings.requires_grad_(False)
    tokens, labels = labelled_sentences()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step = classification(model, optimizer, (tokens, labels))
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done == 2:
            model.eval()
            with torch.no_grad():
                model(tokens)

    return Subject(model, [optimizer], step, ("embeddings",))
