"""Flags of a model from step to step: which changed, and stayed so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.records import Finding
from bench.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from torch import nn

    from bench.rules import Severity

_FEW = 3


class Flags:
    """`requires_grad` and `training` of everything in a model, at the beginning and after steps.

    Args:
        model: the user's own, without wrappers.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model: nn.Module | None = model
        self._requires: list[dict[str, bool]] = [self._read_requires()]
        self._training: list[dict[str, bool]] = []

    def around(self, step: Callable[[], Any]) -> Callable[[], Any]:
        """The same step, after which the flags are noted."""

        def noted() -> Any:
            result = step()
            self._requires.append(self._read_requires())
            self._training.append(
                {name: module.training for name, module in self._modules().items()}
            )
            return result

        return noted

    def let_go(self) -> None:
        """Keep what was noted and not the model."""
        self._model = None

    def _modules(self) -> dict[str, nn.Module]:
        return {} if self._model is None else dict(self._model.named_modules())

    def _read_requires(self) -> dict[str, bool]:
        if self._model is None:
            return {}
        named = self._model.named_parameters(remove_duplicate=False)
        return {name: parameter.requires_grad for name, parameter in named}

    def findings(self, others: Sequence[Finding], frozen: Collection[str]) -> list[Finding]:
        """`flags-changed` for what changed once and that no other finding is about.

        What changes back and forth (the two sides of an adversarial training, an evaluation
        between steps) is meant so. Flags are compared from the first step on, because that may
        begin with `model.train()` and end with one side of the two off; with the beginning only
        where `requires_grad` was off there.

        Args:
            others: findings whose places are explained.
            frozen: names of what is frozen. Anything else that is thawed is thawed step by step,
                which is a notice: an audit of these steps spans two phases of the training.
        """
        explained = {name for other in others for name in other.where}
        off = {name for name, flag in self._requires[0].items() if not flag}
        requires = {
            **_changed_once(self._requires[1:], first=2),
            **{n: at for n, at in _changed_once(self._requires, first=1).items() if n in off},
        }
        training = _changed_once(self._training, first=2)
        found = {name: at for name, at in requires.items() if name not in explained}
        modes = {
            name: at
            for name, at in training.items()
            if not any(f"{place}.".startswith(f"{name}." if name else "") for place in explained)
        }
        now = self._requires[-1]
        thawed = {name: at for name, at in found.items() if now.get(name) and name not in frozen}
        found = {name: at for name, at in found.items() if name not in thawed}
        return [
            *_told(found, "requires_grad", now),
            *_told(thawed, "requires_grad", now, "notice"),
            *_told(modes, "training", self._training[-1] if self._training else {}),
        ]


def _changed_once(history: list[dict[str, bool]], first: int) -> dict[str, int]:
    """Names whose flag changed once, with the step; the second entry is of step `first`.

    What is not there after a step has no flag that could have changed.
    """
    found: dict[str, int] = {}
    for name in history[0] if history else ():
        values = [flags.get(name) for flags in history]
        changes = [
            at
            for at in range(1, len(values))
            if None not in values[at - 1 : at + 1] and values[at] != values[at - 1]
        ]
        if len(changes) == 1:
            found[name] = changes[0] - 1 + first
    return found


def _told(
    found: dict[str, int], flag: str, now: dict[str, bool], severity: Severity | None = None
) -> list[Finding]:
    if not found:
        return []
    names, step = list(found), min(found.values())
    shown = ", ".join(name or "the model" for name in names[:_FEW])
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    value = now.get(names[0], False)
    place = "parameter" if flag == "requires_grad" else "submodule"
    return [
        Finding(
            rule="flags-changed",
            severity=severity or RULES["flags-changed"].severity,
            where=names,
            what=f"{flag} of {shown}{more} became {value} in step {step} and stayed so",
            why="something in the step sets it: the flags of the beginning are not those of the "
            "training",
            mend=f"assert model.get_{place}({names[0]!r}).{flag} is {not value}"
            "  # after each line of the step, to find which one sets it",
            since_step=step,
        )
    ]
