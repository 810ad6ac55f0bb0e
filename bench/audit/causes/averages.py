"""Running averages of a frozen part, which move by rounding though their source does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench.audit.causes.words import by_how_much, finding, listed
from bench.audit.reach import keep_reached
from bench.audit.state import Snapshot
from bench.measure.stillness import Place, hash_of, how_far, same_bits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from bench.audit.intent import Intent
    from bench.audit.observation import Observation
    from bench.audit.subject import Subject
    from bench.measure.stillness import Stillness
    from bench.records import Finding

_CLOSE = 1e-3  # a running average that is further off is on its way, and moves on purpose


class Averages:
    """The copies of frozen parameters that running averages of a subject hold at its beginning.

    Args:
        subject: at its beginning.
        model: unwrapped.
        meant: what is frozen.
    """

    def __init__(self, subject: Subject, model: nn.Module, meant: Intent) -> None:
        named = dict(model.named_parameters(remove_duplicate=False))
        own = {id(module) for module in subject.model.modules()}
        frozen = {name: named[name] for name in meant.partition.frozen}
        self._pairs: list[tuple[str, Tensor, bytes]] = []
        for average in _candidates(subject, own):
            for name, tensor in _counterparts(average, frozen).items():
                if tensor is frozen[name] or not _close(tensor, frozen[name]):
                    continue
                self._pairs.append((name, tensor, hash_of(tensor)))

    def findings(self, seen: Observation, kept: Stillness) -> list[Finding]:
        """One finding for all copies that moved though the parameter did not."""
        still = {place.name for place in kept.places} - {place.name for place in seen.moved}
        moved = []
        for name, tensor, before in self._pairs:
            if name in still and hash_of(tensor) != before:
                place = Place(name, "parameter")
                value = kept.before(place)
                moved.append(how_far(place, tensor if value is None else value, tensor))
        if not moved:
            return []
        names = [one.name for one in moved]
        return [
            finding(
                "ema-rounding",
                names,
                f"the running average of {listed(names)} differs {by_how_much(moved)}, though the "
                "parameter stands still",
                "an average of a constant, computed as decay × average + (1 − decay) × value, is "
                "rounded at every step",
                "average.lerp_(value, 1 - decay)  # exact for equal values; or leave the frozen "
                "part out of the average",
                moved=moved,
            )
        ]


def _candidates(subject: Subject, own: set[int]) -> list[Any]:
    snapshot = Snapshot()
    snapshot.left = 0
    keep_reached(snapshot, subject.step, spare=0)
    snapshot.keep(list(subject.stateful))
    things = [t for t in snapshot.things() if isinstance(t, (nn.Module, dict))]
    return [t for t in things if id(t) not in own and t is not subject.model]


def _counterparts(average: Any, frozen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an average by the name of the parameter that they stand for."""
    if isinstance(average, nn.Module):
        inner = average._modules.get("module") or average
        tensors: dict[Any, Any] = dict(inner.named_parameters(remove_duplicate=False))
    else:
        tensors = average
    return {
        name: tensors[name]
        for name, parameter in frozen.items()
        if isinstance(tensors.get(name), torch.Tensor)
        and tensors[name].shape == parameter.shape
        and tensors[name].dtype == parameter.dtype
    }


def _close(tensor: Tensor, value: Tensor) -> bool:
    if same_bits(tensor, value):
        return True
    difference = float((tensor.detach().double() - value.detach().double()).norm())
    return difference <= _CLOSE * float(value.detach().double().norm())
