"""Tensors as they were at the beginning, found again by name after each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audit.weights import computed, partly_frozen
from bench.measure.stillness import Place, Stillness, frozen_tensors
from strategies import find_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from torch import Tensor, nn

    from bench.records import KeptBy
    from strategies import Partition

    CopyOf = Callable[[Tensor], Tensor | None]


def frozen_places(model: nn.Module, partition: Partition) -> dict[Place, Tensor]:
    """All that has to stand still: also weights of which only one part is frozen."""
    found = frozen_tensors(model, partition)
    for place in partly_frozen(model, partition.frozen):
        found[place] = computed(model, place.name.rpartition(".")[0])[place]
    return found


def tensors_at(model: nn.Module, places: Collection[Place]) -> dict[Place, Tensor]:
    """What is at these places now; a place that is gone is left out."""
    found: dict[Place, Tensor] = {}
    weights: dict[str, dict[Place, Tensor]] = {}
    for place in places:
        owner = place.name.rpartition(".")[0]
        try:
            if place.kind == "effective weight":
                if owner not in weights:
                    weights[owner] = computed(model, owner)
                found[place] = weights[owner][place]
            else:
                found[place] = find_tensor(model, place.name)
        except (AttributeError, KeyError):
            continue
    return found


def still(
    tensors: Mapping[Place, Tensor], by: KeptBy = "copy", copy_of: CopyOf | None = None
) -> Stillness:
    """What `tensors` are, by the copies that are there already where there are any."""
    if copy_of is None or by == "hash":
        return Stillness(tensors, by)
    copies = {place: copy_of(tensor) for place, tensor in tensors.items()}
    return Stillness(tensors, by, {place: one for place, one in copies.items() if one is not None})
