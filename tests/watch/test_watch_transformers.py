"""The callback as the library's own handler calls it, around small random models.

`Trainer` itself needs accelerate; the test that runs it is skipped where that is not installed.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
import torch
from watched import hooks_left

from bench.watch import FrozenMoved, Severed, WatchRequestError

if TYPE_CHECKING:
    from pathlib import Path

transformers = pytest.importorskip("transformers")
from transformers.trainer_callback import (  # noqa: E402
    CallbackHandler,
    TrainerControl,
    TrainerState,
)

from bench.watch.transformers import FreezeGuardCallback  # noqa: E402


def bert() -> Any:
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    model.bert.requires_grad_(False)
    return model


def gpt2() -> Any:
    config = transformers.GPT2Config(
        vocab_size=50, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config)
    model.transformer.h[0].requires_grad_(False)
    return model


def batch(model: Any) -> dict[str, torch.Tensor]:
    ids = torch.randint(50, (4, 8))
    return {"input_ids": ids, "labels": ids if "GPT2" in type(model).__name__ else ids[:, 0] % 2}


def train(model: Any, callback: Any, steps: int = 3, *, meddle: Any = lambda step: None) -> None:
    """The events of a training, in the order in which `Trainer` has them."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    handler = CallbackHandler([callback], model, None, optimizer, schedule)
    args, state, control = None, TrainerState(), TrainerControl()
    control = handler.on_train_begin(args, state, control)
    for step in range(1, steps + 1):
        control = handler.on_step_begin(args, state, control)
        model(**batch(model)).loss.backward()
        meddle(step)
        optimizer.step()
        schedule.step()
        model.zero_grad()
        control = handler.on_step_end(args, state, control)
    handler.on_train_end(args, state, control)


@pytest.mark.parametrize(("make", "frozen"), [(bert, "bert.*"), (gpt2, None), (bert, None)])
def test_a_training_that_moves_nothing_frozen_ends_well(make: Any, frozen: str | None) -> None:
    guard, model = FreezeGuardCallback(frozen), make()

    train(model, guard)

    assert guard.report is not None
    assert (guard.report.steps, guard.report.findings) == (3, [])
    assert hooks_left(model) == []


@pytest.mark.parametrize("make", [bert, gpt2])
def test_what_moves_stops_the_training(make: Any) -> None:
    model = make()
    frozen = next(p for p in model.parameters() if not p.requires_grad)

    with pytest.raises(FrozenMoved, match="in step 2"):
        train(model, FreezeGuardCallback(), meddle=lambda step: step == 2 and frozen.data.add_(1))

    del model
    assert hooks_left(torch.nn.Linear(1, 1)) == []


def test_a_library_call_that_replaces_something_frozen_is_named() -> None:
    model = gpt2()
    model.transformer.wte.requires_grad_(False)

    def grow(step: int) -> None:
        if step == 2:
            model.resize_token_embeddings(60)

    with pytest.raises(FrozenMoved) as caught:
        train(model, FreezeGuardCallback(), meddle=grow)

    (finding,) = caught.value.findings
    assert finding.rule == "parameter-replaced"
    assert finding.where == ["transformer.wte.weight"]


def test_what_is_cut_off_raises_at_the_end_of_the_training() -> None:
    model = bert()
    model.bert.embeddings.requires_grad_(True)
    model.classifier.register_forward_pre_hook(lambda _, inputs: inputs[0].detach())

    with pytest.raises(Severed) as caught:
        train(model, FreezeGuardCallback())

    assert all(name.startswith("bert.embeddings") for name in caught.value.findings[0].where)


def test_a_training_that_ended_in_an_exception_leaves_nothing_behind_the_next() -> None:
    guard, model = FreezeGuardCallback(), bert()

    def fail(step: int) -> None:
        raise KeyError("my own")

    with pytest.raises(KeyError):
        train(model, guard, meddle=fail)
    train(model, guard)

    assert hooks_left(model) == []


def test_a_mistake_in_the_patterns_is_told_before_the_first_step() -> None:
    with pytest.raises(WatchRequestError, match="'brt' matches no"):
        train(bert(), FreezeGuardCallback("brt"))


@pytest.mark.skipif(find_spec("accelerate") is None, reason="Trainer needs accelerate")
def test_the_trainer_itself(tmp_path: Path) -> None:
    model = bert()
    data = [{key: value[0] for key, value in batch(model).items()} for _ in range(12)]
    guard = FreezeGuardCallback("bert.*")
    args = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=3, per_device_train_batch_size=4, report_to=[],
        use_cpu=True, save_strategy="no",
    )  # fmt: skip

    transformers.Trainer(model=model, args=args, train_dataset=data, callbacks=[guard]).train()

    assert guard.report is not None
    assert guard.report.steps == 3


def test_without_the_library_one_sentence_names_the_extra() -> None:
    code = "import sys; sys.modules['transformers'] = None\nimport bench.watch.transformers"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr.splitlines()[-1] == (
        "ImportError: FreezeGuardCallback is a callback of transformers, which is not installed; "
        "install freezebench[transformers]"
    )
