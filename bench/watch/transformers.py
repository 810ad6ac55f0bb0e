"""A watch as a callback of the `Trainer` of transformers.

    Trainer(..., callbacks=[FreezeGuardCallback("bert.*")])

Names are those of the model that the `Trainer` was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.watch.watching import Watch, watch

try:
    from transformers import TrainerCallback
except ImportError:
    raise ImportError(
        "FreezeGuardCallback is a callback of transformers, which is not installed; install "
        "freezebench[transformers]"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.watch.watching import Keep


class FreezeGuardCallback(TrainerCallback):
    """Watches the model of a `Trainer` from the beginning of its training to the end.

    It raises `FrozenMoved` from within the step, and `Severed` at the end. A `Trainer` does not
    tell its callbacks of an exception: the hooks go with the callback, or with its next training.

    Args:
        frozen: patterns on the names of the model's parameters; `None` for what has
            `requires_grad` off when the training begins.
        every: compare after each so many optimizer steps.
        keep: as for `watch`.
        severed: also raise when something trainable never got a gradient.

    Attributes:
        report: the watch of the last training; `None` before the first.
    """

    def __init__(
        self,
        frozen: str | Sequence[str] | None = None,
        *,
        every: int = 1,
        keep: Keep = "auto",
        severed: bool = True,
    ) -> None:
        self._frozen = frozen
        self._asked: dict[str, Any] = {"every": every, "keep": keep, "severed": severed}
        self.report: Watch | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to watch the model that the `Trainer` hands over."""
        if self.report is not None:
            self.report.close()
            self.report = None
        self.report = watch(
            kwargs["model"], self._frozen, optimizers=kwargs.get("optimizer"), **self._asked
        ).__enter__()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look a last time, and raise if something is found."""
        if self.report is not None:
            self.report.__exit__(None, None, None)
