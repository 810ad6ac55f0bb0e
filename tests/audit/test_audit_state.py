from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim.swa_utils import AveragedModel
from trainings import Conv, Mlp, Tagger, inputs_of, rules

from bench.audit import AuditError, Rewound, Subject, audit, audit_training
from bench.audit.intent import intent
from bench.audit.kept import frozen_places, still
from bench.measure.stillness import same_bits

ARCHITECTURES: dict[str, Any] = {
    "mlp": Mlp,
    "batchnorm": lambda: Mlp(norm=True),
    "conv": Conv,
    "tied": lambda: Tagger(tied=True),
    "dropout": lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)),
    "spectral": lambda: nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 2)
    ),
    "old weight norm": lambda: nn.Sequential(
        torch.nn.utils.weight_norm(nn.Linear(4, 8)), nn.Linear(8, 2)
    ),
}
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
    "rprop": lambda p: torch.optim.Rprop(p, 0.01),
}


def bits(thing: Any) -> Any:
    """A value that is equal where everything in `thing` is, to the bit, and where it stands."""
    if isinstance(thing, torch.Tensor):
        tensor = thing.detach().clone().contiguous()
        return (str(tensor.dtype), tuple(tensor.shape), tensor.numpy().tobytes())
    if isinstance(thing, dict):
        return [(str(key), bits(value)) for key, value in thing.items()]
    if isinstance(thing, (list, tuple)):
        return [bits(value) for value in thing]
    return repr(thing)


def state(model: nn.Module, optimizer: Any, *more: Any) -> list[Any]:
    parameters = dict(model.named_parameters(remove_duplicate=False))
    return [
        bits(model.state_dict()),
        [(name, id(p), p.requires_grad) for name, p in parameters.items()],
        [(name, None if p.grad is None else bits(p.grad)) for name, p in parameters.items()],
        [(name, module.training) for name, module in model.named_modules()],
        [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules()],
        [bool(p._post_accumulate_grad_hooks) for p in parameters.values()],
        bits(optimizer.state_dict()),
        [bits(one.state_dict()) for one in more],
        bits(torch.get_rng_state()),
        random.getstate(),
        bits(list(np.random.get_state())),
        torch.is_grad_enabled(),
        torch.autograd.backward,
        torch.Tensor.detach,
        torch.no_grad.__enter__,
    ]


def training(
    architecture: str, optimizer: str, freeze: str, *, warm: bool, fails: bool
) -> tuple[Any, ...]:
    model = ARCHITECTURES[architecture]()
    opt = OPTIMIZERS[optimizer](model.parameters())
    last = list(model.children())[-1]  # torch can't copy an old weight norm
    ema = AveragedModel(last)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10, eta_min=1e-3)
    x = inputs_of(model) if not isinstance(model, nn.Sequential) else torch.randn(6, 4)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        model.train()
        noise = random.random() + float(np.random.rand()) + float(torch.rand(()))
        (model(x).square().mean() * noise).backward()
        if fails and count == 3:
            raise RuntimeError("no more")
        opt.step()
        scheduler.step()
        ema.update_parameters(last)
        model.requires_grad_(True)

    if warm:
        step()
        count = 0
    first = next(iter(model.children()))
    if freeze == "flags":
        first.requires_grad_(False)
    if freeze == "eval":
        first.requires_grad_(False).eval()
    name = next(name for name, _ in model.named_children())
    return model, opt, step, (name,), [scheduler, ema]


@settings(max_examples=40, deadline=None)
@given(
    architecture=st.sampled_from(sorted(ARCHITECTURES)),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    freeze=st.sampled_from(["flags", "eval", "nothing"]),
    warm=st.booleans(),
    fails=st.booleans(),
)
def test_everything_is_afterwards_as_it_was_before_to_the_bit(
    architecture: str, optimizer: str, freeze: str, warm: bool, fails: bool
) -> None:
    model, opt, step, frozen, stateful = training(
        architecture, optimizer, freeze, warm=warm, fails=fails
    )
    before = state(model, opt, *stateful)

    audit_training(model, opt, step, frozen=frozen, stateful=stateful, steps=3)

    assert state(model, opt, *stateful) == before


def test_generators_and_plain_objects_that_a_step_reaches_are_put_back() -> None:
    model = Mlp()
    model.body.requires_grad_(False)
    model.body[0].weight.data.add_(0)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    drawn = torch.Generator().manual_seed(1)
    of_numpy = np.random.default_rng(1)
    of_python = random.Random(1)
    meter: dict[str, Any] = {"losses": [], "best": None}

    def step() -> None:
        x = torch.randn(6, 4, generator=drawn) * float(of_numpy.random()) * of_python.random()
        loss = model(x).square().mean()
        meter["losses"].append(loss.item())
        meter["best"] = min(meter["losses"])
        opt.zero_grad()
        loss.backward()
        opt.step()
        model.body[0].weight.data.mul_(0.9)

    before = drawn.get_state(), of_numpy.bit_generator.state, of_python.getstate()
    found = audit_training(model, opt, step)

    assert [one.rule for one in found.findings] == ["inplace-data"]
    assert torch.equal(drawn.get_state(), before[0])
    assert (of_numpy.bit_generator.state, of_python.getstate()) == before[1:]
    assert meter == {"losses": [], "best": None}


