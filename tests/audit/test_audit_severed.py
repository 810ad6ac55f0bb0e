"""What cuts the gradient off from a trainable part is found, with what it cuts off."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint
from trainings import Mlp, audited, freeze, plain, rules

from bench.audit import Subject


class Cut(Mlp):
    """Something happens to what comes out of the trainable stem."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).tanh()
        return self.head(getattr(self, self.how)(x))

    def no_grad(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.body(x)

    @torch.no_grad()
    def decorated(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)

    def switched(self, x: torch.Tensor) -> torch.Tensor:
        torch.set_grad_enabled(False)
        x = self.body(x)
        torch.set_grad_enabled(True)
        return x

    def set_block(self, x: torch.Tensor) -> torch.Tensor:
        with torch.set_grad_enabled(not self.training):
            return self.body(x)

    def detach(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x.detach())

    def data(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x.data)

    def inference(self, x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            x = self.body(x)
        return x.clone()

    def numpy(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(torch.from_numpy(np.asarray(x.tolist(), dtype=np.float32)))

    def twice(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x = self.body(x)
        return x.detach()


CUTS = {
    "no_grad": "no_grad",
    "decorated": "no_grad",
    "switched": "no_grad",
    "set_block": "no_grad",
    "detach": "detach",
    "data": "detach",
    "inference": "inference_mode",
    "numpy": "differentiable",
    "twice": "no_grad",
}


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("world", ["anew", "rewound"])
def test_what_cuts_the_gradient_off_is_found(how: str, world: str) -> None:
    def make() -> Subject:
        model = Cut(how)
        freeze(model.body)
        return plain(model, torch.optim.SGD(model.parameters(), 0.1))

    found = audited(make, world)

    assert rules(found) == ["severed"], found.findings
    assert found.findings[0].where == ["stem.weight", "stem.bias"]
    assert CUTS[how] in found.findings[0].what + found.findings[0].why


def test_a_gradient_that_is_always_zero_is_a_cut_where_the_loss_depends_on_it() -> None:
    class Rounded(Mlp):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.round(8 * self.body(self.stem(x))) / 8)

    def make() -> Subject:
        model = Rounded()
        freeze(model.body)
        return plain(model, torch.optim.SGD(model.parameters(), 0.1))

    found = audited(make)

    assert rules(found) == ["severed"], found.findings
    assert found.findings[0].severity == "warning"
    assert found.findings[0].where == ["stem.weight", "stem.bias"]


def test_a_function_that_returns_none_for_a_gradient_is_a_cut() -> None:
    class Forgetful(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(weight)
            return x @ weight.T

        @staticmethod
        def backward(ctx, gradient):
            return gradient @ ctx.saved_tensors[0], None

    class Model(Mlp):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            stemmed = Forgetful.apply(x, self.stem.weight) + self.stem.bias
            return self.head(self.body(stemmed))

    def make() -> Subject:
        model = Model()
        freeze(model.body)
        return plain(model, torch.optim.SGD(model.parameters(), 0.1))

    found = audited(make)

    assert rules(found) == ["severed"], found.findings
    assert found.findings[0].where == ["stem.weight"]


@pytest.mark.parametrize("world", ["anew", "rewound"])
def test_a_loss_without_a_graph_is_a_cut_and_not_just_an_exception(world: str) -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body, model.head)
        x = torch.randn(6, 4)
        optimizer = torch.optim.SGD(model.stem.parameters(), 0.1)

        def step() -> None:
            with torch.no_grad():
                loss = model(x).square().mean()
            loss.backward()
            optimizer.step()

        return Subject(model, [optimizer], step)

    found = audited(make, world)

    assert rules(found) == ["severed"], found.findings
    assert found.stopped is not None
    assert "test_audit_severed.py:" in found.findings[0].what


def test_reentrant_checkpointing_behind_a_frozen_part_is_found() -> None:
    class Checkpointed(Mlp):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            return self.head(checkpoint(self.body, x, use_reentrant=True))

    def make() -> Subject:
        model = Checkpointed()
        freeze(model.stem)
        return plain(model, torch.optim.SGD(model.parameters(), 0.1))

    found = audited(make)

    assert rules(found) == ["reentrant-checkpoint"], found.findings
    assert "body.0.weight" in found.findings[0].where
