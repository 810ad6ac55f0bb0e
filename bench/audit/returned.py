"""What a user's factory returned, taken apart: each thing is known by its key or by what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel

from bench.audit.subject import AuditError
from bench.workloads import Workload

EXAMPLE = """
    def step():
        optimizer.zero_grad(); loss_of(model, next(batches)).backward(); optimizer.step()
    return model, optimizer, step"""

_KEYS = {
    "model": ("model", "module", "net", "network"),
    "optimizers": ("optimizer", "optimizers", "opt"),
    "step": ("step", "train_step", "training_step"),
    "loader": ("loader", "dataloader", "train_loader", "train_dataloader", "batches"),
    "frozen": ("frozen", "freeze"),
    "trainer": ("trainer",),
    "datamodule": ("datamodule",),
}
_ALSO = ("scheduler", "schedulers", "lr_scheduler", "scaler", "ema", "averaged", "stateful")


@dataclass
class Parts:
    """What a training is made of; what was not returned is `None` or empty.

    Attributes:
        model: that is trained.
        optimizers: all of them.
        step: the function that trains one step.
        loader: batches for `step` or for a Trainer.
        stateful: schedulers, a loss scaler, a running average.
        frozen: patterns.
        trainer: of Lightning.
        datamodule: of Lightning.
    """

    model: nn.Module | None = None
    optimizers: list[Any] = field(default_factory=list)
    step: Any = None
    loader: Any = None
    stateful: list[Any] = field(default_factory=list)
    frozen: tuple[str, ...] | None = None
    trainer: Any = None
    datamodule: Any = None


def parts_of(made: Any) -> Parts:
    """Take apart a tuple, a mapping, or any object with attributes such as `model` and `step`.

    Raises:
        AuditError: it holds two of what there can be but one, or something of the wrong kind.
    """
    _refuse_transformers(made)
    parts = Parts()
    if isinstance(made, Mapping):
        _by_key(parts, dict(made))
    elif isinstance(made, (nn.Module, Workload)) or is_lightning(made, "Trainer"):
        _by_kind(parts, made)
    elif isinstance(made, (tuple, list)) and not hasattr(made, "_fields"):
        for thing in made:
            _by_kind(parts, thing)
    else:
        _by_key(parts, _attributes(made))
    return parts


def is_lightning(thing: Any, name: str) -> bool:
    """Whether it is of this class of Lightning, under either of the names it is installed by."""
    return any(
        kind.__name__ == name
        and kind.__module__.startswith(("pytorch_lightning.", "lightning.pytorch."))
        for kind in type(thing).__mro__
    )


def is_optimizer(thing: Any) -> bool:
    """Whether it is torch's or any object that offers what is asked of one."""
    return all(hasattr(thing, name) for name in ("step", "zero_grad", "param_groups"))


def described(made: Any) -> str:
    """What was returned, by type: `(Linear, Adam)`."""
    if isinstance(made, Mapping):
        return (
            "{" + ", ".join(f"{key}: {type(value).__name__}" for key, value in made.items()) + "}"
        )
    if isinstance(made, (tuple, list)) and not hasattr(made, "_fields"):
        return "(" + ", ".join("None" if t is None else type(t).__name__ for t in made) + ")"
    return "None" if made is None else type(made).__name__


def _refuse_transformers(thing: Any) -> None:
    """Its loop cannot be run a step at a time, and it guards itself by a callback."""
    is_one = any(
        kind.__name__ == "Trainer" and kind.__module__.startswith("transformers.")
        for kind in type(thing).__mro__
    )
    if is_one:
        raise AuditError(
            "it returned a Trainer of transformers, which runs its own loop; return "
            "(trainer.model, trainer.create_optimizer(), step) with a step of one batch, or watch "
            "it while it trains by bench.watch.transformers.FreezeGuardCallback"
        )


def _attributes(made: Any) -> dict[str, Any]:
    names = [name for known in _KEYS.values() for name in known]
    return {name: getattr(made, name) for name in (*names, *_ALSO) if hasattr(made, name)}


