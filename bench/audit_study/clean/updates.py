"""Optimizers, schedules and loops that leave a fresh freeze alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, StepLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Bert,
    ConvNext,
    Gan,
    Gpt,
    Mixer,
    NormFreeNet,
    Siamese,
    Translator,
    densenet,
    resnet18,
    swin,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
    labelled_sentences,
    language_modelling,
    next_token_loss,
    sentences,
)
from bench.audit_study.set_up import clean

AT_ZERO = ("wasted-gradients", "wasted-backward")
"""What a learning rate of 0 pays for, whatever the optimizer."""


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _probed_vit() -> Any:
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    return model


@clean("resnet18")
def adamw_over_everything() -> Subject:
    """AdamW decays nothing that has no gradient, though it holds all parameters."""
    model = resnet18().eval()
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("convnext")
def momentum_and_decay_over_everything() -> Subject:
    """SGD with Nesterov's momentum and decay over a model that was frozen afresh."""
    model = ConvNext()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True
    )
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("stem", "stages"))


@clean("densenet", "state-for-frozen")
def adagrad_over_everything() -> Subject:
    """Adagrad makes its state for all parameters when it is made."""
    model = densenet().eval()
    model.features.requires_grad_(False)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=1e-2)
    step = classification(model, optimizer, images(size=32))
    return Subject(model, [optimizer], step, ("features",))


@clean("vit")
def zeroed_after_a_fresh_freeze() -> Subject:
    """`set_to_none=False` keeps no zeros where there never was a gradient."""
    model = _probed_vit()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("mixer", "wasted-gradients")
def zeros_under_plain_sgd() -> Subject:
    """Frozen in mid-training with gradients of 0, which plain SGD subtracts to no effect."""
    model = Mixer()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    step()
    step()
    model.stem.requires_grad_(False)
    model.blocks.requires_grad_(False)
    optimizer.zero_grad(set_to_none=False)
    return Subject(model, [optimizer], step, ("stem", "blocks"))


@clean("swin", "state-for-frozen")
def frozen_in_mid_training() -> Subject:
    """Frozen after some steps of Adam, with gradients set to None as is the default."""
    model = swin()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    step = classification(model, optimizer, images())
    step()
    step()
    optimizer.zero_grad()
    model.features.requires_grad_(False)
    return Subject(model, [optimizer], step)


@clean("gan")
def flags_toggled_by_turns() -> Subject:
    """Generator and discriminator are switched by turns; the mapping network stays frozen."""
    model = Gan()
    of_g = torch.optim.Adam(model.generator.synthesis.parameters(), lr=1e-3, betas=(0.0, 0.99))
    of_d = torch.optim.Adam(model.discriminator.parameters(), lr=1e-3, betas=(0.0, 0.99))
    model.generator.mapping.requires_grad_(False)
    real = torch.randn(4, 3, 4, 4)

    def step() -> None:
        noise = torch.randn(4, 8)
        of_d.zero_grad()
        fake = model.generator(noise).detach()
        scores = model.discriminator(real), model.discriminator(fake)
        (functional.softplus(-scores[0]) + functional.softplus(scores[1])).mean().backward()
        of_d.step()
        model.discriminator.requires_grad_(False)
        of_g.zero_grad()
        functional.softplus(-model.discriminator(model.generator(noise))).mean().backward()
        of_g.step()
        model.discriminator.requires_grad_(True)

    return Subject(model, [of_g, of_d], step, ("generator.mapping",))


@clean("norm_free_net")
def sharpness_aware_steps() -> Subject:
    """SAM: weights are moved up, gradients are taken there, weights are put back."""
    model = NormFreeNet()
    model.stem.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9)
    inputs, labels = images()

    def step() -> None:
        functional.cross_entropy(model(inputs), labels).backward()
        kept = {}
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    kept[parameter] = parameter.clone()
                    ascent = parameter.grad / (parameter.grad.norm() + 1e-12)
                    parameter.add_(ascent, alpha=0.02)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        with torch.no_grad():
            for parameter, value in kept.items():
                parameter.copy_(value)
        optimizer.step()
        optimizer.zero_grad()

    return Subject(model, [optimizer], step)


@clean("mixer")
def lbfgs_with_a_closure() -> Subject:
    """LBFGS runs forward and backward several times in a step."""
    model = Mixer()
    model.stem.requires_grad_(False)
    model.blocks.requires_grad_(False)
    optimizer = torch.optim.LBFGS(_trained(model), lr=0.1, max_iter=3)
    inputs, labels = images()

    def closure() -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        loss.backward()
        return loss

    def step() -> None:
        optimizer.step(closure)

    return Subject(model, [optimizer], step, ("stem", "blocks"))


