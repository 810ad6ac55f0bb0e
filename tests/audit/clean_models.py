"""Small trainings with nothing wrong, of many kinds of layer, mode, and precision."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim import SGD
from torch.utils.checkpoint import checkpoint
from trainings import Conv, Mlp, Tagger, freeze, inputs_of, plain

from bench.audit import Subject


def eval_frozen_bn() -> Subject:
    model = Conv()
    freeze(model.backbone)

    def train() -> None:
        model.train()
        model.backbone.eval()

    return plain(model, torch.optim.AdamW(model.parameters(), weight_decay=0.1), before=train)


def dead_relu() -> Subject:
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    nn.init.constant_(model[1].bias, -100.0)
    freeze(model[0])
    return plain(model, SGD(model.parameters(), 0.1))


def bias_before_batchnorm() -> Subject:
    model = Conv()
    freeze(model.head)
    return plain(model, SGD(model.parameters(), 0.01), ("head",))


def experts_in_turn() -> Subject:
    class Experts(Mlp):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])
            self.turn = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.turn = (self.turn + 1) % 3
            return self.head(self.body(self.experts[self.turn](self.stem(x))))

    model = Experts()
    freeze(model.body)
    return plain(model, SGD(model.parameters(), 0.1))


class LoRA(nn.Module):
    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(2, inner.in_features))
        self.b = nn.Parameter(torch.zeros(inner.out_features, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + x @ self.a.T @ self.b.T


def lora() -> Subject:
    model = Mlp()
    freeze(model.body)
    model.body[0] = LoRA(model.body[0])
    model.stem = LoRA(model.stem)
    return plain(model, torch.optim.AdamW([p for p in model.parameters() if p.requires_grad]))


def tied_and_frozen() -> Subject:
    model = Tagger(tied=True)
    freeze(model.embedding)
    return plain(model, torch.optim.AdamW(model.parameters()), ("embedding",))


def tied_and_trained() -> Subject:
    model = Tagger(tied=True)
    freeze(model.rnn)
    return plain(model, torch.optim.AdamW(model.parameters()))


def dropout_in_eval() -> Subject:
    model = Mlp()
    model.body.append(nn.Dropout(0.5))
    freeze(model.body)
    model.body.eval()
    return plain(model, SGD(model.parameters(), 0.1))


def weight_norm() -> Subject:
    model = Mlp()
    model.stem = parametrizations.weight_norm(model.stem)
    freeze(model.stem)
    return plain(model, torch.optim.AdamW(model.parameters()))


def spectral_norm_in_eval() -> Subject:
    model = Mlp()
    model.stem = parametrizations.spectral_norm(model.stem)
    freeze(model.stem)
    model.stem.eval()
    return plain(model, torch.optim.AdamW(model.parameters()))


def checkpointed() -> Subject:
    class Checkpointed(Mlp):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(checkpoint(self.body, self.stem(x), use_reentrant=False))

    model = Checkpointed()
    freeze(model.stem)
    return plain(model, SGD(model.parameters(), 0.1))


def features_in_inference_mode() -> Subject:
    model = Mlp()
    x = inputs_of(model)
    optimizer = SGD(model.head.parameters(), 0.1)

    def step() -> None:
        with torch.inference_mode():
            features = model.body(model.stem(x).tanh())
        optimizer.zero_grad()
        model.head(features.clone()).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("stem", "body"))


def rnn() -> Subject:
    model = Tagger()
    freeze(model.embedding)
    return plain(model, torch.optim.RMSprop(model.parameters(), 0.01))


def compiled() -> Subject:
    model = Mlp()
    freeze(model.body)
    fast = torch.compile(model, backend="eager")
    optimizer = SGD(model.parameters(), 0.1)
    x = inputs_of(model)

    def step() -> None:
        optimizer.zero_grad()
        fast(x).square().mean().backward()
        optimizer.step()

    return Subject(fast, [optimizer], step, ("body",))


def an_expert_that_no_sample_chooses() -> Subject:
    model = Mlp()
    model.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
    freeze(model.body)
    x = torch.randn(6, 4)
    chosen = torch.zeros(6, 1)
    optimizer = SGD(model.parameters(), 0.1)

    def step() -> None:
        mixed = chosen * model.experts[0](x) + (1 - chosen) * model.experts[1](x)
        optimizer.zero_grad()
        model(mixed).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def double_precision() -> Subject:
    model = Mlp().double()
    freeze(model.body)
    x = torch.randn(6, 4, dtype=torch.float64)
    optimizer = SGD(model.parameters(), 0.1)

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)