def _by_key(parts: Parts, given: dict[str, Any]) -> None:
    given = {key: value for key, value in given.items() if value is not None}
    for part, keys in _KEYS.items():
        key = next((key for key in keys if key in given), None)
        if key is None:
            continue
        value = given[key]
        _refuse_transformers(value)
        if part == "optimizers":
            parts.optimizers = _optimizers(value, key)
        elif part == "frozen":
            parts.frozen = _patterns(value)
        elif part == "model" and not isinstance(value, nn.Module):
            raise AuditError(
                f"its {key} is no module but of type {type(value).__name__}; "
                "make it a torch.nn.Module"
            )
        elif part == "step" and not callable(value):
            raise AuditError(
                f"its {key} cannot be called (it is of type {type(value).__name__}); "
                "make it a function that trains one step"
            )
        else:
            setattr(parts, part, value)
    for key in _ALSO:
        if key in given:
            parts.stateful += _stateful(given[key])


def _by_kind(parts: Parts, thing: Any) -> None:
    """Put one thing of a tuple where it belongs."""
    _refuse_transformers(thing)
    if isinstance(thing, nn.Module):
        if isinstance(thing, AveragedModel) or parts.model is not None:
            parts.stateful.append(thing)
        else:
            parts.model = thing
    elif is_optimizer(thing):
        parts.optimizers.append(thing)
    elif isinstance(thing, str) or _are_strings(thing):
        parts.frozen = _patterns(thing)
    elif isinstance(thing, (tuple, list)) and thing and all(map(_is_part, thing)):
        for inner in thing:
            _by_kind(parts, inner)
    elif (name := _single(thing)) is not None:
        _only(parts, name, thing)
    elif _has_state(thing):
        parts.stateful.append(thing)
    elif thing is not None:
        raise AuditError(
            f"it returned something of type {type(thing).__name__} of which nothing is known; "
            "leave it out, or return a dict with the keys model, optimizer and step"
        )


def _single(thing: Any) -> str | None:
    """The part that this is, of those that there is one of."""
    if is_lightning(thing, "Trainer"):
        return "trainer"
    if is_lightning(thing, "LightningDataModule"):
        return "datamodule"
    if _has_state(thing):
        return None
    if callable(thing):
        return "step"
    return "loader" if isinstance(thing, Iterable) else None


def _only(parts: Parts, name: str, thing: Any) -> None:
    if getattr(parts, name) is not None:
        raise AuditError(
            f"it returned two things that could be the {name}; return a dict with the keys model, "
            "optimizer, step and loader"
        )
    setattr(parts, name, thing)


def _is_part(thing: Any) -> bool:
    return is_optimizer(thing) or isinstance(thing, nn.Module) or _has_state(thing)


def _has_state(thing: Any) -> bool:
    """A scheduler, a scaler, a running average; a loader may have a state too, and is none."""
    is_one = hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")
    return is_one and not isinstance(thing, Iterable)


def _stateful(value: Any) -> list[Any]:
    things = list(value) if isinstance(value, (tuple, list)) else [value]
    return [thing for thing in things if hasattr(thing, "state_dict")]


def _optimizers(value: Any, key: str) -> list[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    things = list(value) if isinstance(value, (tuple, list)) else [value]
    for thing in things:
        if not is_optimizer(thing):
            raise AuditError(
                f"its {key} is no optimizer but of type {type(thing).__name__}; give an object "
                "with step, zero_grad and param_groups"
            )
    return things


def _are_strings(thing: Any) -> bool:
    is_list = isinstance(thing, (tuple, list, set, frozenset))
    return is_list and bool(thing) and all(isinstance(item, str) for item in thing)


def _patterns(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if _are_strings(value):
        return tuple(value)
    raise AuditError(
        "what is frozen must be patterns on names of modules or parameters, such as ['backbone'], "
        f"not {value!r:.60}"
    )
