"""The gravest word comes first, with every reason, and rounding is given its room."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from bench.measure.verdict import NOISE_FACTOR, UPDATE_TOLERANCE, judge
from bench.records import Drift, Moved


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
