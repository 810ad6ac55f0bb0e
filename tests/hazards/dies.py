"""A strategy that takes its process with it."""

from __future__ import annotations

import os

from strategies import Strategy


class Dies(Strategy):
    """Ends the process at the freeze."""

    name = "dies"

    def prepare(self, model, partition):
        os._exit(7)
