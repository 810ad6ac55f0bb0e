"""Learning rates of 0 that did not stay 0."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, OneCycleLR

from bench.audit.subject import Subject
from bench.audit_study.architectures import ConvNext, Gpt, Mixer, NormFreeNet, Translator, swin
from bench.audit_study.batches import (
    classification,
    images,
    language_modelling,
    next_token_loss,
    sentences,
)
from bench.audit_study.set_up import fault


def _backbone_at_zero(model: Any, head: Any, lr: float) -> list[dict[str, Any]]:
    own = {id(parameter) for parameter in head.parameters()}
    body = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [{"params": body, "lr": 0.0}, {"params": list(head.parameters()), "lr": lr}]


@fault("convnext", "lr-revived", "no-op-freeze", where=("stem.weight", "stages.1.dwconv.weight"))
def one_cycle_over_all_groups() -> Subject:
    """OneCycleLR with one maximum for all groups overwrites the 0 when it is made."""
    model = ConvNext()
    optimizer = torch.optim.SGD(_backbone_at_zero(model, model.head, 0.01), momentum=0.9)
    scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
    step = classification(model, optimizer, images(), scheduler)
    return Subject(model, [optimizer], step, ("stem", "stages", "norm"), [scheduler])


@fault("swin", "lr-revived", where=("features.0.0.weight",))
def cosine_to_a_minimum() -> Subject:
    """A cosine with a minimum above 0 lifts the rate that began at 0."""
    model = swin()
    optimizer = torch.optim.AdamW(_backbone_at_zero(model, model.head, 1e-3))
    scheduler = CosineAnnealingLR(optimizer, T_max=20, eta_min=1e-4)
    step = classification(model, optimizer, images(), scheduler)
    return Subject(model, [optimizer], step, None, [scheduler])


@fault("gpt", "lr-revived", where=("wte.weight", "h.0.qkv.weight"))
def rate_of_the_loop() -> Subject:
    """The loop reckons its own rate and writes it into every group."""
    model = Gpt(tied=False)
    optimizer = torch.optim.AdamW(_backbone_at_zero(model, model.lm_head, 1e-3))
    tokens = sentences()
    done = 0

    def rate(step: int) -> float:
        return 1e-3 * min(1.0, step / 10)

    def step() -> None:
        nonlocal done
        for group in optimizer.param_groups:
            group["lr"] = rate(done)
        optimizer.zero_grad()
        next_token_loss(model, tokens).backward()
        optimizer.step()
        done += 1

    return Subject(model, [optimizer], step, ("wte", "wpe", "h", "ln_f"))


@fault("norm_free_net", "lr-revived", "no-op-freeze", where=("stem.weight",))
def cyclic_with_a_scalar() -> Subject:
    """CyclicLR with scalar bounds."""
    model = NormFreeNet()
    optimizer = torch.optim.SGD(_backbone_at_zero(model, model.head, 0.01), momentum=0.9)
    scheduler = CyclicLR(optimizer, base_lr=1e-4, max_lr=1e-2, step_size_up=3)
    step = classification(model, optimizer, images(), scheduler)
    return Subject(model, [optimizer], step, ("stem", "conv1", "conv2"), [scheduler])


@fault("mixer", "lr-revived", where=("stem.weight", "blocks.0.mlp_tokens.0.weight"))
def second_stage_starts_a_scheduler() -> Subject:
    """After the warm-up, the loop makes a OneCycleLR for the rest, over all groups."""
    model = Mixer()
    optimizer = torch.optim.SGD(_backbone_at_zero(model, model.head, 0.01), momentum=0.9)
    inputs, labels = images()
    schedulers: list[Any] = []
    done = 0

    def step() -> None:
        nonlocal done
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        done += 1
        if done == 2:
            schedulers.append(OneCycleLR(optimizer, max_lr=0.05, total_steps=50))
        for scheduler in schedulers:
            scheduler.step()

    return Subject(model, [optimizer], step)


@fault(
    "translator",
    "no-op-freeze",
    "lr-revived",
    where=("transformer.encoder.layers.0.linear1.weight",),
)
def resumed_with_the_old_rates() -> Subject:
    """The optimizer's state is loaded after the rate was set to 0, and brings the old one back."""
    model = Translator()
    encoder = list(model.transformer.encoder.parameters())
    own = {id(parameter) for parameter in encoder}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    optimizer = torch.optim.Adam([{"params": encoder}, {"params": rest}], lr=1e-3)
    checkpoint = optimizer.state_dict()
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.load_state_dict(checkpoint)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("transformer.encoder",))


@fault("gpt", "lr-revived", where=("wpe.weight",))
def restarts_lift_the_zero() -> Subject:
    """Cosine with warm restarts and a minimum, over a group that began at 0."""
    model = Gpt()
    rest = [p for n, p in model.named_parameters() if n != "wpe.weight"]
    optimizer = torch.optim.AdamW(
        [{"params": [model.wpe.weight], "lr": 0.0}, {"params": rest, "lr": 1e-3}]
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 4, eta_min=1e-5)
    step = language_modelling(model, optimizer, sentences(), scheduler)
    return Subject(model, [optimizer], step, ("wpe",), [scheduler])
