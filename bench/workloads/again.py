"""What is made again and again in one process: made twice, and copied from then on.

A worker that holds a model for each strategy would otherwise draw all its weights once for each.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Made = TypeVar("Made")


class Again(Generic[Made]):
    """Remembers the last thing that was asked for, and keeps it if it is asked for again.

    What is asked for once, as by a worker that measures memory, is not kept. What is given is the
    caller's own: a fresh one, or a deep copy.
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._kept: Made | None = None

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` makes; `key` says all that it depends on."""
        if key != self._key:
            self._key, self._kept = key, None
            return make()
        if self._kept is None:
            self._kept = make()
        return copy.deepcopy(self._kept)
