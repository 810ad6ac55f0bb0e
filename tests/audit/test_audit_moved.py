from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim import lr_scheduler
from torch.optim.swa_utils import update_bn
from trainings import (
    Conv,
    Mlp,
    Tagger,
    audited,
    freeze,
    inputs_of,
    plain,
    rules,
    warmed,
)

from bench.audit import Subject
from bench.audit.causes.memory import share_memory


def bn_statistics() -> Subject:
    model = Conv()
    freeze(model.backbone)
    return plain(model, torch.optim.SGD(model.head.parameters(), 0.1))


def bn_without_affine() -> Subject:
    model = nn.Sequential(
        nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8, affine=False)), nn.Linear(8, 2)
    )
    freeze(model[0])
    return plain(model, torch.optim.Adam(model.parameters()))


def bn_counter() -> Subject:
    model = Conv()
    freeze(model.backbone)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    return plain(model, torch.optim.SGD(model.head.parameters(), 0.1))


def train_undoes_eval() -> Subject:
    model = Conv()
    freeze(model.backbone)
    model.backbone.eval()
    return plain(model, torch.optim.SGD(model.head.parameters(), 0.1), before=model.train)


class Codebook(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.register_buffer("seen", torch.zeros(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen += x.detach().mean(0)
        return x * self.scale


def statistics_renewed() -> Subject:
    model = Conv()
    freeze(model.backbone)
    model.eval()
    x = inputs_of(model)
    return plain(
        model,
        torch.optim.SGD(model.head.parameters(), 0.1),
        after=lambda: update_bn([x], model),
    )


def buffers_of_ones_own() -> Subject:
    model = Mlp()
    model.body[2] = Codebook()
    freeze(model.body)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def spectral_norm() -> Subject:
    model = Mlp()
    model.stem = parametrizations.spectral_norm(model.stem)
    freeze(model.stem)
    return plain(model, torch.optim.AdamW(model.parameters()))


def old_spectral_norm() -> Subject:
    model = Mlp()
    model.stem = torch.nn.utils.spectral_norm(model.stem)
    freeze(model.stem)
    return plain(model, torch.optim.AdamW(model.parameters()))


def stale_gradient(opt: Any = torch.optim.SGD) -> Subject:
    model = Mlp()
    warmed(model, torch.optim.SGD(model.parameters(), 0.1))
    freeze(model.body)
    optimizer = opt(model.parameters(), lr=0.01)
    x = inputs_of(model)

    def step() -> None:
        model.head.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


def stale_gradient_once() -> Subject:
    """Applied in the first step alone: zero_grad comes after it."""
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    warmed(model, optimizer)
    freeze(model.body)
    x = inputs_of(model)

    def step() -> None:
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return Subject(model, [optimizer], step)


def zeroed_not_none() -> Subject:
    model = Mlp()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    warmed(model, optimizer)
    freeze(model.body)
    return plain(model, optimizer, set_to_none=False)


def zeroed_with_decay() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, weight_decay=0.1)
    warmed(model, optimizer)
    freeze(model.body)
    return plain(model, optimizer, set_to_none=False)


def decay_on_masked() -> Subject:
    model = Mlp()
    for parameter in model.body.parameters():
        parameter.register_hook(torch.zeros_like)
    return plain(model, torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.1), ("body",))


def decay_on_masked_by_hand() -> Subject:
    model = Conv()
    model.backbone.eval()

    def mask() -> None:
        for parameter in model.backbone.parameters():
            assert parameter.grad is not None
            parameter.grad.zero_()

    optimizer = torch.optim.SGD(model.parameters(), 0.01, weight_decay=0.1)
    return plain(model, optimizer, ("backbone",), between=mask)


def momentum_coasts() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    warmed(model, optimizer)
    for parameter in model.body.parameters():
        parameter.register_hook(torch.zeros_like)
    return plain(model, optimizer, ("body",))


class Decaying:
    """An optimizer of one's own that decays everything."""

    def __init__(self, parameters: Any) -> None:
        self.param_groups = [{"params": list(parameters), "lr": 0.01}]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.mul_(0.999)
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.01)


def third_party_decay() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(model, Decaying(model.parameters()))


def _groups(model: Mlp) -> list[dict[str, Any]]:
    return [
        {"params": model.body.parameters(), "lr": 0.0},
        {"params": [*model.stem.parameters(), *model.head.parameters()], "lr": 0.1},
    ]


class Listing(Decaying):
    """One that goes by a list of its own."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self.parameters = list(self.param_groups[0]["params"])

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self.parameters:
            parameter.mul_(0.999)
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.01)


def third_party_list() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(model, Listing(model.parameters()))


class Around:
    """Decays first, and lets another optimizer do the rest."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.inner = inner
        self.param_groups = inner.param_groups
        self.zero_grad = inner.zero_grad

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(0.999)
        self.inner.step()


