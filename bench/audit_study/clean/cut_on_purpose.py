"""Gradients that are cut, turned, weighed or zeroed where that is meant."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    T5,
    WIDTH,
    Conformer,
    ConvMixer,
    Denoiser,
    Detr,
    Gan,
    Perceiver,
    PointNet,
    RegisterVit,
    WaveNet,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    descending,
    images,
    labelled_sentences,
)
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("wavenet")
def rounded_straight_through() -> Subject:
    """Activations are rounded to a grid, and the gradient goes through as if they were not."""

    class Rounded(WaveNet):
        def layer(self, x: torch.Tensor, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            x, skip = super().layer(x, index)
            return x + ((x * 8).round() / 8 - x).detach(), skip

    model = Rounded()
    model.start.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    batch = torch.randn(3, 1, 24), torch.randint(CLASSES, (3, 24))
    return Subject(model, [optimizer], classification(model, optimizer, batch), ("start",))


@clean("perceiver")
def codebook_by_moving_average() -> Subject:
    """Latents are quantised straight through; the codebook is a buffer that follows them."""

    class Quantised(Perceiver):
        def __init__(self) -> None:
            super().__init__()
            self.codes: torch.Tensor
            self.register_buffer("codes", torch.randn(6, WIDTH))

        def forward(self, inputs: torch.Tensor) -> Any:
            x = self.encode(inputs)
            chosen = torch.cdist(x.detach().flatten(0, 1), self.codes).argmin(1)
            for code in chosen.unique():
                mean = x.detach().flatten(0, 1)[chosen == code].mean(0)
                self.codes[code] = self.codes[code].lerp(mean, 0.1)
            quantised = self.codes[chosen].view_as(x).clone()
            return self.head((x + (quantised - x).detach()).mean(1))

    model = Quantised()
    model.project.requires_grad_(False)
    optimizer = torch.optim.RAdam(trained(model), lr=1e-2)
    batch = torch.randn(4, 6, 8), torch.randint(CLASSES, (4,))
    return Subject(model, [optimizer], classification(model, optimizer, batch), ("project",))


@clean("conv_mixer")
def hard_gates_by_gumbel() -> Subject:
    """A gate is drawn hard for each channel; its logits are trained through the soft sample."""
    model: Any = ConvMixer()
    model.gate = nn.Linear(16, 32)
    model.stem.requires_grad_(False).eval()
    optimizer = torch.optim.Adamax(trained(model), lr=1e-2)
    inputs, labels = images()

    def loss() -> torch.Tensor:
        features = model.features(inputs)
        gates = functional.gumbel_softmax(model.gate(features).unflatten(1, (16, 2)), hard=True)
        return functional.cross_entropy(model.head(features * gates[..., 0]), labels)

    return Subject(model, [optimizer], descending(optimizer, loss), ("stem",))


class Reversed(torch.autograd.Function):
    """The identity, whose gradient is turned round (Ganin and Lempitsky, 2015)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, strength: float) -> torch.Tensor:
        """The same values."""
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The turned gradient, and none for the strength."""
        return -ctx.strength * grads[0], None


@clean("point_net")
def domain_adversary() -> Subject:
    """A critic of domains reads features through a reversed gradient; the turn is frozen."""
    model: Any = PointNet()
    model.domain = nn.Linear(16, 2)
    model.turn.requires_grad_(False)
    optimizer = torch.optim.NAdam(trained(model), lr=1e-2)
    points, labels, domains = torch.randn(4, 10, 3), torch.randint(CLASSES, (4,)), torch.arange(4)

    def loss() -> torch.Tensor:
        features = model.features(points)
        told = model.domain(Reversed.apply(features, 0.1))
        wrong = functional.cross_entropy(model.classifier(features), labels)
        return wrong + functional.cross_entropy(told, domains % 2)

    return Subject(model, [optimizer], descending(optimizer, loss), ("turn",))


class Cheap(torch.autograd.Function):
    """A linear layer that answers None for a weight that needs no gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """`x @ weight.T`."""
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients for what needs one."""
        x, weight = ctx.saved_tensors
        of_weight = grads[0].flatten(0, -2).T @ x.flatten(0, -2)
        return grads[0] @ weight, of_weight if ctx.needs_input_grad[1] else None


@clean("point_net")
def function_without_a_frozen_gradient() -> Subject:
    """A function of one's own leaves out the weight's gradient, which is frozen in one layer."""

    class Written(PointNet):
        def forward(self, points: torch.Tensor) -> Any:
            first, second = self.classifier[0], self.classifier[2]
            x = Cheap.apply(self.features(points), first.weight) + first.bias
            return Cheap.apply(functional.relu(x), second.weight) + second.bias

    model: Any = Written()
    model.classifier[0].requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    batch = torch.randn(4, 10, 3), torch.randint(CLASSES, (4,))
    step = classification(model, optimizer, batch)
    return Subject(model, [optimizer], step, ("classifier.0",))


@clean("t5")
def new_rows_by_a_hook() -> Subject:
    """A hook zeroes the gradient of old words' rows; new words' rows of the matrix are trained."""
    model = T5()
    model.block.requires_grad_(False)
    model.relative_bias.requires_grad_(False)
    old = torch.ones(40, 1)
    old[:30] = 0
    model.shared.weight.register_hook(lambda gradient: gradient * old)
    optimizer = torch.optim.Adam(trained(model), lr=1e-2)
    tokens, labels = labelled_sentences()
    tokens[:, 3:6] = torch.tensor([31, 35, 39])
    step = classification(model, optimizer, (tokens, labels))
    return Subject(model, [optimizer], step, ("block", "relative_bias"))


@clean("detr")
def box_loss_ramped_from_nothing() -> Subject:
    """The weight of the box loss grows from 0, so the boxes' first gradient is 0."""
    model = Detr()
    model.backbone.requires_grad_(False).eval()
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, labels = images(3)
    wanted, done = torch.rand(3, 3, 4), 0

    def loss() -> torch.Tensor:
        nonlocal done
        logits, boxes = model(inputs)
        weight, done = min(1.0, done / 3), done + 1
        classes = labels[:, None].expand(-1, 3)
        found = functional.cross_entropy(logits.transpose(1, 2), classes)
        return found + weight * functional.l1_loss(boxes, wanted)

    return Subject(model, [optimizer], descending(optimizer, loss), ("backbone",))


