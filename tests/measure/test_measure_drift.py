"""What moved, bit by bit; and what is said of it. Known cases come first."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from toys import Nudge, ScaledGradients, front, layers, observed, training, verdict

from bench.measure.drift import (
    Reference,
    bitwise_equal,
    observe,
)
from bench.measure.training import NothingReachesTheLossError
from bench.measure.verdict import NOISE_FACTOR, UPDATE_TOLERANCE, judge
from bench.records import Drift, Moved
from strategies import ROSTER

if TYPE_CHECKING:
    from pathlib import Path

    from strategies import Step

FREEZING = [name for name in ROSTER if name != "full"]
CUTTING = ("no_grad", "detach", "inference_mode", "feature_cache")
# They give the optimizer every parameter, and the frozen ones no gradient.
HOLDING = ("no_grad", "detach", "inference_mode", "backward_inputs", "clear_grads", "functional")
NAN = float("nan")

each_freezing = pytest.mark.parametrize("strategy", FREEZING)


# --- equal bits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(1.5),
        torch.tensor(3),
        torch.empty(0),
        torch.empty(2, 0, dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        torch.tensor([1.5, -2.0], dtype=torch.float16),
        torch.arange(6).reshape(2, 3).t(),
        torch.arange(6.0).reshape(2, 3).t(),
        torch.arange(3.0).expand(4, 3),
        torch.tensor([math.inf, -math.inf]),
    ],
    ids=str,
)
def test_a_copy_has_equal_bits(tensor: Tensor) -> None:
    assert bitwise_equal(tensor, tensor.clone())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (torch.tensor(1.0), torch.tensor(1.0).nextafter(torch.tensor(2.0))),
        (torch.tensor([0.0]), torch.tensor([-0.0])),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, NAN])),
        (torch.tensor([NAN]), torch.tensor([NAN])),
        (torch.tensor(3), torch.tensor(4)),
        (torch.tensor([True, False]), torch.tensor([True, True])),
        (
            torch.tensor([1.0], dtype=torch.bfloat16),
            torch.tensor([1.0078125], dtype=torch.bfloat16),
        ),
        (torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(3, 2).t()),
    ],
    ids=["ulp", "zeros", "NaN", "same NaN", "int", "bool", "bfloat16", "strided"],
)
def test_one_bit_makes_a_difference(before: Tensor, after: Tensor) -> None:
    assert not bitwise_equal(before, after)


def test_a_view_is_compared_by_its_values_and_not_by_its_memory() -> None:
    base = torch.arange(6.0).reshape(2, 3)
    assert bitwise_equal(base.t(), base.t().contiguous())


# --- how far --------------------------------------------------------------------------------------


def ones() -> nn.Sequential:
    """Two layers of 2 by 2; the first all ones."""
    model = layers(2, 2)
    nn.init.ones_(model[0].weight)
    return model


def test_a_known_move_is_reported_exactly() -> None:
    drift = observed(ones, ["0"], Nudge(0.5), steps=1).drift(None)
    # Four ones, each moved by a half: norms 1 and 2.
    assert drift.moved == [Moved("0.weight", "parameter", max_abs=0.5, l2=1.0, relative=0.5)]


def test_a_move_is_that_of_all_steps_together() -> None:
    drift = observed(ones, ["0"], Nudge(0.25), steps=4).drift(None)
    assert drift.steps == 4
    assert drift.moved[0].max_abs == 1.0


def test_what_came_back_to_the_same_bits_has_not_moved() -> None:
    class Back(Nudge):
        def after_update(self, step: Step) -> None:
            super().after_update(step)
            self.amount = -self.amount

    assert observed(ones, ["0"], Back(0.5), steps=2).moved == []


def test_a_move_of_zeros_has_no_relative_size() -> None:
    def zeros() -> nn.Sequential:
        model = ones()
        nn.init.zeros_(model[0].weight)
        return model

    [move] = observed(zeros, ["0"], Nudge(0.5), steps=1).moved
    assert (move.l2, move.relative) == (1.0, None)


@pytest.mark.parametrize("amount", [NAN, math.inf])
def test_a_move_to_nan_or_infinity_has_no_figures(amount: float) -> None:
    [move] = observed(ones, ["0"], Nudge(amount), steps=1).moved
    assert (move.max_abs, move.l2, move.relative) == (None, None, None)


def test_every_frozen_tensor_is_compared() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    # Two weights and two biases; two running statistics and their count.
    assert observe(training(model, ["0", "1"]), 1).frozen_tensors == 7


def test_a_tied_parameter_is_compared_once() -> None:
    def tied() -> nn.Sequential:
        model = layers(3, 2)
        model[1].weight = model[0].weight
        return model

    observation = observed(tied, ["0"], Nudge(0.5), steps=1)
    assert observation.frozen_tensors == 1
    assert [move.name for move in observation.moved] == ["0.weight"]


def test_each_step_draws_its_own_random_numbers_and_the_same_each_time() -> None:
    drawn: list[float] = []

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        drawn.append(torch.rand(()).item())
        return model(batch).sum()

    for _ in range(2):
        observed(ones, ["0"], "requires_grad", steps=3, loss=loss)
    assert drawn[:3] == drawn[3:]
    assert len(set(drawn)) == 3


# --- running statistics ---------------------------------------------------------------------------


def normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2))


@each_freezing
def test_running_statistics_leak_under_every_strategy(strategy: str) -> None:
    word, why, _ = verdict(normed, front(2), strategy)
    assert word == "leaks"
    assert "1.num_batches_tracked (buffer) by" in why


@each_freezing
def test_only_buffers_leak_through_a_norm(strategy: str) -> None:
    _, _, drift = verdict(normed, front(2), strategy)
    assert {move.name for move in drift.moved} == {
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    assert {move.kind for move in drift.moved} == {"buffer"}


@each_freezing
def test_evaluation_mode_holds_running_statistics(strategy: str) -> None:
    assert verdict(normed, front(2), f"{strategy}+eval")[:2] == ("ok", "")


def test_a_norm_in_the_trainable_part_may_move() -> None:
    assert verdict(normed, ["0"], "requires_grad")[0] == "ok"


def test_a_norm_without_momentum_leaks_by_its_counter_alone() -> None:
    def counting() -> nn.Sequential:
        model = normed()
        model[1].momentum = 0.0
        return model

    _, _, drift = verdict(counting, front(2), "requires_grad")
    assert [move.name for move in drift.moved] == ["1.num_batches_tracked"]


@pytest.mark.parametrize("strategy", ["full", "full+eval"])
def test_the_reference_is_not_judged(strategy: str) -> None:
    word, why, drift = verdict(normed, front(2), strategy)
    assert (word, why) == ("reference", "")
    assert drift.moved
    assert drift.update_error is None


# --- a gradient that is cut off -------------------------------------------------------------------


def bent() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))


@pytest.mark.parametrize("strategy", CUTTING)
def test_what_is_upstream_of_a_cut_is_severed_by_name(strategy: str) -> None:
    word, why, drift = verdict(bent, ["1"], strategy)
    assert word == "severed"
    assert drift.without_gradient == ["0.bias", "0.weight"]
    assert "0.bias, 0.weight" in why


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name not in CUTTING])
def test_the_others_hand_the_gradient_through_a_frozen_middle(strategy: str) -> None:
    assert verdict(bent, ["1"], strategy)[:2] == ("ok", "")


@pytest.mark.parametrize("strategy", CUTTING)
def test_with_everything_behind_the_cut_nothing_reaches_the_loss(strategy: str) -> None:
    with pytest.raises(NothingReachesTheLossError):
        observed(bent, ["1", "3"], strategy)


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name not in CUTTING])
def test_the_others_train_below_a_frozen_back(strategy: str) -> None:
    assert verdict(bent, ["1", "3"], strategy)[:2] == ("ok", "")


class Spare(nn.Module):
    """Has a trainable layer that it never uses."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.spare = nn.Linear(4, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.first(inputs))


