"""A run as one self-contained page, and a server that shows a results folder.

Records in, bytes out: `page.render`. The page asks the network for nothing, reads without
JavaScript, and prints. What it needs beyond the package is the extra `page`.
"""

from __future__ import annotations


class PageError(Exception):
    """A page cannot be made; the message says why, and what to do."""
