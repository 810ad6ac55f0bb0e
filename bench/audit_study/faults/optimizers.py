"""What optimizers do without a gradient, with a rate of 0, or with an infinite gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Mixer,
    Siamese,
    shufflenet,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
)
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


class Lion(torch.optim.Optimizer):
    """Signs of an average, and a decay of everything in its groups (after Chen et al., 2023)."""

    def __init__(self, params: Any, lr: float = 1e-3, decay: float = 0.1) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "beta": 0.9})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Decay first, then the signs."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(1 - group["lr"] * group["decay"])
                if parameter.grad is None:
                    continue
                average = self.state[parameter].setdefault("average", torch.zeros_like(parameter))
                average.lerp_(parameter.grad, 1 - group["beta"])
                parameter.add_(average.sign(), alpha=-group["lr"])


@fault("vit", "third-party-decay", where=("conv_proj.weight", "encoder.layers.encoder_layer_0"))
def lion_decays_everything() -> Subject:
    """A third party's optimizer decays before it looks whether there is a gradient."""
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    optimizer = Lion(model.parameters())
    return Subject(model, [optimizer], classification(model, optimizer, images()))


class PlainSgd:
    """An optimizer that is no `torch.optim.Optimizer`."""

    def __init__(self, params: Any, lr: float, decay: float) -> None:
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(params), "lr": lr, "decay": decay}
        ]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Descend, with a missing gradient taken as 0."""
        group = self.param_groups[0]
        for parameter in group["params"]:
            gradient = 0 if parameter.grad is None else parameter.grad
            parameter.sub_(group["lr"] * (gradient + group["decay"] * parameter))


@fault("siamese", "third-party-decay", where=("encoder.0.weight", "encoder.3.weight"))
def optimizer_of_ones_own() -> Subject:
    """A loop's own optimizer takes a missing gradient as 0, and decays."""
    model = Siamese()
    model.encoder.requires_grad_(False)
    optimizer = PlainSgd(model.parameters(), lr=0.1, decay=0.01)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        one, other = model(left, right)
        optimizer.zero_grad()
        (one - other).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@fault("mixer", "rprop-floor", where=("stem.weight",))
def rprop_at_zero() -> Subject:
    """Rprop with a learning rate of 0 for the stem: its steps have a floor."""
    model = Mixer()
    rest = [p for n, p in model.named_parameters() if not n.startswith("stem")]
    optimizer = torch.optim.Rprop(
        [{"params": trained(model.stem), "lr": 0.0}, {"params": rest, "lr": 1e-3}]
    )
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@fault(
    "shufflenet", "zero-times-inf", where=("conv1.0.weight",), also=("non-finite",)
)  # fmt: skip
def overflow_times_zero() -> Subject:
    """A learning rate of 0 for the backbone, and a loss whose gradient overflows."""
    model = shufflenet().eval()
    head = list(model.fc.parameters())
    head_ids = {id(p) for p in head}
    body = [p for p in model.parameters() if id(p) not in head_ids]
    optimizer = torch.optim.SGD([{"params": body, "lr": 0.0}, {"params": head, "lr": 1e-3}])
    inputs, _ = images(size=32)

    def step() -> None:
        optimizer.zero_grad()
        (model(inputs).square().sum() * 1e38 * 1e4).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("mlp", "zero-times-inf", where=("scale.variance",), also=("non-finite",))
def root_of_zero() -> Subject:
    """The root of a variance that is 0 has an infinite gradient, and 0 times that is NaN."""

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.variance = nn.Parameter(torch.zeros(16))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * (1 + self.variance.sqrt())

    model: Any = nn.Module()
    model.scale, model.head = Scale(), nn.Linear(16, CLASSES)
    optimizer = torch.optim.SGD(
        [
            {"params": model.scale.parameters(), "lr": 0.0},
            {"params": model.head.parameters(), "lr": 0.1},
        ]
    )
    inputs, labels = torch.randn(6, 16), torch.randint(CLASSES, (6,))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model.head(model.scale(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
