"""What an experiment on a frozen tensor that moved is made of."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.audit.kept import tensors_at
from bench.audit.updates import around_updates, groups_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

    from bench.audit.causes.evidence import Evidence
    from bench.audit.intent import Intent
    from bench.audit.subject import Subject


@dataclass(frozen=True)
class Setting:
    """What an experiment acts on: a subject at its beginning, and the tensors in question."""

    subject: Subject
    model: nn.Module
    meant: Intent
    suspects: Sequence[Evidence]

    def parameters(self) -> list[Tensor]:
        """The parameters in question, as they are now."""
        places = [one.place for one in self.suspects if one.is_parameter]
        return list(tensors_at(self.model, places).values())


class Experiment:
    """One thing that may have moved frozen tensors, and how the training is run without it.

    Experiments are listed from the most to the least specific. One that makes the drift vanish
    decides the cause.
    """

    #: What it does, for `decided_by`: "with … the drift vanishes".
    doing: ClassVar[str]

    def rule(self, one: Evidence) -> str:
        """The name of the rule if this decides it."""
        raise NotImplementedError

    def applies(self, one: Evidence) -> bool:
        """Whether what was measured allows for this cause."""
        raise NotImplementedError

    def removed(self, setting: Setting) -> AbstractContextManager[Any]:
        """A block in which the training runs without it."""
        raise NotImplementedError

    def why(self, suspects: Sequence[Evidence]) -> str:
        """The mechanism, in one sentence."""
        raise NotImplementedError

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:
        """One line to paste."""
        raise NotImplementedError


def names_of(suspects: Sequence[Evidence]) -> list[str]:
    """The names of suspects, in order."""
    return [one.place.name for one in suspects]


@contextmanager
def before_each_update(setting: Setting, act: Callable[[Any], None]) -> Iterator[None]:
    """Within the block, `act(optimizer)` is called before each update."""
    with around_updates(setting.subject.optimizers, before=act):
        yield


@contextmanager
def groups_changed(
    setting: Setting, key_holds: Callable[[str], bool], value: float | None, factor: float = 1.0
) -> Iterator[None]:
    """Within the block, numbers in the groups of the suspects are `value` during each update.

    Without a value they are multiplied by `factor`.
    """
    undone: dict[int, list[tuple[dict[str, Any], str, Any]]] = {}

    def before(optimizer: Any) -> None:
        ids = {id(tensor) for tensor in setting.parameters()}
        undone[id(optimizer)] = []
        for group in groups_of(optimizer):
            if not any(id(parameter) in ids for parameter in group["params"]):
                continue
            for key, old in list(group.items()):
                if key_holds(key) and _is_rate(old):
                    undone[id(optimizer)].append((group, key, old))
                    group[key] = float(old) * factor if value is None else value

    def after(optimizer: Any) -> None:
        for group, key, old in undone.pop(id(optimizer), []):
            group[key] = old

    with ExitStack() as stack:
        stack.enter_context(around_updates(setting.subject.optimizers, before, after))
        yield


@contextmanager
def no_gradients_at_updates(setting: Setting) -> Iterator[None]:
    """Within the block, the suspects have no gradient at any update."""

    def drop(_: Any) -> None:
        for tensor in setting.parameters():
            tensor.grad = None

    with before_each_update(setting, drop):
        yield


def _is_rate(value: Any) -> bool:
    if isinstance(value, (bool, str)) or value is None:
        return False
    try:
        float(value)
    except (TypeError, ValueError, RuntimeError):
        return False
    return True
