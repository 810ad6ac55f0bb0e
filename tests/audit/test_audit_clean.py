from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint
from trainings import Conv, Mlp, Tagger, audited, freeze, inputs_of, plain, rules, warmed

from bench.audit import Subject

SGD = torch.optim.SGD


def eval_frozen_bn() -> Subject:
    model = Conv()
    freeze(model.backbone)

    def train() -> None:
        model.train()
        model.backbone.eval()

    return plain(model, torch.optim.AdamW(model.parameters(), weight_decay=0.1), before=train)


def fresh_freeze(opt: Any) -> Any:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        keys = {"weight_decay": 0.1} if opt not in (torch.optim.Rprop, torch.optim.LBFGS) else {}
        return plain(model, opt(model.parameters(), lr=0.01, **keys))

    make.__name__ = f"fresh_freeze_{opt.__name__}"
    return make


def lbfgs() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.LBFGS([*model.stem.parameters(), *model.head.parameters()], max_iter=3)
    x = inputs_of(model)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        return loss

    return Subject(model, [optimizer], lambda: optimizer.step(closure))


def warmed_then_frozen() -> Subject:
    model = Mlp()
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    warmed(model, optimizer)
    freeze(model.body)
    return plain(model, optimizer)


def zeros_of_a_fresh_freeze() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(model, SGD(model.parameters(), 0.1, momentum=0.9), set_to_none=False)


def lr_zero(make_scheduler: Any) -> Any:
    def make() -> Subject:
        model = Mlp()
        groups = [
            {"params": model.body.parameters(), "lr": 0.0},
            {"params": [*model.stem.parameters(), *model.head.parameters()], "lr": 0.1},
        ]
        optimizer = torch.optim.Adam(groups, weight_decay=0.1)
        scheduler = make_scheduler(optimizer)
        return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])

    return make


def warm_up() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = SGD(model.parameters(), 0.1)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])


def warm_up_of_one_group() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = SGD([{"params": model.stem.parameters()}, {"params": model.head.parameters()}], 0.1)
    scheduler = lr_scheduler.LambdaLR(optimizer, [lambda step: step / 10, lambda _: 1.0])
    return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])


def one_cycle_of_the_rest() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=50)
    return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])


def accumulation(every: int) -> Any:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        optimizer = SGD(model.parameters(), 0.1)
        x = inputs_of(model)
        count = [0]

        def step() -> None:
            model(x).square().mean().backward()
            count[0] += 1
            if count[0] % every == 0:
                optimizer.step()
                optimizer.zero_grad()

        return Subject(model, [optimizer], step)

    return make


def skipped_by_the_scaler() -> Subject:
    model = Mlp()
    freeze(model.body)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=1)
    optimizer = SGD(model.parameters(), 0.1)
    x = inputs_of(model).mul(1e3)
    count = [0]

    def step() -> None:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        count[0] += 1
        scaler.scale(loss * (torch.inf if count[0] == 2 else 1)).backward()
        scaler.step(optimizer)
        scaler.update()

    return Subject(model, [optimizer], step, stateful=[scaler])


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


def gan() -> Subject:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(4, 4)
            self.generator = Mlp()
            self.critic = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))

    model = Pair()
    freeze(model.encoder)
    one = torch.optim.Adam(model.generator.parameters(), 0.01)
    other = torch.optim.Adam(model.critic.parameters(), 0.01)

    def step() -> None:
        x = torch.randn(6, 4)
        fake = model.generator(model.encoder(x))
        other.zero_grad()
        (model.critic(fake.detach()).mean() - model.critic(torch.randn(6, 3)).mean()).backward()
        other.step()
        one.zero_grad()
        (-model.critic(fake).mean()).backward()
        one.step()

    return Subject(model, [one, other], step)


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


def running_average() -> Subject:
    model = Mlp()
    freeze(model.body)
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    return plain(
        model,
        SGD(model.parameters(), 0.1),
        after=lambda: ema.update_parameters(model),
        stateful=[ema],
    )


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


def optimizer_subset() -> Subject:
    model = Mlp()
    optimizer = SGD([*model.stem.parameters(), *model.head.parameters()], 0.1)
    # Whose zero_grad() would let the body's gradients pile up, and that is something wrong.
    return plain(model, optimizer, ("body",), after=model.zero_grad)


def clipped() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(
        model,
        SGD(model.parameters(), 0.1),
        between=lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.01),
    )


def rnn() -> Subject:
    model = Tagger()
    freeze(model.embedding)
    return plain(model, torch.optim.RMSprop(model.parameters(), 0.01))


