"""From what a user typed to a training that can be audited."""

from __future__ import annotations

import gc
import inspect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import torch
from torch import nn

from bench.audit.lightning import of_lightning
from bench.audit.plain_module import parse_input, plain
from bench.audit.rebuilt import Made, Rebuilt
from bench.audit.returned import EXAMPLE, Parts, described, is_lightning, parts_of
from bench.audit.subject import AuditError, Subject
from bench.workloads import Workload, label, to_device
from bench.workloads.importing import ImportingError, factory_in, imported, is_path, told
from strategies import Partition, PartitionError, find_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TO_RETURN = "(model, optimizer, step)"


@dataclass(frozen=True)
class Asked:
    """What goes with a target.

    Attributes:
        frozen: patterns; they take the place of those that the factory returns.
        inputs: shapes, for a bare module.
        device: where to train.
        seed: of all random numbers.
    """

    frozen: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    device: str = "cpu"
    seed: int = 0


def world_of(target: str, asked: Asked | None = None) -> Rebuilt:
    """The world of `path/to/file.py:factory` or `package.module:factory`.

    The factory is called anew at each beginning, and a file is run anew before, so that nothing
    of the last training is left. It is given `seed` and `device` if it has arguments of these
    names, and may return

    - `(model, optimizer, step)` in any order, with schedulers, a loader, a loss scaler and a
      running average behind them if there are any;
    - a mapping or an object with the keys or attributes `model`, `optimizer` or `optimizers`,
      `step`, `scheduler`, `loader`, `scaler`, `ema` and `frozen`;
    - a module by itself (see `plain`);
    - a Lightning module, with or without a Trainer, a loader or a data module;
    - a `Workload`, whose frozen part then has `requires_grad` off.

    `step` takes no argument or the next batch of the loader, which starts again at its end.

    Raises:
        AuditError: from here or from `begin`: there is no such file, module or function, it
            raises, or it returns too little. The message starts with the target, without folders.
    """
    asked = asked or Asked()
    for text in asked.inputs:
        parse_input(text)
    place, _, name = target.rpartition(":")
    if not place or not name:
        of = "the file" if is_path(target) else "the module"
        name = Path(target.rstrip(":")).name
        raise AuditError(
            f"{name or label(target)}: which function of {of}? give path/to/file.py:factory or "
            "package.module:factory"
        )
    return Rebuilt(_Maker(target, place, name, asked), asked.seed)


class _Maker:
    """Runs the user's file and function, and makes a subject of what that returns."""

    def __init__(self, target: str, place: str, name: str, asked: Asked) -> None:
        self._target, self._place, self._name, self._asked = target, place, name, asked
        self._last: ref[nn.Module] | None = None

    def __call__(self) -> Made:
        try:
            made = self._made()
            self._refuse_the_last(made.subject.model)
        except (AuditError, ImportingError) as error:
            raise AuditError(f"{label(self._target)}: {error}") from error
        return made

    def _refuse_the_last(self, model: nn.Module) -> None:
        """A module that was imported once keeps its globals."""
        if self._last is not None and self._last() is model:
            raise AuditError(
                f"{self._name}() returned the same model again; let it make a new one at each "
                "call, because causes are told apart by beginning again"
            )
        self._last = ref(model)

    def _made(self) -> Made:
        factory = factory_in(imported(self._place), self._name, _TO_RETURN)
        if isinstance(factory, nn.Module):
            raise AuditError(
                f"'{self._name}' is a module that is there already; give a function that makes "
                "it, because causes are told apart by beginning again"
            )
        arguments = _arguments(factory, self._name, self._asked)
        try:
            returned = factory(**arguments)
        except (Exception, SystemExit) as error:
            raise AuditError(f"{self._name}() raised {told(error)}") from error
        return subject_of(returned, self._asked, f"{self._name}()")


def subject_of(returned: Any, asked: Asked, who: str = "the factory") -> Made:
    """The subject of what a factory returned, on the device that was asked for.

    Raises:
        AuditError: something is missing, or does not fit.
    """
    frozen = asked.frozen or None
    if isinstance(returned, Workload):
        return Made(_of_workload(returned, asked))
    parts = parts_of(returned)
    parts.frozen = frozen or parts.frozen
    lightning = parts.trainer is not None or is_lightning(parts.model, "LightningModule")
    if lightning and parts.step is None:
        return of_lightning(parts, frozen=parts.frozen, device=asked.device)
    if isinstance(returned, nn.Module) and not parts.optimizers:
        _refuse_meta(returned)
        model = returned.to(asked.device)
        return Made(
            plain(
                model,
                frozen=parts.frozen,
                inputs=asked.inputs,
                device=asked.device,
                seed=asked.seed,
            )
        )
    missing = [
        words
        for words, there in (
            ("a model (a torch.nn.Module)", parts.model is not None),
            ("an optimizer", bool(parts.optimizers)),
            ("a function that trains one step", parts.step is not None),
        )
        if not there
    ]
    if missing or parts.model is None:
        raise AuditError(
            f"{who} returned {described(returned)}, and {_listed(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; let it end like this:\n{EXAMPLE}"
        )
    if asked.inputs:
        raise AuditError(
            f"--input is for a module by itself, and {who} returned a step of its own, which "
            "knows its inputs; leave it out"
        )
    _refuse_meta(parts.model)
    _move(parts, asked.device)
    step = _without_argument(parts, asked.device, who)
    return Made(Subject(parts.model, parts.optimizers, step, parts.frozen, parts.stateful))


