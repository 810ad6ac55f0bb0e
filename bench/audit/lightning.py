"""Lightning's `fit`, a batch at a time.

`fit` runs in a coroutine that hands over after each batch, so the Trainer's callbacks, schedulers,
precision and accumulation all act as in training. It is a greenlet and no thread, because what
torch keeps by thread (dispatch modes, hooks on saved tensors, autocast) must reach into the step.
"""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any

import torch

from bench.audit.rebuilt import Made
from bench.audit.subject import AuditError, Subject

if TYPE_CHECKING:
    from bench.audit.returned import Parts

_ENDLESS = -1


def of_lightning(parts: Parts, *, frozen: tuple[str, ...] | None, device: str = "cpu") -> Made:
    """The subject that `trainer.fit(module, ...)` trains, at its first batch.

    Args:
        parts: a module, and a Trainer, a loader or a data module if there are any. Without a
            Trainer one is made that does nothing but train.
        frozen: patterns of what is frozen, or `None`.
        device: of a Trainer that is made here.

    Raises:
        AuditError: there are no batches, or `fit` raises before the first.
    """
    if parts.model is None:
        raise AuditError(
            "it returned a Trainer without what it trains; return (module, trainer), or (module, "
            "trainer, loader) where the module has no train_dataloader"
        )
    fit = _Fit(parts, device)
    fit.start()
    trainer = fit.trainer
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    stateful = [*schedulers, *([scaler] if scaler is not None else []), *parts.stateful]
    return Made(
        Subject(parts.model, list(trainer.optimizers), fit.step, frozen, stateful), fit.close
    )


class _Fit:
    """A running `trainer.fit` that moves when it is asked for a batch."""

    def __init__(self, parts: Parts, device: str) -> None:
        try:
            from greenlet import getcurrent, greenlet  # noqa: PLC0415  an extra
        except ImportError as error:
            raise AuditError(
                "Lightning is audited with the package greenlet, which is not installed; "
                "pip install greenlet"
            ) from error
        self._library = _library_of(parts)
        self.trainer = parts.trainer or self._bare_trainer(device)
        self._parts = parts
        self._current = getcurrent
        self._greenlet = greenlet(self._run)
        self._told: BaseException | None = None
        self._quieten()

    def start(self) -> None:
        """Run up to the first batch."""
        try:
            self._switch()
        except (Exception, SystemExit) as error:
            from bench.workloads.importing import told  # noqa: PLC0415

            raise AuditError(f"fit raised before its first batch: {told(error)}") from error
        if self._greenlet.dead:
            raise AuditError(
                "fit ended before its first batch; is the train_dataloader empty, or one of "
                "limit_train_batches, max_steps and fast_dev_run against it?"
            )

    def step(self) -> None:
        """Train one batch."""
        if self._greenlet.dead:
            raise RuntimeError("the Trainer's fit has ended: something asked it to stop")
        self._switch()

    def close(self) -> None:
        """End the fit where it is, and let Lightning tear down."""
        if not self._greenlet.dead:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._greenlet.throw()

    def _switch(self) -> None:
        self._greenlet.parent = self._current()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning\.")
            self._greenlet.switch()

    def _run(self) -> None:
        given = {"train_dataloaders": self._parts.loader, "datamodule": self._parts.datamodule}
        given = {name: value for name, value in given.items() if value is not None}
        try:
            self.trainer.fit(self._parts.model, **given)
        except SystemExit:
            if isinstance(self._told, KeyboardInterrupt):  # Lightning exits on Ctrl-C
                raise KeyboardInterrupt from self._told
            raise

    def _hand_over(self) -> None:
        self._greenlet.parent.switch()

    def _bare_trainer(self, device: str) -> Any:
        kind = torch.device(device)
        accelerator = {"cuda": "gpu"}.get(kind.type, kind.type)
        return self._library.Trainer(
            accelerator=accelerator,
            devices=1 if kind.type == "cpu" else [kind.index or 0],
            max_epochs=_ENDLESS,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    def _quieten(self) -> None:
        """Nothing is shown, written or validated, and the end of the training doesn't come."""
        trainer, library = self.trainer, self._library
        silent = (
            library.callbacks.Checkpoint,
            library.callbacks.ProgressBar,
            library.callbacks.ModelSummary,
        )
        kept = [callback for callback in trainer.callbacks if not isinstance(callback, silent)]
        trainer.callbacks = [self._first(), *kept]
        self._hand_over_after_batches()
        trainer.loggers = []
        trainer.limit_val_batches = 0
        trainer.num_sanity_val_steps = 0
        trainer.fit_loop.max_epochs = _ENDLESS
        trainer.fit_loop.epoch_loop.max_steps = _ENDLESS

    def _first(self) -> Any:
        fit = self

        class First(self._library.Callback):  # type: ignore[name-defined, misc]
            """Waits at the very first batch, before any callback's hook for it."""

            waited = False

            def on_train_batch_start(self, *_: Any) -> None:
                if not self.waited:
                    self.waited = True
                    for optimizer in fit.trainer.optimizers:
                        _close_before_update(optimizer)
                    fit._hand_over()

            def on_exception(self, _trainer: Any, _module: Any, exception: BaseException) -> None:
                fit._told = exception

        return First()

    def _hand_over_after_batches(self) -> None:
        """The module's own hook is the last thing that `fit` calls for a batch."""
        module: Any = self._parts.model
        own = module.on_train_batch_end

        def on_train_batch_end(*given: Any) -> None:
            own(*given)
            self._hand_over()

        module.on_train_batch_end = on_train_batch_end


def _close_before_update(optimizer: Any) -> None:
    """Let `step(closure)` run the closure first and then update without one.

    Lightning puts forward and backward into the closure. All optimizers but those that evaluate
    it several times (LBFGS) call it first of all, so this changes nothing but that hooks on `step`
    see the gradients.
    """
    if isinstance(optimizer, torch.optim.LBFGS):
        return
    update = optimizer.step

    def step(closure: Any = None) -> Any:
        if closure is None:
            return update()
        with torch.enable_grad():
            loss = closure()
        update()
        return loss

    vars(step)["_wrapped_by_lr_sched"] = True  # `update` is, if it has to be
    optimizer.step = step


def _library_of(parts: Parts) -> Any:
    """`pytorch_lightning` or `lightning.pytorch`, whichever the module or the Trainer is of."""
    for thing in (parts.trainer, parts.model, parts.datamodule):
        for kind in type(thing).__mro__:
            for name in ("pytorch_lightning", "lightning.pytorch"):
                if kind.__module__.startswith(f"{name}.") and name in sys.modules:
                    for logger in (name, "lightning_fabric", "lightning.fabric"):
                        logging.getLogger(logger).setLevel(logging.ERROR)
                    return importlib.import_module(name)
    raise AuditError("it is no Lightning module and no Trainer")
