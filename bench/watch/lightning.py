"""A watch as a callback of Lightning.

    Trainer(callbacks=[FreezeGuard("backbone.*")])

Of `pytorch_lightning` and `lightning`, which are one library under two names, the callback is for
the one that is already imported, or else for the one that is installed.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from bench.watch.watching import Watch, watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.watch.watching import Keep

_NAMES = ("pytorch_lightning", "lightning.pytorch")


def _library() -> Any:
    for name in sorted(_NAMES, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(
        "FreezeGuard is a callback of Lightning, which is not installed; install "
        "freezebench[lightning]"
    )


class FreezeGuard(_library().Callback):  # type: ignore[misc]
    """Watches the `LightningModule` from the start of its training to the end.

    It raises `FrozenMoved` from within the step, and `Severed` at the end.

    Args:
        frozen: patterns on the names of the module's parameters; `None` for what has
            `requires_grad` off when the training starts, after other callbacks have frozen it.
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

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch: other callbacks have frozen what they freeze, the model is in place."""
        if self.report is not None:
            self.report.close()
            self.report = None
        self.report = watch(
            pl_module, self._frozen, optimizers=list(trainer.optimizers), **self._asked
        ).__enter__()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Look a last time, and raise if something is found."""
        if self.report is not None:
            self.report.__exit__(None, None, None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Note what was seen on the exception, which goes on."""
        if self.report is not None:
            self.report.__exit__(type(exception), exception, exception.__traceback__)
