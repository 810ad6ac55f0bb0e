"""The callback in trainings of the real library."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from watched import Net, hooks_left

from bench.watch import FrozenMoved, Severed, WatchRequestError

pl = pytest.importorskip("pytorch_lightning")
from pytorch_lightning.callbacks import BackboneFinetuning  # noqa: E402

from bench.watch.lightning import FreezeGuard  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


class Module(pl.LightningModule):
    def __init__(self, *, norm: bool = False, cut: bool = False) -> None:
        super().__init__()
        self.net = Net(norm=norm)
        self.net.backbone.requires_grad_(False)
        self.cut = cut
        self.adapter = nn.Linear(4, 4)

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        adapted = self.adapter(batch[0])
        return self.net(adapted.detach() if self.cut else adapted).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(module: Any, *callbacks: Any, epochs: int = 1, **options: Any) -> Any:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=list(callbacks), **options,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(torch.randn(24, 4)), batch_size=8))
    return trainer


def test_a_training_that_moves_nothing_frozen_ends_well() -> None:
    guard = FreezeGuard("net.backbone.*")
    module = Module()

    fit(module, guard)

    assert guard.report is not None
    assert (guard.report.steps, guard.report.findings) == (3, [])
    assert hooks_left(module) == []


@pytest.mark.parametrize(("every", "step"), [(1, 1), (100, 3)])
def test_statistics_that_move_stop_the_training(every: int, step: int) -> None:
    guard = FreezeGuard("net.backbone", every=every)
    module = Module(norm=True)

    with pytest.raises(FrozenMoved) as caught:
        fit(module, guard)

    (finding,) = caught.value.findings
    assert (finding.rule, finding.since_step) == ("bn-statistics", step)
    assert finding.where[0] == "net.backbone.1.running_mean"
    assert not getattr(caught.value, "__notes__", [])
    assert hooks_left(module) == []


def test_what_is_cut_off_raises_at_the_end_of_the_training() -> None:
    module = Module(cut=True)

    with pytest.raises(Severed) as caught:
        fit(module, FreezeGuard())

    assert caught.value.findings[0].where == ["adapter.weight", "adapter.bias"]
    assert hooks_left(module) == []


def test_an_exception_of_the_training_goes_on_with_a_note() -> None:
    class Broken(Module):
        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            if index == 2:
                raise KeyError("my own")
            return super().training_step(batch, index)

    module = Broken(norm=True)

    with pytest.raises(KeyError) as caught:
        fit(module, FreezeGuard(every=100))

    assert "bn-statistics" in caught.value.__notes__[0]
    assert hooks_left(module) == []


def test_what_another_callback_freezes_is_watched_and_its_thawing_is_seen() -> None:
    class Finetuned(Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = self.net.backbone
            self.net.requires_grad_(True)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD([p for p in self.parameters() if p.requires_grad], lr=0.1)

    guard = FreezeGuard()
    thawing = BackboneFinetuning(unfreeze_backbone_at_epoch=1)

    with pytest.raises(FrozenMoved) as caught:
        fit(Finetuned(), thawing, guard, epochs=2)

    assert caught.value.findings[0].since_step == 4
    assert caught.value.findings[0].rule == "flag-re-enabled"


def test_a_callback_serves_one_training_after_the_other() -> None:
    guard = FreezeGuard()

    fit(Module(), guard)
    first = guard.report
    fit(Module(), guard, accumulate_grad_batches=3)

    assert guard.report is not first
    assert guard.report is not None
    assert guard.report.steps == 1


def test_mixed_precision() -> None:
    guard = FreezeGuard()

    fit(Module(), guard, precision="bf16-mixed")

    assert guard.report is not None
    assert guard.report.steps == 3


def test_a_mistake_in_the_patterns_is_told_before_the_first_step() -> None:
    with pytest.raises(WatchRequestError, match="'bakbone' matches no"):
        fit(Module(), FreezeGuard("bakbone"))


def test_without_the_library_one_sentence_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['pytorch_lightning'] = sys.modules['lightning'] = None\n"
        "import bench.watch.lightning"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr.splitlines()[-1] == (
        "ImportError: FreezeGuard is a callback of Lightning, which is not installed; install "
        "freezebench[lightning]"
    )