@clean("gan")
def critic_with_a_gradient_penalty() -> Subject:
    """WGAN-GP: the penalty is a gradient of a gradient, and the score's bias cancels out."""
    model = Gan()
    model.generator.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3, betas=(0.0, 0.9))
    real = torch.randn(4, 3, 4, 4)

    def loss() -> Any:
        with torch.no_grad():
            fake = model.generator(torch.randn(4, 8))
        between = torch.lerp(real, fake, torch.rand(4, 1, 1, 1)).requires_grad_(True)
        scores = model.discriminator(between).sum()
        (slope,) = torch.autograd.grad(scores, between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        wins = model.discriminator(fake).mean() - model.discriminator(real).mean()
        return wins + 10 * penalty

    return Subject(model, [optimizer], descending(optimizer, loss), ("generator",))


@clean("register_vit")
def pseudo_labels_by_argmax() -> Subject:
    """FixMatch: classes of unlabelled images by argmax under `no_grad`, none sure enough yet."""
    model = RegisterVit()
    model.patches.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    (inputs, labels), (others, _) = images(), images()

    def loss() -> Any:
        with torch.no_grad():
            sure, guessed = model(others).softmax(1).max(1)
        lost = functional.cross_entropy(model(others + 0.1), guessed, reduction="none")
        known = functional.cross_entropy(model(inputs), labels)
        return known + (lost * (sure > 0.95)).mean()

    return Subject(model, [optimizer], descending(optimizer, loss), ("patches",))


def tenth(_module: nn.Module, given: Any, _grads: Any) -> Any:
    """A tenth of the gradient for what a module was given."""
    return tuple(one * 0.1 for one in given)


@clean("conv_mixer")
def gradients_scaled_for_the_body() -> Subject:
    """A backward hook passes a tenth of the gradient from the head to the body."""
    model = ConvMixer()
    model.stem.requires_grad_(False).eval()
    model.head.register_full_backward_hook(tenth)
    optimizer = torch.optim.SGD(trained(model), lr=0.1, momentum=0.9)
    return Subject(model, [optimizer], classification(model, optimizer, images()), ("stem",))


@clean("conformer")
def critic_on_detached_features() -> Subject:
    """A critic reads detached features, as in actor-critic training, and has its own loss."""
    model: Any = Conformer()
    model.critic = nn.Linear(CLASSES, 1)
    model.blocks[0].requires_grad_(False).eval()
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    frames, labels = torch.randn(3, 12, 8), torch.randint(CLASSES, (3, 12))

    def loss() -> Any:
        logits = model(frames)
        value = model.critic(logits.detach().mean(2)).squeeze(1)
        worth = torch.rand(3)
        lost = functional.cross_entropy(logits, labels, reduction="none").mean(1)
        return (lost * (worth - value.detach()).abs()).mean() + (value - worth).square().mean()

    return Subject(model, [optimizer], descending(optimizer, loss), ("blocks.0",))


@clean("denoiser")
def guidance_without_a_condition_by_turns() -> Subject:
    """For guidance every other batch has the learnt null in place of the time's embedding."""

    class Guided(Denoiser):
        def __init__(self) -> None:
            super().__init__()
            self.null = nn.Parameter(torch.zeros(8))
            self.dropped = False

        def waves(self, times: torch.Tensor) -> torch.Tensor:
            return self.null.expand(len(times), -1) if self.dropped else super().waves(times)

    model = Guided()
    model.up.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    (inputs, _), times, done = images(3, 8), torch.tensor([3, 20, 70]), 0

    def loss() -> torch.Tensor:
        nonlocal done
        model.dropped, done = done % 2 == 1, done + 1
        noise = torch.randn_like(inputs)
        return functional.mse_loss(model(inputs + noise, times), noise)

    return Subject(model, [optimizer], descending(optimizer, loss), ("up",))
