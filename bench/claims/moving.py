"""What moves a frozen part all the same: a gradient from before, and state that forward changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from bench.claims.claim import Claim, Judged, figure, listed
from bench.claims.laboratory import training
from bench.measure.phases import PhaseMarks
from bench.measure.stillness import Stillness, frozen_tensors, same_bits
from bench.workloads.seeding import seeded
from strategies import Partition

if TYPE_CHECKING:
    from torch import Tensor

    from bench.claims.laboratory import Laboratory

STEPS = 5

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")


@dataclass(frozen=True)
class StaleGradient:
    """A gradient from before the freeze.

    `kept` says that the flag left it there, and `untouched` that later backward passes did too.
    `drift` and `drift_zeroed` are the largest change of a frozen parameter after the steps, by
    optimizer: where the loop zeroes only what requires a gradient, and where it zeroes all.
    """

    steps: int
    kept: bool
    untouched: bool
    drift: dict[str, float]
    drift_zeroed: dict[str, float]


class GradientStays(Claim[StaleGradient]):
    """The flag neither clears nor zeroes a gradient that is there."""

    number = 6
    source = "forum"
    said = (
        "Setting requires_grad = False leaves an existing gradient in place; later backward passes "
        "just stop adding to it."
    )
    short = "the flag leaves an old gradient in place"
    question = "Does `requires_grad = False` clear a gradient that is already there?"
    rule = (
        "holds if the gradient is the same to the bit after the flag is set and after further "
        "backward passes; otherwise false."
    )
    how = (
        "`policy`, frozen between backward and the optimizer's step; 5 more steps with four "
        "optimizers that hold all parameters, zeroing either only what requires a gradient or all."
    )

    def measure(self, laboratory: Laboratory) -> StaleGradient:
        """Freeze with a gradient in place, and go on."""
        kept, untouched = True, True
        drift: dict[str, float] = {}
        zeroed: dict[str, float] = {}
        for name in OPTIMIZERS:
            for found, zero in ((drift, False), (zeroed, True)):
                trained = training("policy", "full", optimizer=name)
                trained.step(PhaseMarks(), zero=False)
                frozen = trained.partition.frozen_tensors(trained.model)
                gradients = [_gradient(tensor).clone() for tensor in frozen]
                for tensor in frozen:
                    tensor.requires_grad_(False)
                kept &= _same(frozen, gradients)
                begin = [tensor.clone() for tensor in frozen]
                if zero:
                    trained.optimizer.zero_grad()
                for _ in range(STEPS):
                    trained.step(PhaseMarks(), zero=False)
                    untouched &= zero or _same(frozen, gradients)
                    for tensor in trained.partition.trainable_tensors(trained.model):
                        tensor.grad = None
                moves = zip(frozen, begin, strict=True)
                found[name] = max(float((now - then).abs().max()) for now, then in moves)
        return StaleGradient(STEPS, kept, untouched, drift, zeroed)

    def headline(self, outcome: StaleGradient) -> str:
        """What the gradient that stays does."""
        return f"by it a frozen weight moves by up to {max(outcome.drift.values()):.2g}"

    def judge(self, outcome: StaleGradient) -> Judged:
        """Only what was said; what follows from it stands in the answer."""
        applied = {name: moved for name, moved in outcome.drift.items() if moved}
        cleared = [name for name, moved in outcome.drift_zeroed.items() if moved]
        said = [
            "The gradient is "
            + ("the same to the bit" if outcome.kept else "changed")
            + " after the flag is set, and "
            + ("no" if outcome.untouched else "a")
            + " later backward pass changes it."
        ]
        if applied:
            moves = listed([f"{moved:.2g} with {name}" for name, moved in applied.items()])
            said.append(
                f"But the optimizer looks at `.grad` and not at the flag: it goes on applying it, "
                f"and in {outcome.steps} steps moves a frozen weight by {moves}."
            )
        said.append(
            "Zeroing all gradients once after the freeze "
            + (f"does not stop {listed(cleared)}." if cleared else "stops every one of them.")
        )
        figures = [figure(f"moved, {name}", moved) for name, moved in outcome.drift.items()]
        figures += [
            figure(f"moved after zero_grad, {name}", moved)
            for name, moved in outcome.drift_zeroed.items()
        ]
        return Judged("holds" if outcome.kept and outcome.untouched else "false", said, figures)


@dataclass(frozen=True)
class FrozenState:
    """Largest changes in frozen networks by kind, in training mode and in eval mode."""

    steps: int
    in_training: dict[str, float]
    in_eval: dict[str, float]


class NoUpdates(Claim[FrozenState]):
    """Whether the flag holds everything still that was frozen."""

    number = 12
    source = "article"
    said = "requires_grad = False prevents updates to the frozen part."
    short = "the flag prevents updates of the frozen part"
    question = "Does `requires_grad = False` really keep a frozen part from changing?"
    rule = (
        "false if a frozen parameter moves; holds only when forward changes nothing, if parameters "
        "stay and something else of the frozen part moves; holds if nothing moves in a bit."
    )
    how = (
        "5 steps of Adam over all parameters with a frozen front of convolution, batch "
        "normalisation and a spectrally normed layer, in training mode and in eval mode."
    )

    def measure(self, laboratory: Laboratory) -> FrozenState:
        """In training mode and in eval mode."""
        return FrozenState(STEPS, _moved(in_eval=False), _moved(in_eval=True))

    def headline(self, outcome: FrozenState) -> str:
        """Parameters beside the other state, in training mode."""
        others = [size for kind, size in outcome.in_training.items() if kind != PARAMETERS]
        return (
            f"parameters move by {outcome.in_training[PARAMETERS]:.2g}, other state by up to "
            f"{max(others, default=0.0):.2g}"
        )

    def judge(self, outcome: FrozenState) -> Judged:
        """Parameters, then the rest."""
        moved = {kind: size for kind, size in outcome.in_training.items() if size}
        held = not any(outcome.in_eval.values())
        still = [kind for kind in outcome.in_training if kind not in moved]
        said = []
        if still:
            said.append(f"In {outcome.steps} steps not a bit moved of: {listed(still)}.")
        if moved:
            sizes = listed([f"{kind} by {size:.2g}" for kind, size in moved.items()])
            said.append(
                f"What moved: {sizes}. Forward changes these, whatever the flag says; in eval mode "
                + ("nothing moved." if held else "something moved, too.")
            )
        figures = [figure(f"{kind}, training mode", s) for kind, s in outcome.in_training.items()]
        figures += [figure(f"{kind}, eval mode", size) for kind, size in outcome.in_eval.items()]
        if PARAMETERS in moved:
            return Judged("false", said, figures)
        if not moved:
            return Judged("holds", said, figures)
        condition = "the frozen part has no state that forward changes"
        return Judged(
            "holds only when", said, figures, condition + (", or is in eval mode" if held else "")
        )


PARAMETERS = "parameters"
_KINDS = {
    "running_": "BatchNorm statistics",
    "num_batches_tracked": "BatchNorm's counter",
    "._u": "vectors of the spectral norm",
    "._v": "vectors of the spectral norm",
}


def _network() -> nn.Sequential:
    with seeded(0):
        front = nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            spectral_norm(nn.Linear(4 * 6 * 6, 8)),
        )
        return nn.Sequential(front, nn.ReLU(), nn.Linear(8, 3))


def _moved(*, in_eval: bool) -> dict[str, float]:
    """The largest change of each kind of tensor in the frozen front."""
    model = _network()
    partition = Partition.of(model, ("0",))
    front = model[0].requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    kept = Stillness(frozen_tensors(model, partition))
    sizes = dict.fromkeys([PARAMETERS, *_KINDS.values(), "effective weight"], 0.0)
    for _ in range(STEPS):
        model.train()
        front.train(not in_eval)
        images = torch.randn(8, 3, 8, 8, generator=generator)
        labels = torch.randint(3, (8,), generator=generator)
        nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    for moved in kept.moved(frozen_tensors(model, partition)):
        kind = PARAMETERS if moved.kind == "parameter" else _kind(moved.name, moved.kind)
        sizes[kind] = max(sizes[kind], moved.max_abs or 0.0)
    return sizes


def _kind(name: str, otherwise: str) -> str:
    return next((kind for part, kind in _KINDS.items() if part in name), otherwise)


def _gradient(tensor: Tensor) -> Tensor:
    gradient = tensor.grad
    if gradient is None:  # the step before was taken with all flags on
        raise RuntimeError("a parameter has no gradient before it is frozen")
    return gradient


def _same(tensors: list[Tensor], gradients: list[Tensor]) -> bool:
    pairs = zip(tensors, gradients, strict=True)
    return all(t.grad is not None and same_bits(t.grad, g) for t, g in pairs)
