"""The hazards under the freeze that many write: flags off, and the old optimizer goes on."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hazard_strategies import FlagOnly

from bench.hazards import ROSTER
from bench.hazards.leftovers import USUAL, zero_in_place, zero_the_head
from bench.hazards.loop import Loop
from bench.hazards.models import in_front
from bench.hazards.undisturbed import undisturbed
from strategies import find


@pytest.mark.parametrize("optimizer", USUAL)
def test_a_stale_gradient_is_applied_at_every_step_whatever_the_flag_says(optimizer):
    loop = Loop(in_front(), FlagOnly(), lr=0.01, new_optimizer=USUAL[optimizer])
    loop.warm(5)
    loop.zero = zero_the_head
    loop.freeze()
    once = loop.run(1).moved()[0].max_abs
    often = loop.run(4).moved()[0].max_abs
    assert often > 3 * once > 0


@pytest.mark.parametrize(("optimizer", "moves"), [(name, name != "SGD") for name in USUAL])
def test_a_gradient_of_zeros_keeps_an_optimizer_with_a_memory_going(optimizer, moves):
    loop = Loop(in_front(), FlagOnly(), lr=0.01, new_optimizer=USUAL[optimizer], zero=zero_in_place)
    loop.warm(5)
    loop.freeze()
    assert bool(loop.run(5).moved()) is moves


@pytest.mark.parametrize(
    ("hazard", "kind"),
    [
        ("stale-gradient", "moves"),
        ("zeroed-not-none", "moves"),
        ("third-party-decay", "moves"),
        ("flag-re-enabled", "moves"),
        ("state-for-frozen", "affected"),
        ("reentrant-checkpoint", "severed"),
        ("scaler-no-grads", "error"),
    ],
)
def test_flags_alone_are_hit(hazard, kind):
    with undisturbed():
        assert ROSTER[hazard].outcome(FlagOnly()).kind == kind


@pytest.mark.parametrize("hazard", ["lr-revived", "zero-times-inf", "rprop-floor", "severed"])
def test_flags_alone_are_spared(hazard):
    with undisturbed():
        assert ROSTER[hazard].outcome(FlagOnly()).kind == "immune"


def test_a_frame_of_before_the_freeze_that_is_used_again_is_seen(monkeypatch):
    def without_guards(model, _):
        model.body._compiled_call_impl = model.body.forward

    monkeypatch.setattr("bench.hazards.compiling._compile", without_guards)
    with undisturbed():
        outcome = ROSTER["compile-stale"].outcome(find("no_grad"))
        mended = ROSTER["compile-stale"].outcome(find("no_grad"), mended=True)
    assert outcome.kind == "affected"
    assert "body.0.weight has a gradient in step 1, other than without" in outcome.says
    assert mended.kind == "immune"


@pytest.mark.parametrize("lr", [0.01, 0.1])
def test_momentum_dies_away_and_decay_does_not(lr):
    loop = Loop(in_front(), FlagOnly(), lr=lr, zero=zero_in_place)
    loop.new_optimizer = partial(torch.optim.SGD, momentum=0.5)
    loop.warm(3)
    loop.freeze()
    loop.run(200)
    rest = [tensor.detach().clone() for tensor in loop.meant.frozen_tensors(loop.model)]
    loop.run(1)
    for before, now in zip(rest, loop.meant.frozen_tensors(loop.model), strict=True):
        assert torch.equal(before, now)
