"""Frozen modules that answer otherwise in training mode, and flags that change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.audit.broken import broken_before
from bench.audit.flags import Flags
from bench.audit.modes import mode_findings
from bench.audit.rebuilt import Made, Rebuilt
from bench.audit.subject import Subject
from strategies import Partition

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Finding


class Functional(nn.Module):
    """Dropout without a module of its own, around one that has no say in it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return functional.dropout(self.inner(inputs), 0.5, self.training)


class AlwaysRandom(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs + torch.randn_like(inputs)


class Attention(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(8, 2, dropout=dropout, batch_first=True)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        inputs = inputs[:, None].repeat(1, 3, 1)
        return self.attend(inputs, inputs, inputs)[0][:, 0]


class Recurrent(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 8, num_layers=2, dropout=dropout, batch_first=True)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.rnn(inputs[:, None].repeat(1, 3, 1))[0][:, -1]


class BatchCentred(nn.Module):
    """By the batch in training mode, by itself in eval mode."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs - inputs.mean(0) if self.training else inputs


def as_lightning_freezes() -> nn.Module:
    norm = nn.BatchNorm1d(8)
    norm.track_running_stats = False
    return norm


def subject(inner: nn.Module, *, prepare: Callable[[nn.Module], Any], train: bool) -> Subject:
    model = nn.Sequential()
    model.backbone = nn.Sequential(nn.Linear(8, 8), inner)
    model.head = nn.Linear(8, 2)
    model.backbone.requires_grad_(False)
    prepare(model)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1)
    inputs = torch.randn(6, 8)

    def step() -> None:
        if train:
            model.train()
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def found(
    make: Callable[[], nn.Module],
    prepare: Callable[[nn.Module], Any] = lambda _: None,
    *,
    train: bool = False,
) -> list[Finding]:
    world = Rebuilt(lambda: Made(subject(make(), prepare=prepare, train=train)))
    partition = Partition.of(world.begin().model, ("backbone",))
    findings = mode_findings(world, partition)
    world.end()
    return findings


ACTIVE = {
    "dropout": (lambda: nn.Dropout(0.5), "dropout-active", "backbone.1"),
    "a dropout deeper": (
        lambda: nn.Sequential(nn.Linear(8, 8), nn.AlphaDropout(0.3)),
        "dropout-active",
        "backbone.1.1",
    ),
    "functional dropout": (Functional, "dropout-active", "backbone.1"),
    "attention": (lambda: Attention(0.5), "dropout-active", "backbone.1.attend"),
    "recurrent": (lambda: Recurrent(0.5), "dropout-active", "backbone.1.rnn"),
    "statistics switched off": (as_lightning_freezes, "batch-statistics", "backbone.1"),
    "of the user's own": (BatchCentred, "batch-statistics", "backbone.1"),
}


@pytest.mark.parametrize("name", ACTIVE)
def test_what_is_active_in_training_mode_is_found_and_its_mend_mends(name):
    make, rule, place = ACTIVE[name]
    (finding,) = found(make)
    assert finding.rule == rule
    assert finding.where == [place]
    assert finding.decided_by
    assert found(make, lambda model: exec(finding.mend, {"model": model})) == []


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs + self.drop(inputs)


def test_a_module_around_a_dropout_is_not_taken_for_its_caller():
    findings = found(lambda: nn.Sequential(Block(), Block()))
    assert [one.where for one in findings] == [["backbone.1.0.drop", "backbone.1.1.drop"]]


@pytest.mark.parametrize("name", ACTIVE)
def test_it_is_found_too_where_the_step_itself_goes_into_training_mode(name):
    make, rule, _ = ACTIVE[name]
    findings = found(make, lambda model: model.backbone.eval(), train=True)
    assert [finding.rule for finding in findings] == [rule]


class DropoutWithoutItsMode(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return functional.dropout(inputs, 0.5)


class AttentionWithoutItsMode(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        one = inputs[:, None].repeat(1, 3, 1)
        return functional.scaled_dot_product_attention(one, one, one, dropout_p=0.5)[:, 0]


class CentredByDesign(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs - inputs.mean(0)


WHATEVER_THE_MODE = {
    "dropout without its mode": (DropoutWithoutItsMode, "dropout-active"),
    "attention without its mode": (AttentionWithoutItsMode, "dropout-active"),
    "no running statistics": (
        lambda: nn.BatchNorm1d(8, track_running_stats=False),
        "batch-statistics",
    ),
}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", WHATEVER_THE_MODE)
def test_what_eval_does_not_switch_off_is_found_in_either_mode(name, train):
    make, rule = WHATEVER_THE_MODE[name]
    (finding,) = found(make, lambda model: model.backbone.train(train))
    assert (finding.rule, finding.where) == (rule, ["backbone.1"])
    assert "eval" in finding.why


SILENT = {
    "by the batch by design": CentredByDesign,
    "no dropout": lambda: nn.Dropout(0.0),
    "attention without": lambda: Attention(0.0),
    "recurrent without": lambda: Recurrent(0.0),
    "random by design": AlwaysRandom,
    "layer norm": lambda: nn.LayerNorm(8),
    "group norm": lambda: nn.GroupNorm(2, 8),
    "statistics that move are another rule's": lambda: nn.BatchNorm1d(8),
    "linear": lambda: nn.Linear(8, 8),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_answers_alike_is_not_found(name):
    assert found(SILENT[name]) == []


def test_nothing_is_run_where_no_module_can_tell_its_mode():
    made = subject(nn.ReLU(), prepare=lambda _: None, train=False)
    made.step = lambda: pytest.fail("a step was run")
    world = Rebuilt(lambda: Made(made))
    assert mode_findings(world, Partition.of(made.model, ("backbone",))) == []


def test_several_are_one_finding():
    (finding,) = found(lambda: nn.Sequential(*(nn.Dropout(0.5) for _ in range(4))))
    assert finding.where == [f"backbone.1.{n}" for n in range(4)]


def test_the_step_goes_on_as_if_nothing_was_tried():
    made = [subject(nn.Dropout(0.5), prepare=lambda _: None, train=False) for _ in range(2)]
    made[1].model.load_state_dict(made[0].model.state_dict())
    partition = Partition.of(made[0].model, ("backbone",))
    losses = []
    for tried in made:
        optimizer = tried.optimizers[0]
        inputs = torch.ones(6, 8)

        def step(model=tried.model, optimizer=optimizer, inputs=inputs) -> None:
            optimizer.zero_grad()
            losses.append(model(inputs).square().mean())
            losses[-1].backward()
            optimizer.step()

        tried.step = step
    world = Rebuilt(lambda: Made(made[0]))
    mode_findings(world, partition)
    torch.manual_seed(0)
    made[1].step()
    assert torch.equal(losses[0], losses[1])
    world.end()


# --- flags that change ----------------------------------------------------------------------------


FROZEN = ("0.weight", "0.bias")


def changed(
    at: Callable[[nn.Module, int], Any], steps: int = 5, frozen: tuple[str, ...] = FROZEN
) -> list[Finding]:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    flags = Flags(model)
    number = 0

    def step() -> None:
        nonlocal number
        number += 1
        at(model, number)

    noted = flags.around(step)
    for _ in range(steps):
        noted()
    flags.let_go()
    return flags.findings([], frozen)


@pytest.mark.parametrize("step", [1, 3])
def test_a_flag_that_is_set_in_a_step_is_found_with_the_step(step):
    (finding,) = changed(lambda model, n: n == step and model[0].requires_grad_(True))
    assert (finding.rule, finding.since_step) == ("flags-changed", step)
    assert finding.where == ["0.weight", "0.bias"]
    assert "became True" in finding.what


def test_what_is_thawed_outside_of_the_frozen_part_is_a_notice():
    def thawed(model: nn.Module, number: int) -> None:
        if number == 3:
            model[0].requires_grad_(True)

    (inside,), (outside,) = changed(thawed), changed(thawed, frozen=("1.weight", "1.bias"))
    assert (inside.severity, outside.severity) == ("warning", "notice")


def test_a_mode_that_changes_later_on_is_found():
    (finding,) = changed(lambda model, n: n == 4 and model[1].eval())
    assert finding.where == ["1"]
    assert finding.since_step == 4


@pytest.mark.parametrize(
    "at",
    [
        lambda model, n: None,
        lambda model, n: model.eval() if n == 1 else None,
        lambda model, n: model[1].requires_grad_(n % 2 == 0),
        lambda model, n: model[1].requires_grad_(False),
        lambda model, n: model.train(n != 3),
    ],
    ids=["never", "in the first step", "in turns", "one side of two", "for an evaluation"],
)
def test_what_is_meant_so_is_not_found(at):
    assert changed(at) == []


def test_what_another_finding_is_about_is_not_told_twice():
    model = nn.Sequential(nn.Linear(2, 2))
    model.requires_grad_(False)
    flags = Flags(model)
    flags.around(lambda: model.requires_grad_(True))()
    (finding,) = flags.findings([], FROZEN)
    assert flags.findings([finding], FROZEN) == []


# --- compiled code, and what is broken before it is trained ---------------------------------------


def test_modules_of_a_compiled_model_are_tried_as_well():
    def make() -> Made:
        made = subject(nn.Dropout(0.5), prepare=lambda _: None, train=False)
        inner = made.model
        made.model = torch.compile(inner, backend="eager")
        optimizer = made.optimizers[0]

        def step() -> None:
            optimizer.zero_grad()
            made.model(torch.ones(6, 8)).square().mean().backward()
            optimizer.step()

        made.step = step
        return Made(made)

    world = Rebuilt(make)
    partition = Partition.of(world.begin().model._orig_mod, ("backbone",))
    assert [finding.rule for finding in mode_findings(world, partition)] == ["dropout-active"]
    world.end()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_is_not_finite_is_found_before_any_step(value):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight[0, 0] = value
    (finding,) = broken_before(model)
    assert (finding.rule, finding.where) == ("non-finite", ["0.weight"])


def test_infinities_in_a_mask_are_none_of_a_parameter_s():
    model = nn.Linear(2, 2)
    model.register_buffer("mask", torch.full((2, 2), float("-inf")))
    assert broken_before(model) == []
