"""The order of a training step, in words, and what a freeze in the middle takes along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from toys import ignore, mean_square, training

from bench.measure.training import INIT_SCALE, NothingReachesTheLossError
from strategies import Strategy

if TYPE_CHECKING:
    from bench.measure.training import Training
    from strategies import Step

IN_ORDER = "mark forward mark backward mark before_update step after_update zero mark"


class Speaking(Strategy):
    """Says which hook is called, and otherwise trains everything."""

    name = "speaking"

    def __init__(self) -> None:
        self.words: list[str] = []
        self.batches: list[int] = []
        self.losses: list[float] = []

    def say(self, word: str) -> None:
        self.words.append(word)

    def forward(self, step: Step) -> Tensor:
        self.say("forward")
        self.batches.append(step.batch_index)
        return super().forward(step)

    def backward(self, step: Step, loss: Tensor) -> None:
        self.say("backward")
        self.losses.append(loss.item())
        super().backward(step, loss)

    def before_update(self, step: Step) -> None:
        self.say("before_update")

    def after_update(self, step: Step) -> None:
        self.say("after_update")


class SpeakingOptimizer:
    """Does what the optimizer does, and says so."""

    def __init__(self, optimizer: torch.optim.Optimizer, speaker: Speaking) -> None:
        self._optimizer = optimizer
        self._speaker = speaker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)

    def step(self) -> None:
        self._speaker.say("step")
        self._optimizer.step()

    def zero_grad(self) -> None:
        self._speaker.say("zero")
        self._optimizer.zero_grad()


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))


def speaking(**how: Any) -> tuple[Speaking, Training]:
    speaker = Speaking()
    trained = training(model(), ["0"], speaker, **how)
    trained.optimizer = SpeakingOptimizer(trained.optimizer, speaker)  # type: ignore[assignment]
    return speaker, trained


def sentence(speaker: Speaking) -> str:
    return " ".join(speaker.words)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_step_goes_forward_backward_update_with_a_mark_around_each(dtype: str) -> None:
    speaker, trained = speaking(dtype=dtype)
    trained.step(lambda: speaker.say("mark"), lambda _: speaker.say("mark"))
    assert sentence(speaker) == IN_ORDER


def test_the_mark_between_the_passes_is_the_clock_s_own_by_default() -> None:
    speaker, trained = speaking()
    trained.step(lambda *_: speaker.say("mark"))
    assert sentence(speaker) == IN_ORDER


def test_a_step_may_leave_its_gradients() -> None:
    speaker, trained = speaking()
    trained.step(lambda *_: speaker.say("mark"), zero=False)
    assert sentence(speaker) == IN_ORDER.replace("zero ", "")
    assert all(parameter.grad is not None for parameter in trained.model.parameters())


def test_what_is_told_of_the_forward_pass_is_its_loss() -> None:
    speaker, trained = speaking()
    told: list[Tensor] = []
    trained.step(ignore, told.append)
    assert [loss.item() for loss in told] == speaker.losses


def test_batches_are_taken_in_turn() -> None:
    speaker, trained = speaking(batches=[torch.ones(2, 4) * number for number in range(3)])
    for _ in range(7):
        trained.step(ignore)
    assert speaker.batches == [0, 1, 2, 0, 1, 2, 0]


def test_each_step_computes_the_loss_of_its_own_batch() -> None:
    speaker, trained = speaking(
        batches=[torch.tensor([[value]]) for value in (3.0, 5.0)],
        loss=lambda model, batch: batch.sum() + 0.0 * model(torch.zeros(1, 4)).sum(),
    )
    for _ in range(3):
        trained.step(ignore)
    assert speaker.losses == [3.0, 5.0, 3.0]


def test_the_model_trains_even_if_it_came_in_evaluation_mode() -> None:
    trained = training(model().eval(), ["0"])
    assert all(module.training for module in trained.model.modules())


def test_eval_is_the_last_word_on_the_frozen_modules() -> None:
    trained = training(model(), ["0"], "requires_grad+eval")
    assert [part.training for part in trained.model.children()] == [False, True]


def test_a_step_whose_loss_reaches_nothing_trainable_ends_before_backward() -> None:
    speaker, trained = speaking(loss=lambda model, batch: model(batch).detach().sum())
    with pytest.raises(NothingReachesTheLossError):
        trained.step(lambda *_: speaker.say("mark"))
    assert sentence(speaker) == "mark forward"


# --- autocast and the loss scale ------------------------------------------------------------------

SCALE = INIT_SCALE


def loss_of(dtype: str) -> float:
    torch.manual_seed(0)
    speaker, trained = speaking(dtype=dtype)
    trained.step(ignore)
    return speaker.losses[0]


@pytest.mark.parametrize(("dtype", "scale"), [("bfloat16", 1.0), ("float16", SCALE)])
def test_only_float16_is_differentiated_with_a_loss_scale(dtype: str, scale: float) -> None:
    assert loss_of(dtype) == pytest.approx(scale * loss_of("float32"), rel=0.02)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_model_runs_under_autocast(dtype: str) -> None:
    seen: list[torch.dtype] = []

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        outputs = model(batch)
        seen.append(outputs.dtype)
        return outputs.float().square().mean()

    training(model(), ["0"], loss=loss, dtype=dtype).step(ignore)
    assert seen == [getattr(torch, dtype)]


def test_the_optimizer_sees_gradients_without_the_scale() -> None:
    weights = []
    for dtype in ("float32", "float16"):
        torch.manual_seed(0)
        _, trained = speaking(dtype=dtype, optimizer="sgd")
        start = trained.model[1].weight.detach().clone()
        trained.step(ignore)
        weights.append(trained.model[1].weight.detach() - start)
    assert weights[0].any()
    assert torch.allclose(*weights, rtol=0.02, atol=1e-5)


def overflowing(model: nn.Module, batch: Tensor) -> Tensor:
    return mean_square(model, batch) * float("inf")


def test_an_infinite_gradient_skips_the_update_under_a_loss_scale() -> None:
    speaker, trained = speaking(dtype="float16", loss=overflowing)
    trained.step(lambda *_: speaker.say("mark"))
    assert sentence(speaker) == IN_ORDER.replace("step ", "")


def test_the_scale_is_lowered_after_an_infinite_gradient() -> None:
    calls = []

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        calls.append(batch)
        return overflowing(model, batch) if len(calls) == 1 else model(batch).sum() * 0.0 + 1.0

    speaker, trained = speaking(dtype="float16", loss=loss)
    trained.step(ignore)
    trained.step(ignore)
    assert speaker.losses[1] == SCALE / 2


# --- a freeze in the middle -----------------------------------------------------------------------


def continued(strategy: str, optimizer: str = "adam") -> tuple[Training, Training]:
    torch.manual_seed(0)
    shared = model()
    before = training(shared, ["0"], "full", optimizer=optimizer)
    before.step(ignore)
    before.step(ignore, zero=False)
    return before, training(shared, ["0"], strategy, before=before, optimizer=optimizer)


def test_the_history_of_what_the_optimizer_holds_is_kept() -> None:
    before, after = continued("requires_grad")
    for parameter in after.model[1].parameters():
        state = after.optimizer.state[parameter]
        assert state["step"] == 2
        assert torch.equal(state["exp_avg"], before.optimizer.state[parameter]["exp_avg"])
        assert state["exp_avg"].any()


@pytest.mark.parametrize(("strategy", "held"), [("requires_grad", 2), ("lr_zero", 4)])
def test_history_is_kept_only_for_what_the_optimizer_holds(strategy: str, held: int) -> None:
    _, after = continued(strategy)
    assert len(after.optimizer.state) == held


def test_gradients_of_what_the_optimizer_holds_are_cleared() -> None:
    _, after = continued("lr_zero")
    assert [parameter.grad for parameter in after.model.parameters()] == [None] * 4


def test_gradients_that_the_optimizer_does_not_know_stay() -> None:
    _, after = continued("requires_grad")
    left = [parameter.grad is not None for parameter in after.model.parameters()]
    assert left == [True, True, False, False]


def test_a_continued_training_goes_on_with_the_next_batch() -> None:
    shared = model()
    batches = [torch.ones(2, 4) * number for number in range(3)]
    before = training(shared, ["0"], "full", batches=batches)
    before.step(ignore)
    speaker = Speaking()
    training(shared, ["0"], speaker, batches=batches, before=before).step(ignore)
    assert speaker.batches == [1]


def test_a_continued_training_has_the_partition_it_began_with() -> None:
    # The strategy of the first may have renamed what the patterns were written for.
    before, after = continued("requires_grad")
    assert after.partition is before.partition
