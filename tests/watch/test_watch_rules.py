"""Each mechanism, in a small training of a user's, and the rule that a watch names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from watched import Net, adam, frozen_net, sgd, train

from bench.watch import FrozenMoved, watch

if TYPE_CHECKING:
    from collections.abc import Callable


def statistics() -> None:
    net = frozen_net(norm=True)
    with watch(net):
        train(net)


def counter() -> None:
    net = frozen_net(norm=True)
    net.backbone[1].momentum = 0.0
    with watch(net):
        train(net)


def train_undoes_eval() -> None:
    net = frozen_net(norm=True)
    net.backbone.eval()
    with watch(net):
        net.train()
        train(net)


def train_undoes_eval_for_a_while() -> None:
    net = frozen_net(norm=True)
    net.backbone.eval()
    with watch(net, every=100):
        net.train()
        train(net)
        net.eval()


def spectral() -> None:
    net = Net(nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 6)), nn.Tanh()))
    net.backbone.requires_grad_(False)
    with watch(net):
        train(net)


def spectral_by_hook() -> None:
    net = Net(nn.Sequential(torch.nn.utils.spectral_norm(nn.Linear(4, 6)), nn.Tanh()))
    for parameter in net.backbone.parameters():
        parameter.requires_grad_(False)
    with watch(net):
        train(net)


def stale() -> None:
    net = Net()
    optimizer = sgd(net)
    net(torch.randn(8, 4)).sum().backward()
    net.backbone.requires_grad_(False)
    with watch(net):
        train(net, optimizer)


def zeroed() -> None:
    net = Net()
    optimizer = sgd(net, momentum=0.9)
    train(net, optimizer, set_to_none=False)
    net.backbone.requires_grad_(False)
    with watch(net):
        train(net, optimizer, set_to_none=False)


def masked_with_decay() -> None:
    net = Net()
    for parameter in net.backbone.parameters():
        parameter.register_hook(torch.zeros_like)
    with watch(net, "backbone"):
        train(net, sgd(net, weight_decay=0.1))


def revived() -> None:
    net = Net()
    groups = [{"params": net.backbone.parameters(), "lr": 0.0}, {"params": net.head.parameters()}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4, eta_min=0.01)
    with watch(net, "backbone"):
        train(net, optimizer, after_update=lambda _: scheduler.step())


def revived_before_the_first_step() -> None:
    net = Net()
    groups = [{"params": net.backbone.parameters(), "lr": 0.0}, {"params": net.head.parameters()}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    with watch(net, "backbone", optimizers=optimizer):
        torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=9)
        train(net, optimizer)


def zero_times_infinity() -> None:
    net = Net()
    groups = [{"params": net.backbone.parameters(), "lr": 0.0}, {"params": net.head.parameters()}]
    net.backbone[0].weight.register_hook(lambda grad: grad * float("inf"))
    with watch(net, "backbone"):
        train(net, torch.optim.SGD(groups, lr=0.1))


def rprop_floor() -> None:
    net = Net()
    groups = [{"params": net.backbone.parameters(), "lr": 0.0}, {"params": net.head.parameters()}]
    with watch(net, "backbone"):
        train(net, torch.optim.Rprop(groups, lr=0.1))


def re_enabled() -> None:
    net = frozen_net()
    with watch(net):
        net.requires_grad_(True)
        train(net)


def never_frozen() -> None:
    net = Net()
    net.backbone.requires_grad = False
    with watch(net, "backbone"):
        train(net)


def never_frozen_in_a_warm_up() -> None:
    net = Net()
    optimizer = adam(net)
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    with watch(net, "backbone"):
        train(net, optimizer, after_update=lambda _: warm_up.step())


def tied() -> None:
    net = Net(nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2)))
    net.head = nn.Sequential(nn.Linear(2, 6), nn.Linear(6, 2))
    net.head[1].weight = net.backbone[1].weight
    net.backbone.requires_grad_(False)
    net.head.requires_grad_(True)
    with watch(net, "backbone"):
        train(net)


def written_to() -> None:
    net = frozen_net()
    with watch(net):
        train(net, before_update=lambda _: net.backbone[0].weight.data.mul_(0.99))


def own_buffer() -> None:
    class Counting(nn.Linear):
        def __init__(self) -> None:
            super().__init__(4, 6)
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.seen += 1
            return super().forward(inputs)

    net = Net(Counting())
    net.backbone.requires_grad_(False)
    with watch(net):
        train(net)


SEEN: list[tuple[Callable[[], None], str]] = [
    (statistics, "bn-statistics"),
    (counter, "bn-counter"),
    (train_undoes_eval, "train-undoes-eval"),
    (train_undoes_eval_for_a_while, "train-undoes-eval"),
    (spectral, "spectral-norm"),
    (spectral_by_hook, "spectral-norm"),
    (stale, "stale-gradient"),
    (zeroed, "zeroed-not-none"),
    (masked_with_decay, "zeroed-not-none"),
    (revived, "lr-revived"),
    (revived_before_the_first_step, "lr-revived"),
    (zero_times_infinity, "zero-times-inf"),
    (rprop_floor, "rprop-floor"),
    (re_enabled, "flag-re-enabled"),
    (never_frozen, "no-op-freeze"),
    (never_frozen_in_a_warm_up, "no-op-freeze"),
    (tied, "tied-weights"),
    (written_to, "frozen-moved"),
    (own_buffer, "frozen-moved"),
]


@pytest.mark.parametrize(("training", "rule"), SEEN, ids=[made.__name__ for made, _ in SEEN])
def test_what_was_seen_is_named(training: Callable[[], None], rule: str) -> None:
    with pytest.raises(FrozenMoved) as caught:
        training()

    assert [finding.rule for finding in caught.value.findings] == [rule]
    (finding,) = caught.value.findings
    assert finding.decided_by == ""
    assert "what was seen" in finding.why
    assert all(name.startswith("backbone") for name in finding.where)


MENDED = {statistics, train_undoes_eval, spectral, stale, zeroed, re_enabled, never_frozen, tied}


@pytest.mark.parametrize(("training", "rule"), SEEN, ids=[made.__name__ for made, _ in SEEN])
def test_the_mend_is_code_that_runs(training: Callable[[], None], rule: str) -> None:
    with pytest.raises(FrozenMoved) as caught:
        training()

    mend = caught.value.findings[0].mend
    if training in MENDED:
        exec(mend, {"model": Net(norm=True)})
    else:
        assert mend


def safe_fresh_freeze_with_decay() -> None:
    net = frozen_net()
    with watch(net):
        train(net, torch.optim.AdamW(net.parameters(), weight_decay=0.1))


def safe_rate_of_zero() -> None:
    net = Net()
    groups = [{"params": net.backbone.parameters(), "lr": 0.0}, {"params": net.head.parameters()}]
    optimizer = torch.optim.Adam(groups, lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    with watch(net, "backbone"):
        train(net, optimizer, after_update=lambda _: scheduler.step())


def safe_eval() -> None:
    net = frozen_net(norm=True)
    net.backbone.eval()
    with watch(net):
        train(net)


def safe_optimizer_of_the_rest() -> None:
    net = Net()
    with watch(net, "backbone"):
        train(net, sgd(net.head))


def safe_middle() -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2))
    net[1].requires_grad_(False)
    with watch(net):
        train(net)


def safe_dropout_in_eval() -> None:
    net = Net(nn.Sequential(nn.Linear(4, 6), nn.Dropout()))
    net.backbone.requires_grad_(False).eval()
    with watch(net):
        train(net)


def safe_spectral_in_eval() -> None:
    net = Net(nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 6)), nn.Tanh()))
    net.backbone.requires_grad_(False).eval()
    with watch(net):
        train(net)


def safe_not_a_number() -> None:
    net = frozen_net()
    net.backbone[0].bias.data[0] = float("nan")
    with watch(net):
        train(net)


SAFE = [made for name, made in sorted(globals().items()) if name.startswith("safe_")]


@pytest.mark.parametrize("training", SAFE, ids=[made.__name__ for made in SAFE])
def test_what_is_safe_raises_nothing(training: Callable[[], None]) -> None:
    training()