def _listed(things: list[str]) -> str:
    """In a sentence: `a model, an optimizer and a step`."""
    return " and ".join([", ".join(things[:-1]), things[-1]] if len(things) > 1 else things)


def _of_workload(workload: Workload, asked: Asked) -> Subject:
    """Trained with Adam as the harness does, the frozen part by plain `requires_grad_(False)`."""
    workload = replace(workload, frozen=asked.frozen or workload.frozen)
    _refuse_meta(workload.model)
    model = workload.model.to(asked.device).train()
    patterns = workload.frozen
    frozen = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    try:
        for name in Partition.of(model, frozen).frozen:
            find_tensor(model, name).requires_grad_(False)
    except PartitionError as error:
        raise AuditError(str(error)) from error
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    batches = _Endless(workload.batches, asked.device)

    def step() -> None:
        optimizer.zero_grad()
        workload.loss(model, next(batches)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return Subject(model, [optimizer], step, frozen)


def _arguments(factory: Callable[..., Any], name: str, asked: Asked) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        return {}
    offered = {"seed": asked.seed, "device": asked.device}
    positional = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    for parameter in parameters.values():
        is_named = parameter.kind in positional
        if is_named and parameter.default is parameter.empty and parameter.name not in offered:
            raise AuditError(
                f"{name}() wants an argument '{parameter.name}', and only 'seed' and 'device' are "
                "given by name; give it a default"
            )
    return {key: value for key, value in offered.items() if key in parameters}


def _without_argument(parts: Parts, device: str, who: str) -> Callable[[], Any]:
    """The step as it is, or given the next batch if it wants one."""
    step: Callable[..., Any] = parts.step
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):  # written in C, without a signature
        return step
    ordered = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [p.name for p in parameters if p.default is p.empty and p.kind in ordered]
    if not wanted:
        return step
    if len(wanted) > 1:
        raise AuditError(
            f"the step that {who} returned wants {len(wanted)} arguments ({', '.join(wanted)}); "
            "let it take none, or one: the next batch of a loader"
        )
    if parts.loader is None:
        raise AuditError(
            f"the step that {who} returned wants an argument '{wanted[0]}' and no loader came "
            "with it; return a loader as well, or let the step fetch its batches itself"
        )
    batches = _Endless(parts.loader, device)
    return lambda: step(next(batches))


class _Endless:
    """The batches of a loader on a device; at its end it starts again."""

    def __init__(self, loader: Any, device: str) -> None:
        self._loader, self._device = loader, device
        self._running: Iterator[Any] = iter(loader)

    def __next__(self) -> Any:
        try:
            batch = next(self._running)
        except StopIteration:
            self._running = iter(self._loader)
            try:
                batch = next(self._running)
            except StopIteration:
                raise AuditError(
                    "the loader has no batches, or none for a second time; give one that can be "
                    "gone through again, such as a DataLoader or a list"
                ) from None
        return to_device(batch, self._device)


def _refuse_meta(model: nn.Module) -> None:
    tensors = [*model.named_parameters(), *model.named_buffers()]
    on_meta = [name for name, tensor in tensors if tensor.is_meta]
    if on_meta:
        raise AuditError(
            f"'{on_meta[0]}' is on the device meta, where there are no values to compare; make "
            "the model on a real device, as with model.to_empty(device='cpu') and its weights"
        )


def _move(parts: Parts, device: str) -> None:
    """In place, so the optimizers hold the same parameters; their state follows by reloading."""
    model = parts.model
    if model is None or all(p.device == torch.device(device) for p in model.parameters()):
        return
    if device == "cpu":
        return  # it was the factory that chose another device
    model.to(device)
    for optimizer in parts.optimizers:
        if getattr(optimizer, "state", None) and hasattr(optimizer, "load_state_dict"):
            optimizer.load_state_dict(optimizer.state_dict())
    gc.collect()
