from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import grad as bound_before
from torch.utils.checkpoint import checkpoint
from trainings import Conv, Mlp, audited, freeze, inputs_of, plain, rules

from bench.audit import Rewound, Subject, audit


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


@pytest.mark.parametrize(("steps", "expected"), [(5, ["not-updated"]), (1, [])])
def test_a_schedule_that_stays_at_0_is_a_warning_after_some_steps(
    steps: int, expected: list[str]
) -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: done // 100)
        return plain(model, optimizer, stateful=[scheduler])

    found = audited(make, steps=steps)

    assert rules(found) == expected, found.findings
    assert {finding.severity for finding in found.findings} <= {"warning"}


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
    assert "test_audit_untrained.py:" in found.findings[0].what


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


def flag_off() -> Subject:
    model = Mlp()
    freeze(model.body, model.stem)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1), ("body",))


def unlisted() -> Subject:
    model = Conv()
    optimizer = torch.optim.SGD(model.backbone.parameters(), 0.1)
    freeze(model.backbone[:3])
    model.backbone.eval()
    return plain(model, optimizer, ("backbone.0", "backbone.1"))


def optimizer_of_another_copy() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return plain(copy.deepcopy(model), optimizer)


def not_stepped() -> Subject:
    model = Mlp()
    freeze(model.body)
    one = torch.optim.SGD(model.stem.parameters(), 0.1)
    other = torch.optim.SGD(model.head.parameters(), 0.1)
    subject = plain(model, one)
    return Subject(model, [one, other], subject.step)


def zeroed_before_the_update() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return plain(model, optimizer, between=optimizer.zero_grad)


def never_stepped() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = inputs_of(model)
    return Subject(model, [optimizer], lambda: model(x).mean().backward())


def put_back() -> Subject:
    model = Mlp()
    freeze(model.body)
    before = model.head.weight.detach().clone()
    return plain(
        model,
        torch.optim.SGD(model.parameters(), 0.1),
        after=lambda: model.head.weight.data.copy_(before),
    )


def lost_to_rounding() -> Subject:
    model = Mlp().to(torch.bfloat16)
    freeze(model.body)
    x = torch.randn(6, 4, dtype=torch.bfloat16)
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def rate_zero() -> Subject:
    model = Mlp()
    freeze(model.body)
    groups = [
        {"params": model.stem.parameters(), "lr": 0.1},
        {"params": model.head.parameters(), "lr": 0.0},
    ]
    return plain(model, torch.optim.SGD(groups), ("body",))


def unused() -> Subject:
    model = Mlp()
    model.aside = nn.Linear(3, 3)
    freeze(model.body)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def no_backward() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = inputs_of(model)

    def step() -> None:
        model(x).mean()
        optimizer.step()

    return Subject(model, [optimizer], step)


def head_replaced() -> Subject:
    model = Mlp()
    freeze(model.body)
    steps = [0]

    def swap() -> None:
        steps[0] += 1
        if steps[0] == 2:
            model.head = nn.Linear(8, 3)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=swap)


def nan_everywhere() -> Subject:
    model = Mlp()
    freeze(model.body)
    x = torch.full((6, 4), torch.nan)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def step() -> None:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def clip() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD([*model.stem.parameters(), *model.head.parameters()], 0.1)
    return plain(
        model,
        optimizer,
        ("body",),
        between=lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.01),
        after=model.zero_grad,  # lest they pile up as well
    )


def average() -> Subject:
    model = Mlp()
    freeze(model.body)
    ema = {name: p.detach().clone() for name, p in model.named_parameters()}

    def update() -> None:
        for name, parameter in model.named_parameters():
            ema[name].mul_(0.9).add_(parameter.detach(), alpha=1 - 0.9)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), after=update)


class Shadow:
    """An average whose tensors are others after each update."""

    def __init__(self, model: nn.Module) -> None:
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}

    def update(self, model: nn.Module) -> None:
        self.shadow = {
            name: 0.9 * self.shadow[name] + 0.1 * p.detach() for name, p in model.named_parameters()
        }

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self.shadow

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.shadow = dict(state)


def average_made_anew() -> Subject:
    model = Mlp()
    freeze(model.body)
    ema = Shadow(model)
    return plain(
        model,
        torch.optim.SGD(model.parameters(), 0.1),
        after=lambda: ema.update(model),
        stateful=[ema],
    )


def raises_at_3() -> Subject:
    model = Mlp()
    freeze(model.body)
    steps = [0]

    def fail() -> None:
        steps[0] += 1
        if steps[0] == 3:
            raise ValueError("no third batch")

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=fail)


def inference_tensor() -> Subject:
    model = Mlp()
    freeze(model.stem)
    x = inputs_of(model)
    optimizer = torch.optim.SGD([*model.body.parameters(), *model.head.parameters()], 0.1)

    def step() -> None:
        with torch.inference_mode():
            features = model.stem(x)
        model.head(model.body(features)).mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def scaler_without_gradients() -> Subject:
    model = Mlp()
    freeze(model.body)
    scaler = torch.amp.GradScaler("cpu")
    x = inputs_of(model)
    optimizer = torch.optim.SGD([*model.body.parameters()], 0.1)
    other = torch.optim.SGD([*model.stem.parameters(), *model.head.parameters()], 0.1)

    def step() -> None:
        scaler.scale(model(x).mean()).backward()
        scaler.step(other)
        scaler.step(optimizer)
        scaler.update()

    return Subject(model, [optimizer, other], step, stateful=[scaler])


