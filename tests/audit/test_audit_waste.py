"""What a frozen part costs that it need not."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from bench.audit import audit_training
from bench.audit.pasteable import covering, expression, for_each, parameters_of
from bench.audit.rebuilt import Made, Rebuilt
from bench.audit.subject import Subject
from bench.audit.waste import wasted
from strategies import Partition

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Finding

WIDTH, BATCH = 8, 4


def net() -> nn.Module:
    model = nn.Sequential()
    model.backbone = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
    model.head = nn.Linear(WIDTH, 2)
    return model


def ordinary(model: nn.Module, optimizer: Any) -> Callable[[], None]:
    inputs = torch.randn(BATCH, WIDTH)

    def step() -> None:
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    return step


def of(make: Callable[[], Subject]) -> dict[str, Finding]:
    """The findings by rule, each once."""
    begun: list[int] = []

    def made() -> Made:
        begun.append(1)
        return Made(make())

    world = Rebuilt(made)
    partition = Partition.of(make().model, ("backbone",))
    found = wasted(world, partition)
    world.end()
    by_rule = {finding.rule: finding for finding in found}
    assert len(by_rule) == len(found)
    return by_rule


def flags_off() -> Subject:
    model = net()
    model.backbone.requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    return Subject(model, [optimizer], ordinary(model, optimizer))


def subset() -> Subject:
    """The optimizer holds the head alone, and clears that alone."""
    model = net()
    optimizer = torch.optim.Adam(model.head.parameters(), lr=1e-2)
    return Subject(model, [optimizer], ordinary(model, optimizer))


def subset_cleared() -> Subject:
    model = net()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=1e-2)
    inner = ordinary(model, optimizer)

    def step() -> None:
        model.zero_grad()
        inner()

    return Subject(model, [optimizer], step)


def lr_zero() -> Subject:
    model = net()
    groups = [
        {"params": model.backbone.parameters(), "lr": 0.0},
        {"params": model.head.parameters()},
    ]
    optimizer = torch.optim.Adam(groups, lr=1e-2)
    return Subject(model, [optimizer], ordinary(model, optimizer))


def detached() -> Subject:
    model = net()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=1e-2)
    inputs = torch.randn(BATCH, WIDTH)

    def step() -> None:
        optimizer.zero_grad()
        model.head(model.backbone(inputs).detach()).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def without_grad() -> Subject:
    model = net()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=1e-2)
    inputs = torch.randn(BATCH, WIDTH)

    def step() -> None:
        optimizer.zero_grad()
        with torch.no_grad():
            features = model.backbone(inputs)
        model.head(features).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def accumulated(every: int) -> Callable[[], Subject]:
    """Both parts are cleared by one line, every so many steps."""

    def make() -> Subject:
        model = net()
        optimizer = torch.optim.SGD(model.head.parameters(), lr=1e-2)
        inputs, steps = torch.randn(BATCH, WIDTH), count(1)

        def step() -> None:
            model(inputs).square().mean().backward()
            if next(steps) % every == 0:
                optimizer.step()
                model.zero_grad()

        return Subject(model, [optimizer], step)

    return make


def left_over() -> Subject:
    """Gradients from before the freeze, which no optimizer holds."""
    model = net()
    model(torch.randn(BATCH, WIDTH)).sum().backward()
    model.backbone.requires_grad_(False)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=1e-2)
    return Subject(model, [optimizer], ordinary(model, optimizer))


def adagrad() -> Subject:
    """It makes its state when it is made."""
    model = net()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=1e-2)
    model.backbone.requires_grad_(False)
    return Subject(model, [optimizer], ordinary(model, optimizer))


def masked() -> Subject:
    """The step clears what requires_grad off would leave absent."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    inputs = torch.randn(BATCH, WIDTH)

    def step() -> None:
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        for parameter in model.backbone.parameters():
            parameter.grad.zero_()
        optimizer.step()

    return Subject(model, [optimizer], step)


