from __future__ import annotations

import pytest
import torch
from torch import nn
from watched import Net, frozen_net, sgd, train

from bench.watch import FrozenMoved, Severed, watch


class Adapted(nn.Module):
    """An adapter at the input of a frozen backbone, which cuts the gradient off if asked to."""

    def __init__(self, how: str = "") -> None:
        super().__init__()
        self.how = how
        self.adapter = nn.Linear(4, 4)
        self.backbone = nn.Linear(4, 6).requires_grad_(False)
        self.head = nn.Linear(6, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        adapted = self.adapter(inputs)
        with torch.set_grad_enabled(self.how != "no_grad"):
            features = self.backbone(adapted)
        return self.head(features.detach() if self.how == "detach" else features)


@pytest.mark.parametrize("how", ["no_grad", "detach"])
def test_what_is_cut_off_raises_at_the_end(how: str) -> None:
    net = Adapted(how)

    with pytest.raises(Severed) as caught, watch(net):
        train(net)

    (finding,) = caught.value.findings
    assert (finding.rule, finding.where) == ("severed", ["adapter.weight", "adapter.bias"])
    assert "in 3 steps for 2 trainable parameters" in finding.what


def test_a_gradient_that_passes_through_raises_nothing() -> None:
    with watch(Adapted()) as report:
        train(report._model)


def test_it_can_be_told_not_to_look_for_what_is_cut_off() -> None:
    net = Adapted("detach")

    with watch(net, severed=False) as report:
        train(net)

    assert report.findings == []


def test_nothing_is_said_of_gradients_before_any_step_but_that_there_was_none() -> None:
    with pytest.warns(UserWarning, match="saw no optimizer step"), watch(Adapted("detach")):
        pass


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_takes_the_place_of_nothing_worse() -> None:
    net = frozen_net()
    net.spare = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.head.parameters(), lr=0.1)

    frozen = next(p for p in net.parameters() if not p.requires_grad)

    with pytest.raises(FrozenMoved), watch(net, every=100):
        train(net, optimizer=optimizer, after_update=lambda _: frozen.data.add_(1))


def test_a_step_without_any_gradient_is_severed() -> None:
    net = frozen_net()

    with pytest.raises(Severed) as caught, watch(net):
        sgd(net).step()

    assert caught.value.findings[0].where == ["head.weight", "head.bias"]


def test_a_stale_gradient_is_not_taken_for_a_new_one() -> None:
    net = Adapted("detach")
    net.adapter(torch.randn(8, 4)).sum().backward()

    with pytest.raises(Severed), watch(net):
        train(net, set_to_none=False)


def test_a_gradient_that_is_put_there_by_hand_counts() -> None:
    net = frozen_net()
    trained = list(net.head.parameters())

    with watch(net):
        loss = net(torch.randn(8, 4)).square().mean()
        for parameter, grad in zip(trained, torch.autograd.grad(loss, trained), strict=True):
            parameter.grad = grad
        sgd(net).step()


def test_what_never_runs_is_a_warning_and_no_error() -> None:
    net = frozen_net()
    net.pooler = nn.Linear(3, 3)

    with pytest.warns(UserWarning, match=r"No gradient.*\[unused\]"), watch(net) as report:
        train(net)

    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("unused", "warning")
    assert finding.mend.endswith("model.pooler.requires_grad_(False)")


@pytest.mark.parametrize("every", [1, 100])
def test_what_runs_in_a_later_step_is_no_finding(every: int) -> None:
    net = frozen_net()
    net.seldom = nn.Linear(4, 6)

    with watch(net, every=every) as report:
        train(net, steps=30)
        optimizer = sgd(net)
        net.head(net.seldom(torch.randn(8, 4))).sum().backward()
        optimizer.step()

    assert report.findings == []


def test_the_projection_of_attention_is_severed_and_not_unused() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2)
            self.frozen = nn.Linear(4, 4).requires_grad_(False)
            self.head = nn.Linear(4, 2)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            attended, _ = self.attention(inputs, inputs, inputs)
            return self.head(self.frozen(attended).detach())

    net = Attending()

    with pytest.raises(Severed) as caught, watch(net):
        train(net)

    assert "attention.out_proj.weight" in caught.value.findings[0].where


def test_a_flag_that_is_switched_off_is_said_to_be() -> None:
    net = Adapted()

    with pytest.raises(Severed) as caught, watch(net):  # noqa: PT012
        net.adapter.requires_grad_(False)
        train(net)

    (finding,) = caught.value.findings
    assert finding.rule == "flag-off"
    exec(finding.mend, {"model": net})
    assert net.adapter.weight.requires_grad


def test_what_moved_and_what_was_cut_are_told_together() -> None:
    net = Adapted("detach")

    with pytest.raises(FrozenMoved) as caught, watch(net, every=100):
        train(net, before_update=lambda _: net.backbone.bias.data.add_(1))

    assert [finding.rule for finding in caught.value.findings] == ["frozen-moved", "severed"]


def test_a_tied_trainable_parameter_is_asked_for_once() -> None:
    net = Net(nn.Linear(4, 6).requires_grad_(False))
    net.head = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    net.head[1].weight = net.head[0].weight

    with watch(net):
        train(net)


class Flat(Adapted):
    """The adapter gets a gradient that is zero in every number, `until` some forward pass."""

    def __init__(self, until: float = float("inf")) -> None:
        super().__init__()
        self.until, self.passes = until, 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        factor = 0.0 if self.passes < self.until else 1.0
        return self.head(self.backbone(inputs + factor * self.adapter(inputs)))


@pytest.mark.parametrize(("every", "steps", "looked_at"), [(1, 4, 4), (1, 30, 10), (100, 30, 10)])
def test_gradients_that_are_always_zero_are_a_warning(
    every: int, steps: int, looked_at: int
) -> None:
    net = Flat()

    with pytest.warns(UserWarning, match="Every gradient of 2"), watch(net, every=every) as report:
        train(net, steps=steps)

    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("severed", "warning")
    assert finding.where == ["adapter.weight", "adapter.bias"]
    assert f"was zero in the first {looked_at} updates" in finding.what
    assert report.steps == steps


@pytest.mark.parametrize(("until", "steps"), [(3, 3), (8, 9), (100, 2)])
def test_gradients_that_are_zero_at_the_beginning_are_no_finding(until: int, steps: int) -> None:
    net = Flat(until)

    with watch(net) as report:
        train(net, steps=steps)

    assert report.findings == []


def test_a_single_zero_gradient_of_a_module_is_no_finding() -> None:
    net = Adapted()
    net.adapter.bias.register_hook(torch.zeros_like)

    with watch(net) as report:
        train(net)

    assert report.findings == []


def test_a_loss_that_gives_nothing_but_zeros_may_be_at_its_least() -> None:
    net = frozen_net()
    optimizer = sgd(net)

    with pytest.warns(UserWarning, match="or the loss was at its least"), watch(net):  # noqa: PT031
        for _ in range(5):
            (net(torch.randn(8, 4)) * 0).sum().backward()
            optimizer.step()
