"""What is meant to be frozen: said by patterns, or read off the training as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from bench.audit.subject import AuditError
from bench.audit.updates import groups_of, members, rate
from bench.measure.unwrapped import unwrapped
from bench.names import printable
from strategies import Partition, PartitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import nn

    from bench.audit.subject import Subject


@dataclass(frozen=True)
class Intent:
    """What a training means to freeze.

    Attributes:
        partition: of the unwrapped model.
        patterns: that said so; empty where it was read off the training.
        matched: frozen names that a pattern matches itself, rather than a tied parameter's twin.
        plain: names below a plain attribute that was taken for the flag (`requires_grad = False`
            on a module), with that attribute.
    """

    partition: Partition
    patterns: tuple[str, ...]
    matched: frozenset[str]
    plain: dict[str, str]

    @property
    def declared(self) -> bool:
        """Whether patterns said what is frozen."""
        return bool(self.patterns)


def intent(subject: Subject) -> Intent:
    """What `subject` means to freeze, as it stands at its beginning.

    Without patterns a parameter is frozen if its flag is off, if a module or parameter carries an
    attribute that was meant for the flag, or if its learning rate is 0 while another group's is
    not (and no scheduler is warming it up).

    Raises:
        AuditError: patterns that match nothing, a model on `meta`, nothing frozen, nothing to
            train.
    """
    model = unwrapped(subject.model)
    named = dict(model.named_parameters(remove_duplicate=False))
    if not named:
        raise AuditError("the model has no parameters, so there is nothing to freeze")
    _refuse_meta(model)
    plain = _plain_attributes(model)
    if subject.frozen is not None:
        try:
            partition = Partition.of(model, subject.frozen)
        except PartitionError as error:
            raise AuditError(str(error)) from error
        matched = frozenset(n for n in partition.frozen if _matched(n, subject.frozen))
        return Intent(partition, tuple(subject.frozen), matched, plain)
    still = _at_rate_zero(subject.optimizers)
    frozen = [
        name
        for name, parameter in named.items()
        if not parameter.requires_grad or id(parameter) in still or name in plain
    ]
    partition = Partition.of_names(model, frozen)
    if not partition.frozen:
        raise AuditError(
            "nothing in the model is frozen: every parameter has requires_grad on and a learning "
            "rate; say what is meant to be frozen by patterns on its names, with --freeze or as "
            "'frozen' of the returned dict"
        )
    if not partition.trainable:
        raise AuditError("every parameter is frozen, so nothing is trained; leave some trainable")
    return Intent(partition, (), frozenset(partition.frozen), plain)


def _refuse_meta(model: nn.Module) -> None:
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_meta:
            raise AuditError(
                f"'{printable(name)}' is on the device meta and holds no values; "
                "load the model before it is audited (model.to_empty, then its weights)"
            )


def _matched(name: str, patterns: Sequence[str]) -> bool:
    parts = name.split(".")
    places = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    return any(
        fnmatchcase(place, pattern)
        for pattern in patterns
        if not pattern.startswith("!")
        for place in places
    )


def _at_rate_zero(optimizers: Iterable[Any]) -> set[int]:
    """Parameters in groups of rate 0, if some other group of any optimizer has one above 0."""
    groups = [group for optimizer in optimizers for group in groups_of(optimizer)]
    if not any((rate(group) or 0.0) > 0 for group in groups):
        return set()
    return {
        id(parameter)
        for optimizer in optimizers
        for parameter, group in members(optimizer)
        if rate(group) == 0 and not float(group.get("initial_lr", 0.0))  # a warm-up ends above 0
    }


def _plain_attributes(model: nn.Module) -> dict[str, str]:
    """Parameters below an attribute that looks like the flag and does nothing."""
    found: dict[str, str] = {}
    for prefix, module in model.named_modules():
        attribute = _meant_for_the_flag(vars(module))
        if attribute is not None:
            owner = f"{prefix}." if prefix else ""
            for leaf, _ in module.named_parameters():
                found[f"{owner}{leaf}"] = f"{owner}{attribute}"
    for name, parameter in model.named_parameters():
        attribute = _meant_for_the_flag(vars(parameter))
        if attribute is not None:
            found[name] = f"{name}.{attribute}"
    return found


def _meant_for_the_flag(attributes: dict[str, Any]) -> str | None:
    off = [name for name, value in attributes.items() if value is False]
    return next(iter(get_close_matches("requires_grad", off, n=1, cutoff=0.75)), None)
