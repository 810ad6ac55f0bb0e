"""Guarding one's own training: what is frozen stays, and what is trained gets its gradient.

with watch(model, frozen="backbone.*") as report:
    train()
"""

from __future__ import annotations

from bench.watch.errors import FrozenMoved, Severed, WatchError, WatchRequestError
from bench.watch.watching import Watch, watch

__all__ = ["FrozenMoved", "Severed", "Watch", "WatchError", "WatchRequestError", "watch"]