@pytest.mark.parametrize(
    ("make", "rules"),
    [
        (flags_off, set()),
        (subset, {"gradient-pile-up", "wasted-backward"}),
        (subset_cleared, {"wasted-gradients", "wasted-backward"}),
        (lr_zero, {"wasted-gradients", "state-for-frozen", "wasted-backward"}),
        (detached, {"wasted-backward"}),
        (without_grad, set()),
        (accumulated(1), {"wasted-gradients", "wasted-backward"}),
        (accumulated(2), {"wasted-gradients", "wasted-backward"}),
        (accumulated(9), {"wasted-gradients", "wasted-backward"}),
        (left_over, {"wasted-gradients"}),
        (adagrad, {"state-for-frozen"}),
        (masked, {"wasted-gradients"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_way_of_freezing_wastes_what_it_does(make, rules):
    assert set(of(make)) == rules


def test_nothing_is_run_where_nothing_can_be_wasted():
    def make() -> Subject:
        subject = flags_off()
        subject.step = lambda: pytest.fail("a step was run")
        return subject

    assert of(make) == {}


PARAMETERS = 2 * (WIDTH * WIDTH + WIDTH)


def test_gradients_are_told_in_bytes():
    for make in (subset, lr_zero):
        found = of(make)
        finding = found.get("gradient-pile-up") or found["wasted-gradients"]
        assert finding.figures["gradient_bytes"] == 4 * PARAMETERS


def test_a_pile_is_told_with_how_it_grew():
    figures = of(subset)["gradient-pile-up"].figures
    assert figures["last_norm"] > 3 * figures["first_norm"] > 0


def test_state_is_told_in_bytes():
    # Two moments of the size of the parameters, and a counter for each tensor.
    assert of(lr_zero)["state-for-frozen"].figures["state_bytes"] == 8 * PARAMETERS + 4 * 4


def test_the_saving_is_that_of_the_same_step_with_flags_off():
    layer = 2 * BATCH * WIDTH * WIDTH  # FLOPs of one product with a layer's weight
    head = 2 * BATCH * WIDTH * 2
    figures = of(subset_cleared)["wasted-backward"].figures
    # backward of two layers: both weights, the second's input, and the head's input
    assert figures["saved_flops"] == 3 * layer + head
    assert figures["step_flops"] == 2 * layer + head + figures["saved_flops"] + head
    assert figures["saved_flops_share"] == figures["saved_flops"] / figures["step_flops"]
    assert 0 < figures["saved_activation_bytes"] < figures["activation_bytes"]


def test_what_detach_keeps_until_it_is_cut_is_bytes_and_no_flops():
    figures = of(detached)["wasted-backward"].figures
    assert figures["saved_flops"] == 0
    assert figures["saved_activation_bytes"] > 0


@pytest.mark.parametrize("make", [subset, lr_zero, left_over, adagrad, subset_cleared, detached])
def test_the_mend_can_be_pasted_and_mends(make):
    found = of(make)
    mends = {finding.mend for finding in found.values()}

    def mended() -> Subject:
        subject = make()
        (own,) = subject.optimizers
        names: dict[str, Any] = {"torch": torch, "model": subject.model, "optimizer": own}
        for mend in mends:
            exec(mend, names)
        if names["optimizer"] is not own:
            subject.optimizers = [names["optimizer"]]
            subject.step = ordinary(subject.model, names["optimizer"])
        return subject

    left = of(mended)
    if make is adagrad:
        assert left == {}
    assert set(left) <= {"wasted-gradients"}  # a pile or a state is gone for certain


def test_an_unknown_optimizer_without_a_state_wastes_none():
    class Unknown:
        def __init__(self, model: nn.Module) -> None:
            self.param_groups = [{"params": list(model.parameters())}]

        def zero_grad(self) -> None:
            for parameter in self.param_groups[0]["params"]:
                parameter.grad = None

        def step(self) -> None:
            pass

    def make() -> Subject:
        model = net()
        optimizer = Unknown(model)
        return Subject(model, [optimizer], ordinary(model, optimizer))

    assert set(of(make)) == {"wasted-gradients", "wasted-backward"}


# --- code -----------------------------------------------------------------------------------------


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
        self.parts = nn.ModuleDict({"a-b": nn.Linear(2, 2)})
        self.scale = nn.Parameter(torch.ones(2))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "model"),
        ("layers.0", "model.layers[0]"),
        ("layers.1.weight", "model.layers[1].weight"),
        ("parts.a-b.bias", "model.parts['a-b'].bias"),
        ("scale", "model.scale"),
    ],
)
def test_a_name_becomes_code_that_reaches_it(name, code):
    model = Odd()
    assert expression(model, name) == code
    found = eval(code, {"model": model})
    assert found is (dict(model.named_parameters()) | dict(model.named_modules()))[name]


@pytest.mark.parametrize(
    ("names", "covered"),
    [
        (["layers.0.weight", "layers.0.bias"], ["layers.0"]),
        (["layers.0.weight"], ["layers.0.weight"]),
        (
            [f"layers.{n}.{leaf}" for n in (0, 1) for leaf in ("weight", "bias")] + ["scale"],
            ["layers", "scale"],
        ),
    ],
)
def test_names_are_covered_by_the_largest_modules_that_hold_nothing_else(names, covered):
    model = Odd()
    assert covering(model, names) == covered
    exec(for_each(model, names, "requires_grad_(False)"), {"model": model})
    assert {n for n, p in model.named_parameters() if not p.requires_grad} == set(names)
    reached = eval(f"list({parameters_of(model, names)})", {"model": model})
    assert {id(p) for p in reached} == {id(model.get_parameter(name)) for name in names}


def test_a_step_that_raises_later_than_was_asked_for_is_no_error_of_the_audit() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.head.parameters(), 0.1)
    trained, calls = ordinary(model, optimizer), 0

    def step() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("no third batch")
        trained()

    audit_training(model, optimizer, step, frozen="backbone", steps=1, warm=1)
    assert calls == 0


class Bare:
    """No optimizer of torch's: `params` as they are given."""

    def __init__(self, groups: list[Any]) -> None:
        self.param_groups = groups
        self.speed = 0.1

    def parameters(self) -> list[torch.Tensor]:
        return [
            parameter
            for group in self.param_groups
            for parameter in (group["params"] if isinstance(group, dict) else [group])
        ]

    def step(self) -> None:
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.data.sub_(self.speed * parameter.grad)
        self.speed *= 0.9

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None


class Slotted:
    __slots__ = ("param_groups", "speed")
    __init__ = Bare.__init__
    parameters = Bare.parameters
    zero_grad = Bare.zero_grad

    def step(self) -> None:
        Bare.step(self)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Bare, Slotted])
@pytest.mark.parametrize("in_groups", [True, False])
def test_any_object_with_step_zero_grad_and_groups_is_an_optimizer(
    kind: Any, in_groups: bool
) -> None:
    model = net()
    parameters = list(model.head.parameters())
    optimizer = kind([{"params": parameters, "lr": 0.1}] if in_groups else parameters)
    step = kind.step
    found = audit_training(model, optimizer, ordinary(model, optimizer), frozen="backbone")
    assert {one.severity for one in found.findings} <= {"notice", "warning"}
    assert kind.step is step
    assert optimizer.speed == 0.1