@each_freezing
def test_a_parameter_that_nothing_uses_is_not_severed(strategy: str) -> None:
    assert verdict(Spare, ["first"], strategy)[:2] == ("ok", "")


def test_the_reference_says_what_the_model_never_uses() -> None:
    assert verdict(Spare, ["first"], "full")[1] == "the model never uses spare.bias, spare.weight"


def test_a_gradient_in_one_of_the_steps_is_enough() -> None:
    calls: list[int] = []

    class Sometimes(Spare):
        def forward(self, inputs: Tensor) -> Tensor:
            calls.append(1)
            return super().forward(self.spare(inputs) if len(calls) == 2 else inputs)

    observation = observe(training(Sometimes(), ["first"]), 3)
    assert {"spare.weight", "spare.bias"} <= observation.with_gradient


# --- leaks by history, decay, scale ---------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw"])
def test_masked_gradients_leak_by_momentum_in_the_middle_of_training(optimizer: str) -> None:
    word, why, _ = verdict(bent, ["0"], "mask_grads", optimizer=optimizer, midway=True)
    assert word == "leaks"
    assert "0.weight by" in why


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "sgd", "adagrad", "rmsprop"])
def test_masked_gradients_hold_from_the_start(optimizer: str) -> None:
    assert verdict(bent, ["0"], "mask_grads", optimizer=optimizer)[:2] == ("ok", "")


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rmsprop"])
def test_masked_gradients_hold_in_the_middle_where_there_is_no_momentum(optimizer: str) -> None:
    how = {"optimizer": optimizer, "midway": True}
    assert verdict(bent, ["0"], "mask_grads", **how)[:2] == ("ok", "")


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name != "mask_grads"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_the_others_stay_in_the_middle_of_training(strategy: str, optimizer: str) -> None:
    assert verdict(bent, ["0"], strategy, optimizer=optimizer, midway=True)[:2] == ("ok", "")