def third_party_wrapper() -> Subject:
    model = Mlp()
    freeze(model.body)
    return plain(model, Around(torch.optim.Adam(model.parameters())))


def hooked_update() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def clip_weights(*_: Any) -> None:
        for parameter in model.parameters():
            parameter.data.clamp_(-0.05, 0.05)

    optimizer.register_step_post_hook(clip_weights)
    return plain(model, optimizer)


def renormalised_embedding() -> Subject:
    model = Tagger()
    model.embedding = nn.Embedding(11, 6, max_norm=0.5)
    freeze(model.embedding)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def lr_revived_by_cosine() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(_groups(model))
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 10, eta_min=1e-3)
    return plain(model, optimizer, after=scheduler.step, stateful=[scheduler])


def one_cycle_that_hid_the_zero() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(_groups(model))
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=40)
    return plain(model, optimizer, ("body",), after=scheduler.step, stateful=[scheduler])


def one_rate_for_each_part() -> Subject:
    model = Mlp()
    body, rest = [*model.body.parameters()], [*model.stem.parameters(), *model.head.parameters()]
    optimizer = torch.optim.SGD([{"params": body, "lr": 1e-3}, {"params": rest, "lr": 1e-2}])
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return plain(model, optimizer, ("body",), after=scheduler.step, stateful=[scheduler])


def lr_revived_by_hand() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(_groups(model))

    def warm_up() -> None:
        for group in optimizer.param_groups:
            group["lr"] = 0.01

    return plain(model, optimizer, before=warm_up)


def zero_times_inf() -> Subject:
    model = Mlp()

    def blow_up() -> None:
        grad = model.body[0].weight.grad
        assert grad is not None
        grad[0, 0] = float("inf")

    return plain(model, torch.optim.SGD(_groups(model)), between=blow_up)


def infinite_and_masked() -> Subject:
    model = Mlp()
    mask = torch.zeros(8, 8)
    model.body[0].weight.register_hook(lambda grad: torch.full_like(grad, torch.inf) * mask)
    model.body[0].bias.requires_grad_(False)
    freeze(model.body[1])
    return plain(model, torch.optim.SGD(model.parameters(), 0.1), ("body",))


def rprop_floor() -> Subject:
    model = Mlp()
    return plain(model, torch.optim.Rprop(_groups(model)))


def tied_head() -> Subject:
    model = Tagger(tied=True)
    return plain(
        model, torch.optim.SGD([*model.rnn.parameters(), model.head.weight], 0.1), ("embedding",)
    )


def tied_and_trained_by_adam() -> Subject:
    model = Tagger(tied=True)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    model.embedding.weight.requires_grad_(False)
    model.head.weight.requires_grad_(True)
    return plain(model, optimizer, ("embedding",))


def shared_memory() -> Subject:
    model = Tagger()
    model.head.weight.data = model.embedding.weight.data
    freeze(model.embedding)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def flag_re_enabled() -> Subject:
    model = Mlp()
    freeze(model.body)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    return plain(model, optimizer, before=lambda: model.requires_grad_(True))


def flag_re_enabled_later() -> Subject:
    model = Mlp()
    freeze(model.body)
    steps = [0]

    def resize() -> None:
        steps[0] += 1
        if steps[0] == 3:
            model.body.requires_grad_(True)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), ("body",), before=resize)


def no_op_freeze() -> Subject:
    model = Mlp()
    model.body.requires_grad = False  # type: ignore[assignment]
    return plain(model, torch.optim.Adam(model.parameters()), ("body",))


def no_op_freeze_inferred() -> Subject:
    model = Mlp()
    for parameter in model.body.parameters():
        parameter.require_grad = False
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def update_of_the_step_before() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x = inputs_of(model)

    def step() -> None:
        optimizer.step()
        optimizer.zero_grad()
        model(x).square().mean().backward()

    return Subject(model, [optimizer], step, ("body",))


def update_in_every_other_step() -> Subject:
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x = inputs_of(model)
    steps = [0]

    def step() -> None:
        steps[0] += 1
        if steps[0] % 2:
            optimizer.zero_grad()
            model(x).square().mean().backward()
        else:
            optimizer.step()

    return Subject(model, [optimizer], step, ("body",))


def parts_of_one_vector() -> Subject:
    model = Mlp()
    vector = nn.utils.parameters_to_vector(model.parameters()).detach()
    nn.utils.vector_to_parameters(vector, model.parameters())
    return plain(model, torch.optim.SGD(model.parameters(), 0.01), ("body",))