def a_teacher_beside() -> Subject:
    model = Mlp()
    teacher = copy.deepcopy(model).requires_grad_(False)
    freeze(model.body)
    optimizer = SGD(model.parameters(), 0.1)

    def step() -> None:
        x = torch.randn(6, 4)
        with torch.no_grad():
            target = teacher(x) + 1
        optimizer.zero_grad()
        (model(x) - target).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def restored_each_step() -> Subject:
    model = Mlp()
    optimizer = SGD(model.parameters(), 0.1)
    before = [p.detach().clone() for p in model.body.parameters()]

    @torch.no_grad()
    def restore() -> None:
        for parameter, value in zip(model.body.parameters(), before, strict=True):
            parameter.copy_(value)

    return plain(model, optimizer, ("body",), after=restore)


def shared_with_another_model() -> Subject:
    model = Mlp()
    other = Mlp()
    other.stem = model.stem
    freeze(model.stem)
    optimizer = SGD([*model.parameters(), *other.head.parameters()], 0.1)
    x = inputs_of(model)

    def step() -> None:
        optimizer.zero_grad()
        (model(x) + other(x)).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


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


def critic_frozen_for_the_generator() -> Subject:
    """A frozen stem below, and flags of the critic that go off and on."""

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = Mlp()
            self.critic = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))

    model = Pair()
    freeze(model.generator.stem)
    one = torch.optim.Adam(model.generator.parameters(), 0.01)
    other = torch.optim.Adam(model.critic.parameters(), 0.01)

    def step() -> None:
        fake = model.generator(torch.randn(6, 4))
        model.critic.requires_grad_(True)
        other.zero_grad()
        (model.critic(fake.detach()).mean() - model.critic(torch.randn(6, 3)).mean()).backward()
        other.step()
        model.critic.requires_grad_(False)
        one.zero_grad()
        (-model.critic(fake).mean()).backward()
        one.step()

    return Subject(model, [one, other], step)


class Target(nn.Module):
    """A network and its copy, which follows it."""

    def __init__(self, norm: bool, momentum: float = 0.99) -> None:
        super().__init__()
        self.online = Mlp(norm=norm)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.momentum = momentum

    @torch.no_grad()
    def follow(self) -> None:
        pairs = zip(self.target.parameters(), self.online.parameters(), strict=True)
        for target, online in pairs:
            target.data = target.data * self.momentum + online.data * (1 - self.momentum)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            goal = self.target(x + 0.1)
        return self.online(x) - goal + 1


def target_network(norm: bool, when: str) -> Any:
    def make() -> Subject:
        model = Target(norm)
        optimizer = SGD([p for p in model.parameters() if p.requires_grad], 0.1)
        return plain(model, optimizer, **{when: model.follow})

    return make


CLEAN: list[Any] = [
    eval_frozen_bn,
    *(
        fresh_freeze(opt)
        for opt in (
            torch.optim.SGD,
            torch.optim.Adam,
            torch.optim.AdamW,
            torch.optim.Adagrad,
            torch.optim.Adadelta,
            torch.optim.RMSprop,
            torch.optim.Rprop,
            torch.optim.NAdam,
            torch.optim.Adamax,
        )
    ),
    lbfgs,
    warmed_then_frozen,
    zeros_of_a_fresh_freeze,
    lr_zero(lambda o: lr_scheduler.StepLR(o, 2)),
    lr_zero(lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    lr_zero(lr_scheduler.LinearLR),
    lr_zero(lambda o: lr_scheduler.LambdaLR(o, lambda e: 0.9**e)),
    lr_zero(lambda o: lr_scheduler.CosineAnnealingLR(o, 10)),
    warm_up,
    warm_up_of_one_group,
    one_cycle_of_the_rest,
    accumulation(2),
    accumulation(8),
    skipped_by_the_scaler,
    dead_relu,
    bias_before_batchnorm,
    experts_in_turn,
    gan,
    critic_frozen_for_the_generator,
    target_network(norm=False, when="before"),
    target_network(norm=True, when="after"),
    lora,
    tied_and_frozen,
    tied_and_trained,
    running_average,
    dropout_in_eval,
    weight_norm,
    spectral_norm_in_eval,
    checkpointed,
    features_in_inference_mode,
    optimizer_subset,
    clipped,
    rnn,
    a_teacher_beside,
    restored_each_step,
    shared_with_another_model,
    compiled,
    an_expert_that_no_sample_chooses,
    double_precision,
]


@pytest.mark.parametrize("how", ["anew", "rewound"])
@pytest.mark.parametrize("make", CLEAN, ids=[f"{n}-{m.__name__}" for n, m in enumerate(CLEAN)])
def test_nothing_is_said_where_nothing_is_wrong(make: Any, how: str) -> None:
    found = audited(make, how)

    assert rules(found) == [], found.findings
    assert found.stopped is None


def test_a_copy_that_follows_is_an_error_where_it_was_said_to_be_frozen() -> None:
    def make() -> Subject:
        subject = target_network(norm=False, when="after")()
        return Subject(subject.model, subject.optimizers, subject.step, ("target",))

    assert rules(audited(make)) == ["inplace-data"]
