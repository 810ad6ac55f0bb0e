"""The tensors that stand now where others were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.utils import parametrize

from bench.measure.stillness import effective_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from bench.measure.stillness import Place


def present(model: nn.Module, places: Iterable[Place]) -> dict[Place, Tensor]:
    """What is at `places` of `model` now; a place that is no longer there is left out.

    By name, since a module or a parameter may have been replaced.
    """
    by_owner: dict[str, list[Place]] = {}
    for place in places:
        by_owner.setdefault(place.name.rpartition(".")[0], []).append(place)
    found: dict[Place, Tensor] = {}
    for owner, there in by_owner.items():
        try:
            module = model.get_submodule(owner)
        except AttributeError:
            continue
        if any(place.kind == "effective weight" for place in there):
            made = effective_weights(owner, module) if parametrize.is_parametrized(module) else {}
            found |= {place: made[place] for place in there if place in made}
        for place in there:
            leaf = place.name.rpartition(".")[2]
            tensor = getattr(module, leaf, None)  # `register_parameter(leaf, None)` leaves a None
            if place.kind != "effective weight" and isinstance(tensor, Tensor):
                found[place] = tensor
    return found