def weight_norm_names() -> Subject:
    model = Mlp()
    model.stem = parametrizations.weight_norm(model.stem)
    model.stem.parametrizations.weight.original1.requires_grad_(False)
    model.stem.bias.requires_grad_(False)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def weight_norm_not_frozen_at_all() -> Subject:
    model = Mlp()
    model.stem = parametrizations.weight_norm(model.stem)
    names = ("stem.parametrizations.weight.original1",)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1), names)


def old_weight_norm_names() -> Subject:
    model = Mlp()
    model.stem = torch.nn.utils.weight_norm(model.stem)
    model.stem.weight_v.requires_grad_(False)
    return plain(model, torch.optim.SGD(model.parameters(), 0.1))


def clamped() -> Subject:
    model = Mlp()
    freeze(model.body)

    def clamp() -> None:
        for parameter in model.parameters():
            parameter.data.clamp_(-0.05, 0.05)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), after=clamp)


def assigned_data() -> Subject:
    model = Mlp()
    freeze(model.body)

    def assign() -> None:
        model.body[0].weight.data = model.body[0].weight.data * 0.5

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=assign)


def written_by_numpy() -> Subject:
    model = Mlp()
    freeze(model.body)

    def write() -> None:
        model.body[0].weight.detach().numpy()[0, 0] += 1

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), between=write)


def replaced() -> Subject:
    model = Mlp()
    freeze(model.body)
    steps = [0]

    def swap() -> None:
        steps[0] += 1
        if steps[0] == 2:
            model.body[0] = nn.Linear(8, 8).requires_grad_(False)

    return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=swap)


FAULTS: list[tuple[Any, str, str]] = [
    (bn_statistics, "bn-statistics", "backbone.1.running_mean"),
    (bn_without_affine, "bn-statistics", "0.1.running_var"),
    (bn_counter, "bn-counter", "backbone.1.num_batches_tracked"),
    (train_undoes_eval, "train-undoes-eval", "backbone.1.running_mean"),
    (statistics_renewed, "train-undoes-eval", "backbone.1.running_mean"),
    (buffers_of_ones_own, "bn-statistics", "body.2.seen"),
    (spectral_norm, "spectral-norm", "stem.weight"),
    (old_spectral_norm, "spectral-norm", "stem.weight_u"),
    (stale_gradient, "stale-gradient", "body.0.weight"),
    (functools.partial(stale_gradient, torch.optim.AdamW), "stale-gradient", "body.0.weight"),
    (stale_gradient_once, "stale-gradient", "body.1.bias"),
    (zeroed_not_none, "zeroed-not-none", "body.0.weight"),
    (zeroed_with_decay, "zeroed-not-none", "body.0.weight"),
    (decay_on_masked, "decay-on-masked", "body.0.weight"),
    (decay_on_masked_by_hand, "decay-on-masked", "backbone.0.weight"),
    (momentum_coasts, "momentum-coasts", "body.0.weight"),
    (third_party_decay, "third-party-decay", "body.0.weight"),
    (third_party_list, "third-party-decay", "body.0.weight"),
    (third_party_wrapper, "third-party-decay", "body.0.weight"),
    (hooked_update, "inplace-data", "body.0.weight"),
    (renormalised_embedding, "inplace-data", "embedding.weight"),
    (lr_revived_by_cosine, "lr-revived", "body.0.weight"),
    (one_cycle_that_hid_the_zero, "no-op-freeze", "body.0.weight"),
    (lr_revived_by_hand, "lr-revived", "body.0.weight"),
    (zero_times_inf, "zero-times-inf", "body.0.weight"),
    (infinite_and_masked, "zero-times-inf", "body.0.weight"),
    (rprop_floor, "rprop-floor", "body.0.weight"),
    (tied_head, "tied-weights", "embedding.weight"),
    (tied_and_trained_by_adam, "tied-weights", "embedding.weight"),
    (shared_memory, "tied-weights", "embedding.weight"),
    (flag_re_enabled, "flag-re-enabled", "body.0.weight"),
    (flag_re_enabled_later, "flag-re-enabled", "body.0.weight"),
    (no_op_freeze, "no-op-freeze", "body.0.weight"),
    (update_of_the_step_before, "no-op-freeze", "body.0.weight"),
    (update_in_every_other_step, "no-op-freeze", "body.0.weight"),
    (parts_of_one_vector, "no-op-freeze", "body.0.weight"),
    (one_rate_for_each_part, "no-op-freeze", "body.0.weight"),
    (no_op_freeze_inferred, "no-op-freeze", "body.0.weight"),
    (weight_norm_names, "weight-norm-names", "stem.weight"),
    (weight_norm_not_frozen_at_all, "no-op-freeze", "stem.parametrizations.weight.original1"),
    (old_weight_norm_names, "weight-norm-names", "stem.weight"),
    (clamped, "inplace-data", "body.0.weight"),
    (assigned_data, "inplace-data", "body.0.weight"),
    (written_by_numpy, "inplace-data", "body.0.weight"),
    (replaced, "parameter-replaced", "body.0.weight"),
]


