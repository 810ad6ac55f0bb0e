"""Things that cut a graph, made to have no effect where the user's own code asks for them."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.utils.checkpoint

from bench.audit.backwards import around_backward
from bench.audit.raised import is_torchs, is_users
from bench.audit.updates import around_updates

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import FrameType

    from bench.audit.subject import Subject

Cut = Literal["no_grad", "inference_mode", "detach", "reentrant checkpointing"]
CUTS: tuple[Cut, ...] = ("reentrant checkpointing", "inference_mode", "no_grad", "detach")


class Sites:
    """Where in the user's code something was asked for, and whether it is to have an effect.

    Args:
        cuts: that have no effect.
        only: the one site where they have none; `None` for all.
        everywhere: not only before the first backward pass of a step.

    Attributes:
        found: for each cut the lines that asked for it, in order.
    """

    def __init__(
        self, cuts: Collection[Cut], only: str | None = None, everywhere: bool = False
    ) -> None:
        self.found: dict[Cut, list[str]] = {cut: [] for cut in cuts}
        self._only = only
        self._everywhere = everywhere
        self._updating = False
        self._differentiated = False

    def ineffective(self, cut: Cut, frame: FrameType | None) -> bool:
        """Whether `cut`, asked for in `frame`, is to have no effect."""
        if cut not in self.found or self._updating:
            return False
        if self._differentiated and not self._everywhere:
            return False
        site = _site(frame)
        if site is None:
            return False
        if site not in self.found[cut]:
            self.found[cut].append(site)
        return self._only is None or site == self._only

    @contextmanager
    def followed(self, subject: Subject) -> Iterator[None]:
        """Know when the subject differentiates and when it updates."""
        step = subject.step

        def begun() -> Any:
            self._differentiated = False
            return step()

        def updating(_: Any) -> None:
            self._updating = True

        def updated(_: Any) -> None:
            self._updating = self._differentiated = False

        def differentiated(_: Any = None) -> None:
            self._differentiated = True

        subject.step = begun
        try:
            with (
                around_updates(subject.optimizers, updating, updated),
                around_backward(before=differentiated),
            ):
                yield
        finally:
            subject.step = step


@contextmanager
def without(sites: Sites, subject: Subject) -> Iterator[None]:
    """Within the block, what `sites` says has no effect."""
    with ExitStack() as stack:
        stack.enter_context(sites.followed(subject))
        stack.enter_context(_modes(sites))
        stack.enter_context(_detaching(sites))
        stack.enter_context(_checkpointing(sites))
        yield


@contextmanager
def _modes(sites: Sites) -> Iterator[None]:
    """`no_grad`, `set_grad_enabled(False)` and `inference_mode`, as blocks and as decorators."""
    with ExitStack() as stack:
        no_grad, enabled = torch.no_grad, torch.set_grad_enabled
        enter, enter_enabled, make_enabled = (
            no_grad.__enter__,
            enabled.__enter__,
            enabled.__init__,
        )

        def enter_no_grad(self: Any) -> None:
            if sites.ineffective("no_grad", sys._getframe(1)):
                self.prev = torch.is_grad_enabled()
            else:
                enter(self)

        def new_enabled(self: Any, mode: bool) -> None:
            if not mode and sites.ineffective("no_grad", sys._getframe(1)):
                self.prev, self.mode = torch.is_grad_enabled(), torch.is_grad_enabled()
            else:
                make_enabled(self, mode)

        def enter_set(self: Any) -> None:
            if self.mode or not sites.ineffective("no_grad", sys._getframe(1)):
                enter_enabled(self)

        stack.enter_context(_attribute(no_grad, "__enter__", enter_no_grad))
        stack.enter_context(_attribute(enabled, "__init__", new_enabled))
        stack.enter_context(_attribute(enabled, "__enter__", enter_set))
        inference = torch.inference_mode
        enter_inference = inference.__enter__

        def enter_mode(self: Any) -> None:
            frame = sys._getframe(1)
            if self.mode and sites.ineffective("inference_mode", frame):
                self._inference_mode_context = torch._C._InferenceMode(False)
                self._inference_mode_context.__enter__()
            else:
                enter_inference(self)

        stack.enter_context(_attribute(inference, "__enter__", enter_mode))
        yield


@contextmanager
def _detaching(sites: Sites) -> Iterator[None]:
    """`detach`, `detach_` and `.data`."""
    detach, detach_ = torch.Tensor.detach, torch.Tensor.detach_
    data: Any = torch._C.TensorBase.data

    def identity(real: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
        def call(self: torch.Tensor) -> torch.Tensor:
            if not self.is_leaf and sites.ineffective("detach", sys._getframe(1)):
                return self
            return real(self)

        return call

    def get(self: torch.Tensor) -> Any:
        if not self.is_leaf and sites.ineffective("detach", sys._getframe(1)):
            return self
        return data.__get__(self)

    def put(self: torch.Tensor, value: torch.Tensor) -> None:
        data.__set__(self, value)

    with (
        _attribute(torch.Tensor, "detach", identity(detach)),
        _attribute(torch.Tensor, "detach_", identity(detach_)),
        _attribute(torch.Tensor, "data", property(get, put)),
    ):
        yield


@contextmanager
def _checkpointing(sites: Sites) -> Iterator[None]:
    """Reentrant checkpointing, whose inner pass is run as it is."""
    real = torch.utils.checkpoint.CheckpointFunction

    class Through:
        @staticmethod
        def apply(function: Any, preserve: bool, *args: Any) -> Any:
            if sites.ineffective("reentrant checkpointing", sys._getframe(1)):
                return function(*args)
            return real.apply(function, preserve, *args)

    with _attribute(torch.utils.checkpoint, "CheckpointFunction", Through):
        yield


@contextmanager
def _attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _site(frame: FrameType | None) -> str | None:
    """The user's line that asks, `None` if torch asks on its own account."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.endswith(("_contextlib.py", "checkpoint.py", "_compile.py", "eval_frame.py")):
            decorated = frame.f_locals.get("func")
            code = getattr(decorated, "__code__", None)
            if file.endswith("_contextlib.py") and code is not None:
                if not is_users(code.co_filename):
                    return None
                return f"{Path(code.co_filename).name}:{code.co_firstlineno}"
        elif is_users(file):
            return f"{Path(file).name}:{frame.f_lineno}"
        elif is_torchs(file):
            return None
        frame = frame.f_back
    return None
