"""Code other than the optimizer that writes to what is frozen."""

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
    Siamese,
    Tagger,
    swin,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
)
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("gan", "inplace-data", where=("discriminator.features.0.weight",))
def wgan_clips_weights() -> Subject:
    """A critic's weights are clipped after each step, those of its frozen features as well."""
    model = Gan()
    model.discriminator.features.requires_grad_(False)
    of_g = torch.optim.RMSprop(model.generator.parameters(), lr=1e-3)
    of_d = torch.optim.RMSprop(model.discriminator.score.parameters(), lr=1e-3)
    real = torch.randn(4, 3, 4, 4)

    def step() -> None:
        noise = torch.randn(4, 8)
        of_d.zero_grad()
        fake = model.generator(noise).detach()
        (model.discriminator(fake) - model.discriminator(real)).mean().backward()
        of_d.step()
        for parameter in model.discriminator.parameters():
            parameter.data.clamp_(-0.05, 0.05)
        of_g.zero_grad()
        (-model.discriminator(model.generator(noise))).mean().backward()
        of_g.step()

    return Subject(model, [of_g, of_d], step)


@fault("tagger", "inplace-data", where=("vectors.weight",))
def embedding_with_a_max_norm() -> Subject:
    """An embedding with `max_norm` scales its rows while it looks them up, frozen or not."""
    model = Tagger(nn.GRU, max_norm=1.0)
    model.vectors.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    tags = torch.randint(CLASSES, (4, 8))
    rows = iter(range(10**6))

    def step() -> None:
        tokens = (torch.arange(32).view(4, 8) + 7 * next(rows)) % 40
        optimizer.zero_grad()
        functional.cross_entropy(model(tokens)[0], tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("vit", "inplace-data", where=("teacher.conv_proj.weight",))
def target_network_updated() -> Subject:
    """A teacher that was to be fixed is still updated as a moving average of the student."""
    model: Any = nn.Module()
    model.student = vit()
    model.teacher = vit().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.student.parameters(), lr=1e-3)
    inputs, _ = images()

    @torch.no_grad()
    def update_teacher(momentum: float = 0.99) -> None:
        for taught, teaching in zip(
            model.student.parameters(), model.teacher.parameters(), strict=True
        ):
            teaching.mul_(momentum).add_(taught, alpha=1 - momentum)

    def step() -> None:
        with torch.no_grad():
            wanted = model.teacher(inputs).softmax(-1)
        optimizer.zero_grad()
        functional.cross_entropy(model.student(inputs), wanted).backward()
        optimizer.step()
        update_teacher()

    return Subject(model, [optimizer], step, ("teacher",))


@fault("mixer", "inplace-data", "frozen-moved", where=("stem.weight",))
def numpy_view_is_written() -> Subject:
    """A NumPy view of a frozen weight, taken for a look, is scaled in place."""
    model = Mixer()
    model.stem.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    train_step = classification(model, optimizer, images())
    view = model.stem.weight.detach().numpy()

    def step() -> None:
        train_step()
        view[:] /= abs(view).max()
        view[:] *= 0.99

    return Subject(model, [optimizer], step)


@fault("convnext", "inplace-data", where=("stages.0.gamma",))
def weights_renormalised() -> Subject:
    """Every third step all layer scales are rescaled under `no_grad`, frozen ones too."""
    model = ConvNext()
    model.stages[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = classification(model, optimizer, images())
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done % 3 == 0:
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if name.endswith("gamma"):
                        parameter.div_(parameter.norm())

    return Subject(model, [optimizer], step)


class DecayThenStep(torch.optim.SGD):
    """SGD with a decay of the whole model, of the user's own."""

    def __init__(self, model: nn.Module, lr: float) -> None:
        super().__init__(trained(model), lr=lr)
        self.model = model

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Decay every matrix of the model, then descend."""
        with torch.no_grad():
            for parameter in self.model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(0.999)
        super().step(closure)


@fault("swin", "third-party-decay", "inplace-data", where=("features.0.0.weight",))
def optimizer_decays_the_model() -> Subject:
    """The optimizer holds the head only, and decays every matrix of the model."""
    model = swin()
    model.features.requires_grad_(False)
    optimizer = DecayThenStep(model, lr=0.01)
    return Subject(model, [optimizer], classification(model, optimizer, images()), ("features",))


@fault("siamese", "inplace-data", where=("encoder.0.weight",))
def noise_between_passes() -> Subject:
    """Noise is put on all weights for the forward pass and taken off again, with its rounding."""
    model = Siamese()
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.SGD(model.projection.parameters(), lr=0.1)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        noise = [0.1 * torch.randn_like(p) for p in model.parameters()]
        for parameter, added in zip(model.parameters(), noise, strict=True):
            parameter.data += added
        one, other = model(left, right)
        loss = (one - other).square().mean()
        optimizer.zero_grad()
        loss.backward()
        for parameter, added in zip(model.parameters(), noise, strict=True):
            parameter.data -= added
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))