@pytest.mark.parametrize("how", ["anew", "rewound"])
@pytest.mark.parametrize(
    ("make", "rule", "name"), FAULTS, ids=[f"{rule}-{n}" for n, (_, rule, _) in enumerate(FAULTS)]
)
def test_a_frozen_tensor_that_moves_is_found_with_its_cause_alone(
    make: Any, rule: str, name: str, how: str
) -> None:
    found = audited(make, how)

    assert rules(found) == [rule], found.findings
    assert name in found.findings[0].where
    assert found.findings[0].moved
    assert found.findings[0].mend


def test_a_gradient_that_is_applied_once_is_seen_in_the_first_warm_step() -> None:
    assert audited(stale_gradient_once, warm=3).findings[0].since_step == 1


def test_the_line_that_wrote_is_named_without_its_folder() -> None:
    finding = audited(clamped).findings[0]

    assert "test_audit_moved.py:" in finding.what
    assert "/" not in finding.what


class Beside(nn.Module):
    """A frozen encoder with BatchNorm beside a trained part and the copy that follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.ModuleDict(
            {
                "encoder": nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)),
                "online": nn.Linear(4, 3),
                "target": nn.Linear(4, 3),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net["online"](self.net["encoder"](x))

    @torch.no_grad()
    def follow(self) -> None:
        for one, other in zip(
            self.net["target"].parameters(), self.net["online"].parameters(), strict=True
        ):
            one.lerp_(other, 0.1)


def test_what_drifts_beside_a_copy_that_follows_is_found_by_its_own_cause() -> None:
    def make() -> Subject:
        model = Beside()
        freeze(model.net["encoder"], model.net["target"])
        optimizer = torch.optim.SGD(model.net["online"].parameters(), 0.01)
        return plain(model, optimizer, after=model.follow)

    found = audited(make)
    drift, follower = found.findings[0], found.findings[1]

    assert rules(found) == ["bn-statistics"]
    if drift.rule != "bn-statistics":
        drift, follower = follower, drift
    assert all(name.startswith("net.encoder.1.") for name in drift.where)
    assert sorted(follower.where) == ["net.target.bias", "net.target.weight"]


@pytest.mark.parametrize("how", ["anew", "rewound"])
def test_a_frozen_module_that_disappears_is_found_and_its_flags_did_not_change(how: str) -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        steps = [0]

        def swap() -> None:
            steps[0] += 1
            if steps[0] == 3:
                model.body = nn.Sequential(nn.Sequential(nn.Linear(8, 8)))

        return plain(model, torch.optim.SGD(model.parameters(), 0.1), ("body",), before=swap)

    found = audited(make, how)
    finding = found.findings[0]

    assert rules(found) == ["parameter-replaced"]
    assert "have not been in the model since step 3" in finding.what
    assert sorted(finding.where) == ["body.0.bias", "body.0.weight", "body.1.bias", "body.1.weight"]


def test_a_frozen_tensor_that_is_found_under_another_name_is_not_gone() -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)

        def wrap() -> None:
            if not isinstance(model.body[0], nn.Sequential):
                model.body[0] = nn.Sequential(model.body[0])

        return plain(model, torch.optim.SGD(model.parameters(), 0.1), before=wrap)

    assert rules(audited(make)) == []


WHOLE = torch.zeros(6, 6)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (WHOLE, WHOLE.t(), True),
        (WHOLE[:3], WHOLE[3:], False),
        (WHOLE[:4], WHOLE[3:], True),
        (WHOLE[:, :3], WHOLE[:, 3:], False),
        (WHOLE[:, :4], WHOLE[:, 3:], True),
        (WHOLE, WHOLE.clone(), False),
        (WHOLE[0, 0], WHOLE[0], True),
        (WHOLE[:0], WHOLE, False),
    ],
)
def test_memory_is_shared_by_what_has_a_byte_in_common(
    one: torch.Tensor, other: torch.Tensor, shared: bool
) -> None:
    assert share_memory(one, other) is shared
    assert share_memory(other, one) is shared


def test_a_change_of_dtype_is_no_change_by_0() -> None:
    def make() -> Subject:
        model = Mlp()
        freeze(model.body)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def step() -> None:
            model.double()
            optimizer.zero_grad()
            model(torch.ones(2, 4, dtype=torch.float64)).sum().backward()
            optimizer.step()

        return Subject(model, [optimizer], step)

    (finding,) = [one for one in audited(make).findings if one.moved]

    assert "to another dtype" in finding.what
    assert "by up to 0" not in finding.what