def test_weight_decay_moves_what_has_a_gradient_of_zeros() -> None:
    word, why, drift = verdict(bent, ["0"], "mask_grads", optimizer="adamw")
    assert word == "leaks"
    assert "frozen, but moved in 3 steps: 0." in why
    # The rate times the decay, three times.
    assert [move.relative for move in drift.moved] == pytest.approx([3e-5] * 2, rel=0.01)


@pytest.mark.parametrize("factor", [0.9, 1.1, -1.0])
def test_an_update_of_another_size_diverges(factor: float) -> None:
    word, why, drift = verdict(bent, ["0"], ScaledGradients(factor), optimizer="sgd", steps=1)
    assert word == "diverges"
    assert drift.update_error == pytest.approx(abs(1 - factor), rel=1e-3)
    assert f"off by {abs(1 - factor):.2g} of its size (tolerance 0.001)" in why


def test_an_update_that_is_off_by_rounding_does_not_diverge() -> None:
    assert verdict(bent, ["0"], ScaledGradients(1 + 1e-5), optimizer="sgd")[0] == "ok"


def test_an_update_to_nan_diverges() -> None:
    word, why, drift = verdict(bent, ["0"], ScaledGradients(NAN), optimizer="sgd")
    assert (word, drift.update_error) == ("diverges", None)
    assert "is not finite" in why


def test_no_update_at_all_is_off_by_its_whole_size() -> None:
    _, _, drift = verdict(bent, ["0"], ScaledGradients(0.0), optimizer="sgd")
    assert drift.update_error == 1.0


def dropping() -> nn.Sequential:
    front_end = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5))
    return nn.Sequential(front_end, nn.Linear(8, 2))


def test_a_cache_keeps_one_draw_of_a_dropout_and_diverges() -> None:
    one_batch = [torch.ones(5, 4)]
    assert verdict(dropping, ["0"], "feature_cache", batches=one_batch)[0] == "diverges"


# --- parametrized weights -------------------------------------------------------------------------


def weight_normed() -> nn.Sequential:
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 2))


def spectral_normed() -> nn.Sequential:
    return nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)), nn.Linear(4, 2))


def test_an_effective_weight_is_compared_beside_what_it_is_made_of() -> None:
    class Stretch(Nudge):
        def after_update(self, step: Step) -> None:
            with torch.no_grad():
                step.model[0].parametrizations.weight.original0.mul_(2)

    observation = observed(weight_normed, ["0"], Stretch(0.0), steps=1)
    assert {(move.name, move.kind) for move in observation.moved} == {
        ("0.parametrizations.weight.original0", "parameter"),
        ("0.weight", "effective weight"),
    }
    assert observation.frozen_tensors == 4  # magnitude, direction, bias, weight


