"""Learning rates, clips, averages and checkpoints that leave a freeze alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, StepLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Bert,
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
    classification,
    images,
    labelled_sentences,
    language_modelling,
    next_token_loss,
    sentences,
)
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained

AT_ZERO = ("wasted-gradients", "wasted-backward")


"""What a learning rate of 0 pays for, whatever the optimizer."""


@clean("vit")
def warm_up_from_zero() -> Subject:
    """All groups begin at a rate of 0, which is a warm-up and no freeze."""
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-2)
    scheduler = LambdaLR(optimizer, lambda done: min(1.0, done / 4))
    step = classification(model, optimizer, images(), scheduler)
    return Subject(model, [optimizer], step, None, [scheduler])


@clean("swin")
def one_cycle_over_what_trains() -> Subject:
    """OneCycleLR over an optimizer that holds the trained part only."""
    model = swin()
    model.features.requires_grad_(False)
    groups = [{"params": model.norm.parameters()}, {"params": model.head.parameters()}]
    optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    scheduler = OneCycleLR(optimizer, max_lr=[0.05, 0.1], total_steps=60)
    step = classification(model, optimizer, images(), scheduler)
    return Subject(model, [optimizer], step, ("features",), [scheduler])


@clean("norm_free_net", *AT_ZERO)
def zero_under_step_lr() -> Subject:
    """A rate of 0 under StepLR stays 0."""
    model = NormFreeNet()
    body = [p for n, p in model.named_parameters() if not n.startswith("head")]
    optimizer = torch.optim.SGD(
        [{"params": body, "lr": 0.0}, {"params": model.head.parameters(), "lr": 0.1}]
    )
    scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    step = classification(model, optimizer, images(), scheduler)
    return Subject(model, [optimizer], step, None, [scheduler])


@clean("gpt", *AT_ZERO, "state-for-frozen")
def zero_under_a_cosine() -> Subject:
    """A rate of 0 under a cosine down to 0, with AdamW, whose decay is times the rate."""
    model = Gpt(tied=False)
    rest = [p for n, p in model.named_parameters() if not n.startswith("h.")]
    optimizer = torch.optim.AdamW(
        [{"params": model.h.parameters(), "lr": 0.0}, {"params": rest, "lr": 1e-3}]
    )
    scheduler = CosineAnnealingLR(optimizer, T_max=10)
    step = language_modelling(model, optimizer, sentences(), scheduler)
    return Subject(model, [optimizer], step, None, [scheduler])


@clean("mixer", *AT_ZERO)
def subset_and_model_zero_grad() -> Subject:
    """The optimizer holds the head only; `model.zero_grad()` keeps gradients from piling up."""
    model = Mixer()
    optimizer = torch.optim.SGD([*model.norm.parameters(), *model.head.parameters()], lr=0.1)
    inputs, labels = images()

    def step() -> None:
        model.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("stem", "blocks"))


@clean("gpt")
def clipped_over_the_model() -> Subject:
    """The clip goes over the whole model, of which only what trains has gradients."""
    model = Gpt(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora" in name
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    tokens = sentences()

    def step() -> None:
        optimizer.zero_grad()
        next_token_loss(model, tokens).backward()
        clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("siamese", *AT_ZERO)
def clipped_over_what_trains() -> Subject:
    """Frozen gradients are there, and the clip leaves them out."""
    model = Siamese()
    optimizer = torch.optim.SGD(model.projection.parameters(), lr=0.1)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        model.zero_grad()
        one, other = model(left, right)
        (1 - functional.cosine_similarity(one, other).mean()).backward()
        clip_grad_norm_(model.projection.parameters(), 1e-3)
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@clean("translator", "state-for-frozen")
def resumed_from_a_checkpoint() -> Subject:
    """Model, optimizer and scheduler go on from a checkpoint; the encoder is frozen after that."""
    first = Translator()
    source, target = sentences(), sentences()

    def steps_of(model: Translator, optimizer: Any, scheduler: Any) -> Any:
        def step() -> None:
            optimizer.zero_grad()
            logits = model(source, target[:, :-1])
            functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
            optimizer.step()
            scheduler.step()

        return step

    old = torch.optim.AdamW(first.parameters(), lr=1e-3)
    ramp = StepLR(old, 2, 0.9)
    step = steps_of(first, old, ramp)
    step()
    step()
    model = Translator()
    model.load_state_dict(first.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    optimizer.load_state_dict(copy.deepcopy(old.state_dict()))
    scheduler = StepLR(optimizer, 2, 0.9)
    scheduler.load_state_dict(ramp.state_dict())
    model.transformer.encoder.requires_grad_(False)
    step = steps_of(model, optimizer, scheduler)
    return Subject(model, [optimizer], step, ("transformer.encoder",), [scheduler])


@clean("convnext")
def averaged_by_interpolation() -> Subject:
    """Torch's own running average interpolates, which leaves a constant as it is."""
    model = ConvNext()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step = classification(model, optimizer, images())

    def step() -> None:
        train_step()
        average.update_parameters(model)

    return Subject(model, [optimizer], step, ("stem", "stages"), [average])


@clean("vit")
def target_network_beside_the_model() -> Subject:
    """A target network beside the model follows it, as in BYOL; the model's stem is frozen."""
    model = vit()
    model.conv_proj.requires_grad_(False)
    target = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.05)
    inputs, _ = images()

    def step() -> None:
        with torch.no_grad():
            wanted = target(inputs)
        optimizer.zero_grad()
        functional.mse_loss(model(inputs + 0.1), wanted).backward()
        optimizer.step()
        with torch.no_grad():
            for kept, now in zip(target.parameters(), model.parameters(), strict=True):
                kept.lerp_(now, 0.01)

    return Subject(model, [optimizer], step, ("conv_proj",), [target])


@clean("bert")
def two_optimizers_with_rates_of_their_own() -> Subject:
    """Pooler and classifier have an optimizer each, with schedulers of their own."""
    model = Bert(dropout=0.0)
    model.embeddings.requires_grad_(False)
    model.encoder.requires_grad_(False)
    of_pooler = torch.optim.AdamW(model.pooler.parameters(), lr=1e-3)
    of_classifier = torch.optim.SGD(model.classifier.parameters(), lr=0.1)
    schedulers = [StepLR(of_pooler, 2), CosineAnnealingLR(of_classifier, 20)]
    tokens, labels = labelled_sentences()

    def step() -> None:
        model.zero_grad()
        functional.cross_entropy(model(tokens), labels).backward()
        for optimizer, scheduler in zip((of_pooler, of_classifier), schedulers, strict=True):
            optimizer.step()
            scheduler.step()

    return Subject(
        model, [of_pooler, of_classifier], step, ("embeddings", "encoder"), list(schedulers)
    )
