"""Watch and audit of a training on a GPU. Its code is tried on the processor as well."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from bench.audit import audit_training
from bench.measure.stillness import Place, Stillness, how_to_keep, same_bits
from bench.watch import FrozenMoved, watch

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("cuda")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
CLASSES = 5


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Net(nn.Module):
    """Convolutions with normalisation and dropout, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3),
            nn.BatchNorm2d(8),
            nn.Flatten(),
        )
        self.head = nn.Sequential(nn.Dropout(0.2), nn.LazyLinear(CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))


class Training:
    """A frozen backbone, in eval mode or, by mistake, not; by autocast with a loss scale or not."""

    def __init__(self, device: str, *, held: bool, half: bool = False) -> None:
        self.model = Net().to(device)
        self.model(torch.randn(2, 3, 8, 8, device=device))  # the lazy layer learns its width
        self.model.backbone.requires_grad_(False)
        self.model.backbone.train(not held)
        self.optimizer = torch.optim.AdamW(self.model.head.parameters(), 1e-2)
        self.scaler = torch.amp.GradScaler(device, enabled=half)
        self.forward: Callable[..., torch.Tensor] = self.model
        self._autocast = torch.autocast(device, torch.float16, enabled=half)
        self._images = torch.randn(8, 3, 8, 8, device=device)
        self._labels = torch.randint(CLASSES, (8,), device=device)

    def step(self) -> None:
        with self._autocast:
            loss = functional.cross_entropy(self.forward(self._images), self._labels)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

    def steps(self, count: int = 3) -> None:
        for _ in range(count):
            self.step()

    def state(self) -> list[torch.Tensor]:
        tensors = [*self.model.parameters(), *self.model.buffers()]
        tensors += [
            value
            for state in self.optimizer.state.values()
            for value in state.values()
            if isinstance(value, torch.Tensor)
        ]
        if next(self.model.parameters()).is_cuda:
            tensors.append(torch.cuda.get_rng_state())
        return [*(tensor.detach().clone() for tensor in tensors), torch.get_rng_state()]


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("keep", ["copy", "hash"])
@pytest.mark.parametrize("every", [1, 2])
def test_a_watch_says_which_statistics_moved(
    device: str, half: bool, keep: Any, every: int
) -> None:
    training = Training(device, held=False, half=half)

    with pytest.raises(FrozenMoved) as caught, watch(training.model, every=every, keep=keep):
        training.steps()

    (finding,) = caught.value.findings
    assert (finding.rule, finding.since_step) == ("bn-statistics", every)
    assert "backbone.1.running_mean" in finding.where


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("keep", ["copy", "hash"])
def test_a_watch_of_what_stays_still_is_silent(device: str, half: bool, keep: Any) -> None:
    training = Training(device, held=True, half=half)

    with watch(training.model, keep=keep) as report:
        training.steps()

    assert (report.steps, report.findings) == (3, [])


@pytest.mark.skipif(not shutil.which("g++"), reason="no compiler")
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.parametrize("held", [True, False])
def test_a_watch_of_a_compiled_model(device: str, mode: str, held: bool) -> None:
    torch._dynamo.reset()
    training = Training(device, held=held)
    training.forward = torch.compile(training.model, mode=mode)

    if held:
        with watch(training.forward, "backbone.*") as report:  # type: ignore[arg-type]
            training.steps(5)
        assert (report.steps, report.findings) == (5, [])
    else:
        with pytest.raises(FrozenMoved), watch(training.forward, "backbone.*"):  # type: ignore[arg-type]
            training.steps(5)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_watch_of_a_checkpointed_backbone(device: str, reentrant: bool) -> None:
    training = Training(device, held=True)
    model = training.model
    training.forward = lambda images: model.head(
        checkpoint(model.backbone, images.requires_grad_(), use_reentrant=reentrant)
    )

    with watch(model) as report:
        training.steps()

    assert (report.steps, report.findings) == (3, [])


@pytest.mark.parametrize("half", [False, True])
def test_an_audit_finds_the_cause_and_leaves_no_trace(device: str, half: bool) -> None:
    training = Training(device, held=False, half=half)
    training.steps(2)
    before = training.state()

    found = audit_training(
        training.model, training.optimizer, training.step, stateful=[training.scaler]
    )

    (moved,) = found.findings
    assert moved.rule == "bn-statistics"
    assert "backbone.1.running_mean" in moved.where
    after = training.state()
    assert len(after) == len(before)
    assert all(same_bits(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("half", [False, True])
def test_an_audit_of_what_stays_still_is_silent(device: str, half: bool) -> None:
    training = Training(device, held=True, half=half)

    found = audit_training(
        training.model, training.optimizer, training.step, stateful=[training.scaler]
    )

    assert found.findings == []


def test_an_audit_goes_through_pinned_batches_of_a_loader(device: str) -> None:
    training = Training(device, held=True)
    data = TensorDataset(torch.randn(64, 3, 8, 8), torch.randint(CLASSES, (64,)))
    loader = DataLoader(data, 8, shuffle=True, pin_memory=device == "cuda")
    batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def step() -> None:
        images, labels = (each.to(device, non_blocking=True) for each in next(batches))
        functional.cross_entropy(training.model(images), labels).backward()
        training.optimizer.step()
        training.optimizer.zero_grad()

    assert audit_training(training.model, training.optimizer, step).findings == []


def test_a_stale_gradient_is_traced_to_its_source(device: str) -> None:
    training = Training(device, held=True)
    training.model.backbone.requires_grad_(True)
    everything = torch.optim.AdamW(training.model.parameters(), 1e-2)
    functional.cross_entropy(training.model(training._images), training._labels).backward()
    training.model.backbone.requires_grad_(False)

    def step() -> None:
        functional.cross_entropy(training.model(training._images), training._labels).backward()
        everything.step()
        training.optimizer.zero_grad()  # of the head's alone

    found = audit_training(training.model, everything, step)

    assert [f.rule for f in found.findings if f.severity == "error"] == ["stale-gradient"]


@pytest.mark.cuda
def test_a_model_on_two_devices_is_watched_and_audited() -> None:
    model = nn.Sequential()
    model.embedding = nn.Embedding(50, 8)  # stays on the host
    model.body = nn.Linear(8, 8).cuda()
    model.head = nn.Linear(8, CLASSES).cuda()
    model.embedding.requires_grad_(False)
    model.body.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    tokens = torch.randint(50, (4, 3))

    def step() -> None:
        model.head(model.body(model.embedding(tokens).cuda())).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    with watch(model) as report:
        step()

    assert report.frozen_names == ["embedding.weight", "body.weight", "body.bias"]
    assert audit_training(model, optimizer, step).findings == []


@pytest.mark.cuda
def test_values_are_kept_on_the_device_as_long_as_it_has_room() -> None:
    tensor = torch.zeros(2**20, device="cuda")
    assert how_to_keep({Place("a", "parameter"): tensor}) == "copy"
    assert how_to_keep({Place("a", "parameter"): tensor}, free_bytes=tensor.nbytes) == "hash"
    for by in ("copy", "hash"):
        kept = Stillness({Place("a", "parameter"): tensor}, by)
        assert kept.moved({Place("a", "parameter"): tensor}) == []
        moved = tensor.clone()
        moved[3] = 1e-30
        (found,) = kept.moved({Place("a", "parameter"): moved})
        assert (found.max_abs is None) == (by == "hash")