def test_a_direction_that_only_grows_moves_no_effective_weight_beyond_rounding() -> None:
    class Grow(Nudge):
        def after_update(self, step: Step) -> None:
            with torch.no_grad():
                step.model[0].parametrizations.weight.original1.mul_(2)

    moves = {move.kind: move for move in observed(weight_normed, ["0"], Grow(0.0), steps=1).moved}
    assert moves["parameter"].relative == pytest.approx(1.0)
    assert "effective weight" not in moves or moves["effective weight"].relative < 1e-6


@each_freezing
def test_a_frozen_weight_norm_stays(strategy: str) -> None:
    assert verdict(weight_normed, ["0"], strategy)[:2] == ("ok", "")


@each_freezing
def test_a_spectral_norm_in_training_mode_moves_its_effective_weight(strategy: str) -> None:
    word, _, drift = verdict(spectral_normed, ["0"], strategy)
    assert word == "leaks"
    assert {move.kind for move in drift.moved} == {"buffer", "effective weight"}


@each_freezing
def test_a_spectral_norm_in_evaluation_mode_stays(strategy: str) -> None:
    assert verdict(spectral_normed, ["0"], f"{strategy}+eval")[:2] == ("ok", "")


@pytest.mark.parametrize("mode", [True, False])
def test_looking_at_an_effective_weight_moves_nothing(mode: bool) -> None:
    trained = training(spectral_normed(), ["0"])
    steps = trained.model[0].parametrizations.weight
    steps.train(mode)
    before = {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}
    assert observe(trained, steps=0).moved == []
    after = trained.model.state_dict()
    assert all(bitwise_equal(before[name], after[name]) for name in before)
    assert [part.training for part in steps.modules()] == [mode] * len(list(steps.modules()))


# --- safe, and no alarm ---------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", HOLDING)
def test_decay_leaves_alone_what_has_no_gradient(strategy: str) -> None:
    assert verdict(bent, ["0"], strategy, optimizer="adamw")[:2] == ("ok", "")


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "momentum", "adagrad", "rmsprop"])
def test_rate_0_is_safe_under_every_optimizer(optimizer: str) -> None:
    assert verdict(bent, ["0"], "lr_zero", optimizer=optimizer)[:2] == ("ok", "")


class LowRank(nn.Module):
    """A frozen layer with a narrow trainable one beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.below = nn.Linear(4, 4)
        self.base = nn.Linear(4, 4)
        self.down = nn.Parameter(torch.randn(2, 4))
        self.up = nn.Parameter(torch.zeros(4, 2))

    def forward(self, inputs: Tensor) -> Tensor:
        below = torch.tanh(self.below(inputs))
        return self.base(below) + below @ self.down.t() @ self.up.t()


@each_freezing
def test_a_low_rank_adapter_beside_frozen_layers_is_safe(strategy: str) -> None:
    assert verdict(LowRank, ["below", "base"], strategy)[:2] == ("ok", "")


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name not in CUTTING])
def test_a_low_rank_adapter_around_a_frozen_middle_is_safe(strategy: str) -> None:
    assert verdict(LowRank, ["base"], strategy)[:2] == ("ok", "")


class Tied(nn.Module):
    """An embedding whose weight is also that of a decoder, and a trainable layer between."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(4, 4, bias=False)
        self.between = nn.Linear(4, 4)
        self.decoder = nn.Linear(4, 4, bias=False)
        self.decoder.weight = self.encoder.weight

    def forward(self, inputs: Tensor) -> Tensor:
        return self.decoder(self.between(self.encoder(inputs)))


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name not in CUTTING])
def test_tied_weights_that_are_both_frozen_are_safe(strategy: str) -> None:
    assert verdict(Tied, ["encoder", "decoder"], strategy)[:2] == ("ok", "")


@each_freezing
def test_dropout_in_evaluation_mode_is_safe(strategy: str) -> None:
    assert verdict(dropping, ["0"], f"{strategy}+eval")[:2] == ("ok", "")


@pytest.mark.parametrize("strategy", [name for name in FREEZING if name != "feature_cache"])
def test_dropout_in_training_mode_is_compared_draw_by_draw(strategy: str) -> None:
    assert verdict(dropping, ["0"], strategy)[:2] == ("ok", "")


