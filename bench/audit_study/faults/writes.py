"""Code other than the optimizer that writes to what is frozen."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    ConvNext,
    Gan,
    Gpt,
    Mixer,
    Siamese,
    Tagger,
    Vgg,
    swin,
    vit,
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
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-3)
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
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
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
        super().__init__([p for p in model.parameters() if p.requires_grad], lr=lr)
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
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
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
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
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
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
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
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
    inputs, labels = torch.randn(6, 12), torch.randint(CLASSES, (6,))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model.head(model.body(inputs)), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
