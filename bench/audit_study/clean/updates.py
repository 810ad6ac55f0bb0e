"""Optimizers, schedules and loops that leave a fresh freeze alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    ConvNext,
    Gan,
    Mixer,
    NormFreeNet,
    Siamese,
    densenet,
    resnet18,
    swin,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
)
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


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
    optimizer = torch.optim.LBFGS(trained(model), lr=0.1, max_iter=3)
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
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
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


@clean("swin")
def autocast_with_float32_weights() -> Subject:
    """The forward pass runs in bfloat16 by autocast; the weights are float32."""
    model = swin()
    model.features.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
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
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        x = functional.relu(model.hidden(model.body(inputs)))
        x = x + functional.relu(model.dead(x))
        optimizer.zero_grad()
        functional.cross_entropy(model.head(x), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
