"""What a compiler makes of a freeze that comes when the model is compiled already."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from bench.hazards.judgement import affected, immune, over
from bench.hazards.leftovers import again
from bench.hazards.loop import Loop
from bench.hazards.models import HIDDEN, OUTPUTS, in_front, linear
from bench.hazards.scenario import Scenario
from strategies import find_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from bench.records import Outcome
    from strategies import Strategy

THEME = "compilers"


def backends() -> list[str]:
    """Those of `torch.compile` that work here: the last needs a C++ compiler."""
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), None)
    return ["eager", "aot_eager", *(["inductor"] if compiler and shutil.which(compiler) else [])]


class Gradual(nn.Module):
    """A frozen body, an `extra` layer whose flags the forward pass sets itself, a head."""

    #: In which passes the extra layer is frozen, in turn.
    _plan: ClassVar[tuple[bool, ...]] = (True, True, False, False)

    def __init__(self) -> None:
        super().__init__()
        self.body = linear()
        self.extra = nn.Linear(HIDDEN, HIDDEN)
        self.head = nn.Linear(HIDDEN, OUTPUTS)
        self.passes = 0

    def forward(self, inputs: Tensor) -> Tensor:
        """Sets the flags for this pass first."""
        frozen = self._plan[self.passes % len(self._plan)]
        for parameter in self.extra.parameters():
            parameter.requires_grad = not frozen
        self.passes += 1
        outputs: Tensor = self.head(self.extra(self.body(inputs)).tanh())
        return outputs


class CompileStale(Scenario):
    """A compiled frame of before the freeze is used again.

    A compiled frame is used again where its guards hold. Flags that change inside of the forward
    pass, or a freeze behind the compilation, have to be guarded, or the frame of before runs on.
    """

    name = "compile-stale"
    theme = THEME
    mend = "compile behind the freeze, and set flags outside of the forward pass"
    sources = (
        "https://github.com/pytorch/pytorch/issues/139476",
        "https://github.com/dingo-gw/dingo/pull/407",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Every gradient of five steps behind the freeze, compiled and not."""
        plain = _gradients(again(strategy), None, early=not mended)

        def under(backend: str) -> Outcome:
            compiled = _gradients(again(strategy), backend, early=not mended)
            return _compared(compiled, plain)

        return over({backend: partial(under, backend) for backend in backends()})


class CompileRecompiles(Scenario):
    """The freeze makes the compiler begin again.

    Flags, modes and wrappers are guards of a compiled frame. Each pattern of them has a frame of
    its own, which is compiled in the first step that meets it: such a step is slow.
    """

    name = "compile-recompiles"
    theme = THEME
    mend = "compile behind the freeze; leave first steps out of timings"
    sources = (
        "https://github.com/pytorch/pytorch/issues/141039",
        "https://github.com/pytorch/pytorch/issues/131975",
    )

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Frames that are compiled behind the first step of the freeze, or in it."""
        frames: list[int] = []

        def counting(module: torch.fx.GraphModule, _: list[Any]) -> Callable[..., Any]:
            frames.append(len(frames))
            return module.forward

        torch.compiler.reset()
        loop = Loop(in_front(), strategy, update=lambda loop: loop.optimizer.zero_grad())
        if not mended:
            loop.model.compile(backend=counting)
            loop.warm(2)
        loop.freeze()
        if mended:
            loop.model.compile(backend=counting)
            loop.run(len(loop.batches))
        before = len(frames)
        loop.run(4)
        again_compiled = len(frames) - before
        if not again_compiled:
            return immune("No frame is compiled again.")
        return affected(
            again_compiled,
            "frames compiled again",
            f"{again_compiled} frame{'s are' if again_compiled > 1 else ' is'} compiled in the "
            f"steps behind the freeze, beside {before} before it.",
        )


def _gradients(
    strategy: Strategy, backend: str | None, *, early: bool
) -> list[dict[str, Tensor | None]]:
    """What stands in `.grad` before each update, by name; compiled before the freeze if `early`."""
    torch.compiler.reset()
    torch.manual_seed(0)
    seen: list[dict[str, Tensor | None]] = []

    def note(loop: Loop) -> None:
        found = {}
        for name in (*loop.meant.frozen, *loop.meant.trainable):
            gradient = find_tensor(loop.model, name).grad
            found[name] = None if gradient is None else gradient.detach().clone()
        seen.append(found)
        loop.optimizer.step()

    loop = Loop(Gradual(), strategy, lr=0.01)
    loop.batches = loop.batches[:1]
    if backend and early:
        _compile(loop.model, backend)
    loop.warm(2)
    loop.freeze()
    loop.update = note
    if backend and not early:
        _compile(loop.model, backend)
    loop.run(5)
    return seen


def _compile(model: nn.Module, backend: str) -> None:
    if backend == "inductor":  # in this process: a pool of compiling ones would stay behind
        model.compile(backend=backend, options={"compile_threads": 1})
    else:
        model.compile(backend=backend)


def _compared(
    compiled: list[dict[str, Tensor | None]], plain: list[dict[str, Tensor | None]]
) -> Outcome:
    wrong = []
    for step, (mine, theirs) in enumerate(zip(compiled, plain, strict=True), 1):
        for name, expected in theirs.items():
            got = mine[name]
            if (got is None) is not (expected is None):
                has = "no gradient" if got is None else "a gradient"
                wrong.append(f"{name} has {has} in step {step}")
            elif not (got is None or expected is None or _close(got, expected)):
                wrong.append(f"{name} has another gradient in step {step}")
    if not wrong:
        return immune(f"All gradients of {len(plain)} steps are as without a compiler.")
    return affected(
        len(wrong),
        "wrong gradients",
        f"Compiled, {wrong[0]}, other than without a compiler; so {len(wrong)} gradients in all.",
    )


def _close(got: Tensor, expected: Tensor) -> bool:
    return torch.allclose(got, expected, rtol=1e-4, atol=1e-6)


SCENARIOS = (CompileStale, CompileRecompiles)