@each_freezing
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_reduced_precision_is_no_divergence(strategy: str, dtype: str) -> None:
    assert verdict(bent, ["0"], strategy, dtype=dtype)[:2] == ("ok", "")


# --- the reference --------------------------------------------------------------------------------


def test_a_reference_is_read_as_it_was_written(tmp_path: Path) -> None:
    first, second = (observed(bent, ["0"], "optimizer_subset", steps=n) for n in (1, 2))
    reference = first.reference(second)
    reference.save(tmp_path / "reference.pt")
    loaded = Reference.load(tmp_path / "reference.pt")
    assert loaded.with_gradient == reference.with_gradient
    assert loaded.repeat_error == reference.repeat_error > 0
    assert loaded.updates.keys() == reference.updates.keys()
    assert all(torch.equal(loaded.updates[key], reference.updates[key]) for key in loaded.updates)


def test_training_that_repeats_its_bits_has_no_repeat_error() -> None:
    once = observed(bent, ["0"], "optimizer_subset")
    assert once.reference(observed(bent, ["0"], "optimizer_subset")).repeat_error == 0


def test_full_gradients_with_a_smaller_optimizer_are_their_own_reference() -> None:
    assert verdict(bent, ["0"], "optimizer_subset")[2].update_error == 0


# --- in words -------------------------------------------------------------------------------------


def moved(name: str, size: float | None, kind: Any = "parameter") -> Moved:
    return Moved(name, kind, max_abs=size, l2=size, relative=size)


def drifted(**how: Any) -> Drift:
    return Drift(**{"steps": 5, "frozen_tensors": 9, "update_error": 0.0, **how})


def test_the_gravest_word_comes_first_and_every_reason_is_given() -> None:
    drift = drifted(without_gradient=["a"], moved=[moved("b", 0.5)])
    assert judge(drift, "float32") == (
        "severed",
        "trainable, but never given a gradient: a; frozen, but moved in 5 steps: b by 0.5",
    )


def test_a_leak_comes_before_a_divergence() -> None:
    word, why = judge(drifted(moved=[moved("b", 0.5)], update_error=0.25), "float32")
    assert word == "leaks"
    assert why.endswith("; the trainable update is off by 0.25 of its size (tolerance 0.001)")


def test_what_is_severed_is_not_said_to_diverge_as_well() -> None:
    assert "update" not in judge(drifted(without_gradient=["a"], update_error=1.0), "float32")[1]


def test_the_largest_moves_are_told_and_the_others_counted() -> None:
    moves = [
        moved(name, size) for name, size in zip("abcde", (1.0, None, 3.0, 2.0, 0.5), strict=True)
    ]
    _, why = judge(drifted(moved=moves), "float32")
    assert why.endswith("b by NaN or infinity, c by 3, d by 2 and 2 more of 9")


def test_a_move_is_told_with_its_kind() -> None:
    moves = [moved("a", 2.0, "buffer"), moved("b", 1.0, "effective weight")]
    _, why = judge(drifted(moved=moves), "float32")
    assert why.endswith("a (buffer) by 2, b (effective weight) by 1")


def test_of_many_names_three_are_told() -> None:
    _, why = judge(drifted(without_gradient=list("abcde")), "float32")
    assert why.endswith(": a, b, c and 2 more")


@pytest.mark.parametrize("dtype", UPDATE_TOLERANCE)
def test_the_tolerance_is_that_of_the_arithmetic(dtype: str) -> None:
    tolerance = UPDATE_TOLERANCE[dtype]
    assert judge(drifted(update_error=tolerance), dtype)[0] == "ok"
    assert judge(drifted(update_error=tolerance * 1.01), dtype)[0] == "diverges"


def test_a_device_that_does_not_repeat_itself_is_given_more_room() -> None:
    error = 0.9 * NOISE_FACTOR * 0.01
    assert judge(drifted(update_error=error), "float32")[0] == "diverges"
    assert judge(drifted(update_error=error), "float32", repeat_error=0.01)[0] == "ok"


def test_lower_precision_is_given_more_room() -> None:
    rising = [UPDATE_TOLERANCE[dtype] for dtype in ("float32", "float16", "bfloat16")]
    assert all(less < more for less, more in pairwise(rising))
