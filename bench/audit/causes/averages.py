"""Running averages of a frozen part, which move by rounding though their source does not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench.audit.causes.words import by_how_much, finding, listed
from bench.audit.reach import keep_reached
from bench.audit.state import Snapshot
from bench.measure.stillness import Place, hash_of, how_far, same_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from bench.audit.intent import Intent
    from bench.audit.observation import Observation
    from bench.audit.subject import Subject
    from bench.measure.stillness import Stillness
    from bench.records import Finding, Moved

    Getter = Callable[[], Any]

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
        self._frozen = frozen
        self._before: list[tuple[Getter, dict[str, bytes]]] = []
        for get in _candidates(subject, own):
            copies = _counterparts(get, frozen)
            close = {name: t for name, t in copies.items() if _close(t, frozen[name])}
            if close:
                self._before.append((get, {name: hash_of(t) for name, t in close.items()}))

    def findings(self, seen: Observation, kept: Stillness) -> list[Finding]:
        """One finding for all copies that moved though the parameter did not."""
        still = {place.name for place in kept.places} - {place.name for place in seen.moved}
        found: dict[str, Moved] = {}
        for get, hashes in self._before:
            for name, tensor in _counterparts(get, self._frozen).items():
                if name not in still or hash_of(tensor) == hashes.get(name, hash_of(tensor)):
                    continue
                place = Place(name, "parameter")
                value = kept.before(place)
                found[name] = how_far(place, tensor if value is None else value, tensor)
        if not found:
            return []
        names, moved = list(found), list(found.values())
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


def _candidates(subject: Subject, own: set[int]) -> list[Getter]:
    """What may hold an average, by how it is found again: its tensors may be others by then."""
    snapshot = Snapshot()
    snapshot.left = 0
    keep_reached(snapshot, subject.step, spare=0)
    snapshot.keep(list(subject.stateful))
    things = [t for t in snapshot.things() if id(t) not in own and t is not subject.model]
    found: list[Getter] = []
    for thing in things:
        if isinstance(thing, nn.Module):
            found.append(partial(_itself, thing))
        elif isinstance(thing, dict):
            found.append(partial(_itself, thing))
            inner = [key for key, value in thing.items() if isinstance(value, dict)]
            found += [partial(thing.get, key) for key in inner]
        elif thing in subject.stateful and callable(getattr(thing, "state_dict", None)):
            found.append(thing.state_dict)
    return found


def _itself(thing: Any) -> Any:
    return thing


def _counterparts(get: Getter, frozen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an average by the name of the parameter that they stand for."""
    average = get()
    if not isinstance(average, (nn.Module, dict)):
        return {}
    if isinstance(average, nn.Module):
        inner = average._modules.get("module") or average
        tensors: dict[Any, Any] = dict(inner.named_parameters(remove_duplicate=False))
    else:
        tensors = average
    return {
        name: tensors[name]
        for name, parameter in frozen.items()
        if isinstance(tensors.get(name), torch.Tensor)
        and tensors[name] is not parameter
        and tensors[name].shape == parameter.shape
        and tensors[name].dtype == parameter.dtype
    }


def _close(tensor: Tensor, value: Tensor) -> bool:
    if same_bits(tensor, value):
        return True
    difference = float((tensor.detach().double() - value.detach().double()).norm())
    return difference <= _CLOSE * float(value.detach().double().norm())
