"""Lightning's own modules and Trainers, a batch at a time."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

from bench.audit import AuditError, audit
from bench.audit.rebuilt import Rebuilt
from bench.audit.target import Asked, subject_of

pl = pytest.importorskip("pytorch_lightning")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.audit.subject import Subject


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def loader(batches: int = 2) -> DataLoader[Any]:
    rows = 4 * batches
    return DataLoader(
        TensorDataset(torch.randn(rows, 4), torch.randint(2, (rows,))), batch_size=4, shuffle=True
    )


class Classifier(pl.LightningModule):
    def __init__(self, *, evaluated: bool = True) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Linear(8, 2)
        self.backbone.requires_grad_(False)
        if evaluated:
            self.backbone.eval()
        self.told: list[str] = []

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        inputs, labels = batch
        self.told.append("step")
        return functional.cross_entropy(self.head(self.backbone(inputs)), labels)

    def on_train_batch_start(self, *_: Any) -> None:
        self.told.append("start")

    def on_train_batch_end(self, *_: Any) -> None:
        self.told.append("end")

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.head.parameters(), lr=1e-2)


class WithLoader(Classifier):
    def train_dataloader(self) -> Any:
        return loader()


class Scheduled(WithLoader):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.head.parameters(), lr=1.0)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


class InLists(WithLoader):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.head.parameters(), lr=1.0)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]


class Manual(WithLoader):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> None:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, index))
        for optimizer in self.optimizers():
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.SGD([self.head.weight], lr=0.1),
            torch.optim.SGD([self.head.bias], lr=0.1),
        ]


class Data(pl.LightningDataModule):
    def train_dataloader(self) -> Any:
        return loader()


def trainer(**given: Any) -> Any:
    return pl.Trainer(accelerator="cpu", max_epochs=1, **given)


FORMS: dict[str, Callable[[], Any]] = {
    "a module": WithLoader,
    "a module and a Trainer": lambda: (WithLoader(), trainer()),
    "a Trainer and a module": lambda: (trainer(), WithLoader()),
    "with a loader": lambda: (Classifier(), trainer(), loader()),
    "a module with a loader": lambda: (Classifier(), loader()),
    "with a data module": lambda: (Classifier(), trainer(), Data()),
    "by keys": lambda: {"model": Classifier(), "trainer": trainer(), "loader": loader()},
    "a scheduler": Scheduled,
    "in lists": InLists,
    "optimization by hand": Manual,
}


def world(make: Callable[[], Any], **asked: Any) -> Rebuilt:
    return Rebuilt(lambda: subject_of(make(), Asked(**asked)))


def moved(subject: Subject, steps: int) -> set[str]:
    before = {name: tensor.clone() for name, tensor in subject.model.state_dict().items()}
    for _ in range(steps):
        subject.step()
    now = subject.model.state_dict()
    return {name for name in before if not torch.equal(before[name], now[name])}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_trains_its_head_for_longer_than_its_epoch(form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun = world(FORMS[form])
    assert moved(begun.begin(), steps=5) == {"head.weight", "head.bias"}
    begun.end()


@pytest.mark.parametrize("form", FORMS)
def test_an_audit_of_each_form_finds_nothing(form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert audit(world(FORMS[form]), target="module", steps=2, warm=1).findings == []


def test_a_step_is_one_batch_with_its_hooks():
    begun = world(WithLoader)
    subject = begun.begin()
    assert subject.model.told == []
    subject.step()
    assert subject.model.told == ["start", "step", "end"]
    begun.end()


def test_statistics_that_move_are_found():
    found = audit(world(TrainedMode), target="module", steps=2, warm=0)
    assert [finding.rule for finding in found.findings] == ["bn-statistics"]


class TrainedMode(WithLoader):
    def __init__(self) -> None:
        super().__init__(evaluated=False)


@pytest.mark.parametrize("form", ["a scheduler", "in lists"])
def test_schedulers_act_and_are_kept(form):
    begun = world(FORMS[form])
    subject = begun.begin()
    for _ in range(4):
        subject.step()
    assert subject.optimizers[0].param_groups[0]["lr"] < 1
    assert [type(thing).__name__ for thing in subject.stateful] == ["StepLR"]
    begun.end()


def test_callbacks_of_the_trainer_act():
    def make() -> Any:
        callback = pl.callbacks.BackboneFinetuning(1, backbone_initial_lr=0.1)
        module = WithLoader()
        module.backbone.requires_grad_(True)
        return module, trainer(callbacks=[callback])

    begun = world(make)
    subject = begun.begin()
    weight = subject.model.backbone[0].weight
    assert not weight.requires_grad
    before = weight.clone()
    for _ in range(2):
        subject.step()
    assert torch.equal(before, weight)
    subject.step()  # the second epoch
    assert weight.requires_grad
    assert not torch.equal(before, weight)
    begun.end()


def test_nothing_is_written_or_shown(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    begun = world(WithLoader)
    moved(begun.begin(), steps=3)
    begun.end()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_gradients_are_there_when_the_optimizer_is_about_to_step():
    begun = world(WithLoader)
    subject = begun.begin()
    seen: list[bool] = []
    weight = subject.model.head.weight
    subject.optimizers[0].register_step_pre_hook(lambda *_: seen.append(weight.grad is not None))
    subject.step()
    assert seen == [True]
    begun.end()


def test_modes_of_torch_reach_into_the_step():
    class Counting(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen += 1
            return func(*args, **(kwargs or {}))

    begun = world(WithLoader)
    subject = begun.begin()
    with Counting() as counting:
        subject.step()
    assert counting.seen > 10
    begun.end()


class Raises(WithLoader):
    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        if self.told.count("step") == 2:
            raise ValueError("the third batch is broken")
        return super().training_step(batch, index)


def test_what_a_step_raises_is_the_step_s():
    found = audit(world(Raises), target="module", steps=5, warm=0)
    assert found.stopped is not None
    assert found.stopped.startswith("step 3 raised ValueError: the third batch is broken")


class Interrupted(WithLoader):
    def training_step(self, *_: Any) -> torch.Tensor:
        raise KeyboardInterrupt


def test_an_interruption_stays_one():
    begun = world(Interrupted)
    with pytest.raises(KeyboardInterrupt):
        begun.begin().step()
    begun.end()


class NoOptimizer(WithLoader):
    def configure_optimizers(self) -> Any:
        raise RuntimeError("no rate was given")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (trainer, r"a Trainer without what it trains; return \(module, trainer\)"),
        (Classifier, r"fit raised before its first batch: \w+: .*train_dataloader"),
        (NoOptimizer, "fit raised before its first batch: RuntimeError: no rate was given"),
        (lambda: (Classifier(), trainer(), []), "fit ended before its first batch"),
    ],
)
def test_what_cannot_be_fitted_is_told_in_a_sentence(make, said):
    with pytest.raises(AuditError, match=said):
        world(make).begin()