def test_what_a_step_reaches_is_put_back_without_being_named() -> None:
    model, opt, step, frozen, stateful = training("mlp", "adamw", "flags", warm=True, fails=False)
    before = state(model, opt, *stateful)
    counted = step.__closure__[step.__code__.co_freevars.index("count")].cell_contents

    audit_training(model, opt, step, frozen=frozen)

    assert state(model, opt, *stateful) == before
    assert step.__closure__[step.__code__.co_freevars.index("count")].cell_contents == counted


def test_an_interrupted_audit_puts_everything_back() -> None:
    model, opt, step, frozen, stateful = training("conv", "sgd", "flags", warm=False, fails=False)
    before = state(model, opt, *stateful)
    count = 0

    def interrupted() -> None:
        nonlocal count
        count += 1
        step()
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit_training(model, opt, interrupted, frozen=frozen, stateful=stateful)
    assert state(model, opt, *stateful) == before


def test_a_module_that_a_step_exchanges_is_put_back() -> None:
    model = Mlp()
    model.body.requires_grad_(False)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    head, weight = model.head, model.body[0].weight
    x = torch.randn(6, 4)

    def step() -> None:
        model.head = nn.Linear(8, 3)
        model.body[0].weight = nn.Parameter(torch.randn(8, 8))
        model.register_buffer("new", torch.zeros(1))
        model(x).mean().backward()
        opt.step()

    before = state(model, opt)
    audit_training(model, opt, step)

    assert model.head is head
    assert model.body[0].weight is weight
    assert state(model, opt) == before


def test_a_list_that_a_step_reads_on_is_read_again_from_the_same_place() -> None:
    model = Mlp()
    model.body.requires_grad_(False)
    model.body.append(nn.BatchNorm1d(8))
    opt = torch.optim.SGD(model.parameters(), 0.1)
    batches = iter([torch.randn(6, 4) for _ in range(7)])

    def step() -> None:
        opt.zero_grad()
        model(next(batches)).mean().backward()
        opt.step()

    found = audit_training(model, opt, step, frozen="body")

    assert rules(found) == ["bn-statistics", "no-op-freeze"]
    assert found.stopped is None
    assert len(list(batches)) == 7


def subject(model: nn.Module, *, frozen: tuple[str, ...] | None = ("body",)) -> Subject:
    opt = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.randn(6, 4)

    def step() -> None:
        opt.zero_grad()
        model(x).square().mean().backward()
        opt.step()

    return Subject(model, [opt], step, frozen)


@pytest.mark.parametrize("keeps", [True, False])
def test_too_little_memory_for_copies_leaves_hashes_and_says_so(keeps: bool) -> None:
    model = Mlp()
    world = Rewound(subject(model), free_bytes=10**9 if keeps else 0)

    found = audit(world, target="mlp")

    assert found.kept_by == ("copy" if keeps else "hash")
    assert any("hash" in note for note in found.notes) is not keeps
    rule = found.findings[0].rule
    assert rule == ("no-op-freeze" if keeps else "frozen-moved")
    if not keeps:
        assert all(moved.max_abs is None for moved in found.findings[0].moved)


def test_hashes_find_nothing_where_nothing_moves() -> None:
    model = Mlp()
    model.body.requires_grad_(False)

    found = audit(Rewound(subject(model), free_bytes=0), target="mlp")

    assert found.findings == []


def test_the_copy_of_the_frozen_tensors_is_the_only_one() -> None:
    model = Mlp()
    model.body.requires_grad_(False)
    world = Rewound(subject(model))
    frozen = frozen_places(model, intent(world.begin()).partition)

    kept = still(frozen, "copy", world.copy_of)

    for place, tensor in frozen.items():
        assert kept.before(place) is world.copy_of(tensor)
        assert same_bits(tensor, world.copy_of(tensor))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: subject(Mlp(), frozen=("bodi",)), "matches no module or parameter"),
        (lambda: subject(Mlp(), frozen=("*",)), "freeze every parameter"),
        (lambda: subject(Mlp(), frozen=None), "nothing in the model is frozen"),
        (lambda: Subject(Mlp().requires_grad_(False), [], lambda: None), "nothing is trained"),
        (lambda: Subject(Mlp().to("meta"), [], lambda: None, ("body",)), "meta"),
        (lambda: Subject(nn.ReLU(), [], lambda: None, ("body",)), "no parameters"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_a_sentence(make: Any, said: str) -> None:
    with pytest.raises(AuditError, match=said) as refused:
        audit(Rewound(make()), target="a test")
    assert "\n" not in str(refused.value)


def test_no_steps_are_refused() -> None:
    with pytest.raises(AuditError, match="at least 1"):
        audit(Rewound(subject(Mlp())), target="a test", steps=0)


def test_an_audit_of_many_layers_says_few_things() -> None:
    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(40)], nn.Linear(4, 2))
    model[:40].requires_grad_(True)
    found = audit_training(
        model,
        (opt := torch.optim.SGD(model.parameters(), 0.1)),
        lambda: (model(torch.full((6, 4), torch.nan)).mean().backward(), opt.step()),
        frozen=[f"{n}" for n in range(20)],
    )

    assert len(found.findings) <= 3


def test_the_model_may_be_compiled() -> None:
    model = Mlp(norm=True)
    model.body.requires_grad_(False)
    fast = torch.compile(model, backend="eager")
    found = audit_training(
        fast,
        (opt := torch.optim.SGD(model.parameters(), 0.1)),
        lambda: (opt.zero_grad(), fast(torch.ones(6, 4)).mean().backward(), opt.step()),
        frozen="body",
    )

    assert [one.rule for one in found.findings] == ["bn-statistics"]
    assert "body.1.running_var" in found.findings[0].where