class Lookahead:
    """Slow weights that follow the fast ones (Zhang et al., 2019); no `torch.optim.Optimizer`."""

    def __init__(self, fast: torch.optim.Optimizer, every: int = 2, alpha: float = 0.5) -> None:
        self.fast, self.every, self.alpha, self.done = fast, every, alpha, 0
        self.param_groups = fast.param_groups
        self.slow = [[p.detach().clone() for p in group["params"]] for group in fast.param_groups]

    def zero_grad(self) -> None:
        """As the fast one."""
        self.fast.zero_grad()

    @torch.no_grad()
    def step(self) -> None:
        """A fast step, and every so often a slow one."""
        self.fast.step()
        self.done += 1
        if self.done % self.every == 0:
            for group, slow in zip(self.param_groups, self.slow, strict=True):
                for parameter, kept in zip(group["params"], slow, strict=True):
                    kept.add_(parameter - kept, alpha=self.alpha)
                    parameter.copy_(kept)


@clean("vit")
def lookahead_over_everything() -> Subject:
    """A wrapper with weights of its own writes to all parameters, the frozen ones as they are."""
    model = _probed_vit()
    optimizer = Lookahead(torch.optim.AdamW(model.parameters(), lr=1e-3))
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("siamese")
def gradients_accumulated() -> Subject:
    """An update in every third step only."""
    model = Siamese()
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    left, right = torch.randn(2, 4, 3, 16, 16)
    done = 0

    def step() -> None:
        nonlocal done
        one, other = model(left, right)
        (1 - functional.cosine_similarity(one, other).mean() / 3).backward()
        done += 1
        if done % 3 == 0:
            optimizer.step()
            optimizer.zero_grad()

    return Subject(model, [optimizer], step, ("encoder",))


@clean("convnext")
def scaler_skips_a_step() -> Subject:
    """A loss scaler meets an overflow, skips that update and goes on with a smaller scale."""
    model = ConvNext()
    model.stem.requires_grad_(False)
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    inputs, labels = images()
    done = 0

    def step() -> None:
        nonlocal done
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        scaler.scale(loss).backward()
        if done == 2:
            model.head.weight.grad[0, 0] = float("inf")  # type: ignore[index]
        scaler.step(optimizer)
        scaler.update()
        done += 1

    return Subject(model, [optimizer], step, ("stem",), [scaler])


@clean("vit")
def warm_up_from_zero() -> Subject:
    """All groups begin at a rate of 0, which is a warm-up and no freeze."""
    model = _probed_vit()
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-2)
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
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
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

    def trained(model: Translator, optimizer: Any, scheduler: Any) -> Any:
        def step() -> None:
            optimizer.zero_grad()
            logits = model(source, target[:, :-1])
            functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
            optimizer.step()
            scheduler.step()

        return step

    old = torch.optim.AdamW(first.parameters(), lr=1e-3)
    ramp = StepLR(old, 2, 0.9)
    step = trained(first, old, ramp)
    step()
    step()
    model = Translator()
    model.load_state_dict(first.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    optimizer.load_state_dict(copy.deepcopy(old.state_dict()))
    scheduler = StepLR(optimizer, 2, 0.9)
    scheduler.load_state_dict(ramp.state_dict())
    model.transformer.encoder.requires_grad_(False)
    step = trained(model, optimizer, scheduler)
    return Subject(model, [optimizer], step, ("transformer.encoder",), [scheduler])


@clean("convnext")
def averaged_by_interpolation() -> Subject:
    """Torch's own running average interpolates, which leaves a constant as it is."""
    model = ConvNext()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
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
    optimizer = torch.optim.SGD(_trained(model), lr=0.05)
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


@clean("swin")
def autocast_with_float32_weights() -> Subject:
    """The forward pass runs in bfloat16 by autocast; the weights are float32."""
    model = swin()
    model.features.requires_grad_(False)
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(inputs)
        functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("features",))


@clean("mlp")
def scale_of_zero_gradient() -> Subject:
    """A unit that is dead has a gradient of exactly 0 and does not move; the others do."""
    model: Any = nn.Module()
    model.body = nn.Linear(12, 16).requires_grad_(False)
    model.hidden = nn.Linear(16, 16)
    model.dead = nn.Linear(16, 16)
    model.head = nn.Linear(16, CLASSES)
    nn.init.constant_(model.dead.bias, -100.0)
    optimizer = torch.optim.SGD(_trained(model), lr=0.1)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        x = functional.relu(model.hidden(model.body(inputs)))
        x = x + functional.relu(model.dead(x))
        optimizer.zero_grad()
        functional.cross_entropy(model.head(x), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