FAULTS: list[tuple[Any, str, str | None]] = [
    (flag_off, "flag-off", "stem.weight"),
    (unlisted, "unfrozen-unlisted", "head.weight"),
    (optimizer_of_another_copy, "unfrozen-unlisted", "head.weight"),
    (not_stepped, "not-updated", "head.weight"),
    (zeroed_before_the_update, "not-updated", "head.weight"),
    (never_stepped, "not-updated", "head.weight"),
    (put_back, "not-updated", "head.weight"),
    (lost_to_rounding, "lost-to-rounding", "head.weight"),
    (rate_zero, "not-updated", "head.weight"),
    (unused, "unused", "aside.weight"),
    (no_backward, "no-backward", "head.weight"),
    (head_replaced, "parameter-replaced", "head.weight"),
    (nan_everywhere, "non-finite", "head.weight"),
    (clip, "clip-counts-frozen", "body.0.weight"),
    (average, "ema-rounding", "body.0.weight"),
    (average_made_anew, "ema-rounding", "body.0.weight"),
    (raises_at_3, "step-raised", None),
    (inference_tensor, "inference-tensor", None),
    (scaler_without_gradients, "scaler-no-grads", None),
]


@pytest.mark.parametrize("how", ["anew", "rewound"])
@pytest.mark.parametrize(("make", "rule", "name"), FAULTS, ids=[m.__name__ for m, _, _ in FAULTS])
def test_what_is_not_trained_is_found_with_its_cause_alone(
    make: Any, rule: str, name: str | None, how: str
) -> None:
    found = audited(make, how)

    assert rules(found) == [rule], found.findings
    assert name is None or name in found.findings[0].where


ELSEWHERE = [one for one in FAULTS if one[0] is not head_replaced]  # it makes a layer in a step


@pytest.mark.parametrize(
    ("make", "rule", "name"), ELSEWHERE, ids=[m.__name__ for m, _, _ in ELSEWHERE]
)
def test_a_default_device_of_the_user_s_changes_nothing(
    make: Any, rule: str, name: str | None
) -> None:
    torch.manual_seed(0)
    subject = make()

    with torch.device("meta"):  # where nothing can be computed with
        found = audit(Rewound(subject), target="a test")

    assert rules(found) == [rule]
    assert name is None or name in found.findings[0].where


def test_what_was_found_before_a_step_raised_is_kept() -> None:
    def make() -> Subject:
        subject = raises_at_3()
        model = subject.model
        assert isinstance(model, Mlp)
        with torch.no_grad():
            step, weight = subject.step, model.body[0].weight

        def writing() -> None:
            weight.data.add_(1.0)
            step()

        return Subject(model, subject.optimizers, writing)

    found = audited(make)

    assert rules(found) == ["inplace-data", "step-raised"]
    assert found.stopped is not None
    assert "ValueError: no third batch (test_audit_untrained.py:" in found.stopped


def at_rate_zero() -> Subject:
    model = Mlp()
    freeze(model.stem)
    left = [p for p in model.parameters() if p.requires_grad]
    return plain(model, torch.optim.SGD(left, lr=0.0))


def test_learning_rates_that_are_all_0_are_a_warning_though_nothing_was_declared() -> None:
    found = audited(at_rate_zero)
    assert [(one.rule, one.severity) for one in found.findings] == [("not-updated", "warning")]


def test_several_names_take_verbs_in_the_plural() -> None:
    (found,) = audited(at_rate_zero).findings
    assert len(found.where) > 1
    assert " get a gradient, and the learning rate is 0" in found.what


def grad_by_its_own_name() -> Subject:
    model = Mlp()
    freeze(model.stem, model.body)
    parameters = list(model.head.parameters())
    optimizer = torch.optim.SGD(parameters, 0.1)
    x = inputs_of(model)

    def step() -> None:
        for parameter, gradient in zip(
            parameters, bound_before(model(x).square().sum(), parameters), strict=True
        ):
            parameter.grad = gradient
        optimizer.step()

    return Subject(model, [optimizer], step)


def gradients_by_hand() -> Subject:
    model = Mlp()
    freeze(model.stem, model.body)
    optimizer = torch.optim.SGD(model.head.parameters(), 0.1)

    def step() -> None:
        for parameter in model.head.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()

    return Subject(model, [optimizer], step)


def values_by_hand() -> Subject:
    model = Mlp()
    freeze(model.stem, model.body)
    optimizer = torch.optim.SGD(model.head.parameters(), 0.1)

    def step() -> None:
        for parameter in model.head.parameters():
            parameter.data.add_(torch.randn_like(parameter), alpha=0.01)

    return Subject(model, [optimizer], step)


@pytest.mark.parametrize("make", [grad_by_its_own_name, gradients_by_hand, values_by_hand])
@pytest.mark.parametrize("how", ["anew", "rewound"])
def test_what_trains_is_not_told_that_it_ran_no_backward(make: Any, how: str) -> None:
    assert rules(audited(make, how)) == []


def test_gradients_left_from_before_are_no_training() -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.stem, model.body)
        optimizer = torch.optim.SGD(model.head.parameters(), 0.1)
        model(inputs_of(model)).square().sum().backward()
        return Subject(model, [optimizer], optimizer.step)

    assert rules(audited(make)) == ["no-backward"]
