"""Parts that are used by turns, shared, cached or not used at all."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    ConvNext,
    Experts,
    Mixer,
    NormFreeNet,
    Siamese,
    Tagger,
    densenet,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
    sentences,
)
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("tagger")
def state_carried_over() -> Subject:
    """Word vectors frozen; the recurrent state goes from step to step, detached."""
    model = Tagger()
    model.vectors.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    data = TensorDataset(sentences(400), torch.randint(CLASSES, (400, 8)))
    batches = iter(DataLoader(data, batch_size=4))
    state: Any = None

    def step() -> None:
        nonlocal state
        tokens, tags = next(batches)
        logits, state = model(tokens, state)
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        functional.cross_entropy(logits, tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("tagger")
def frozen_gru() -> Subject:
    """The recurrent layer is frozen between word vectors and classes that are trained."""
    model = Tagger(nn.GRU)
    model.rnn.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1, momentum=0.9)
    tokens, tags = sentences(), torch.randint(CLASSES, (4, 8))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(tokens)[0], tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("rnn",))


@clean("tagger")
def max_norm_that_is_kept() -> Subject:
    """A frozen embedding with `max_norm` whose rows are shorter than that."""
    model = Tagger(max_norm=1.0)
    with torch.no_grad():
        model.vectors.weight.mul_(0.9 / model.vectors.weight.norm(dim=1).max())
    model.vectors.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    tokens, tags = sentences(), torch.randint(CLASSES, (4, 8))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(tokens)[0], tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("vectors",))


@clean("convnext")
def features_under_no_grad() -> Subject:
    """Nothing that trains is upstream of the features under `no_grad`."""

    class Probe(ConvNext):
        def forward(self, images: torch.Tensor) -> Any:
            with torch.no_grad():
                x = self.stages(self.stem(images)).mean((2, 3))
            return self.head(self.norm(x))

    model = Probe()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("densenet")
def inference_mode_and_a_clone() -> Subject:
    """Features under `inference_mode`, cloned before they are trained upon."""
    model = densenet().eval()
    model.features.requires_grad_(False)
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    inputs, labels = images(size=32)

    def step() -> None:
        with torch.inference_mode():
            features = functional.relu(model.features(inputs)).mean((2, 3))
        optimizer.zero_grad()
        functional.cross_entropy(model.classifier(features.clone()), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("features",))


@clean("mixer")
def features_computed_before() -> Subject:
    """Features were computed once; the frozen part is in the model and does not run."""
    model = Mixer()
    model.stem.requires_grad_(False)
    model.blocks.requires_grad_(False)
    inputs, labels = images()
    with torch.no_grad():
        features = model.blocks(model.stem(inputs).flatten(2).transpose(1, 2))
    optimizer = torch.optim.SGD(trained(model), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        logits = model.head(model.norm(features).mean(1))
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("siamese")
def stop_gradient_of_one_side() -> Subject:
    """SimSiam detaches one side by turns; all that trains has its gradient from the other."""
    model = Siamese()
    model.encoder[0].requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.05, momentum=0.9)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        one, other = model(left, right)
        similar = functional.cosine_similarity
        loss = -(similar(one, other.detach()) + similar(other, one.detach())).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("experts")
def experts_by_turns() -> Subject:
    """Each step trains one expert of three; the trunk is frozen."""
    model = Experts()
    model.trunk.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    inputs, labels = images()
    done = 0

    def step() -> None:
        nonlocal done
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs, done % 3), labels).backward()
        optimizer.step()
        done += 1

    return Subject(model, [optimizer], step, ("trunk",))


@clean("experts")
def experts_at_random() -> Subject:
    """Two experts of three take part in each step, drawn at random; one of them is frozen."""
    model = Experts()
    model.experts[0].requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, labels = images()

    def step() -> None:
        first, second, _ = torch.randperm(3).tolist()
        logits = model(inputs, first) + model(inputs, second)
        optimizer.zero_grad()
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("experts.0",))


@clean("norm_free_net")
def unused_head_is_frozen() -> Subject:
    """A head that no loss uses is declared frozen, with its flags off."""
    model: Any = NormFreeNet()
    model.auxiliary = nn.Linear(16, CLASSES)
    model.auxiliary.requires_grad_(False)
    model.stem.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("stem", "auxiliary"))


@clean("siamese")
def hooks_that_look() -> Subject:
    """Hooks log the norms of gradients and activations, and change nothing."""
    model = Siamese()
    model.encoder.requires_grad_(False)
    norms: list[float] = []
    for parameter in model.projection.parameters():
        parameter.register_hook(lambda gradient: norms.append(float(gradient.norm())))
    model.encoder.register_forward_hook(lambda *seen: norms.append(float(seen[-1].norm())))
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        one, other = model(left, right)
        optimizer.zero_grad()
        (1 - functional.cosine_similarity(one, other).mean()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@clean("convnext")
def buffers_of_what_trains() -> Subject:
    """The model counts its steps and centres its logits in buffers outside of what is frozen."""

    class Centred(ConvNext):
        def __init__(self) -> None:
            super().__init__()
            self.seen: torch.Tensor
            self.center: torch.Tensor
            self.register_buffer("seen", torch.tensor(0))
            self.register_buffer("center", torch.zeros(CLASSES))

        def forward(self, images: torch.Tensor) -> Any:
            logits = super().forward(images)
            self.seen += 1
            self.center.lerp_(logits.detach().mean(0), 0.1)
            return logits - self.center

    model = Centred()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("vit")
def shuffled_batches() -> Subject:
    """Another batch in each step, from a loader that shuffles."""
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    model.encoder.ln.requires_grad_(True)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    loader = DataLoader(TensorDataset(*images(200)), batch_size=4, shuffle=True)
    batches = iter(loader)

    def step() -> None:
        inputs, labels = next(batches)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
