"""What a page may do, for the browser to enforce: nothing but show itself."""

from __future__ import annotations

import base64
import hashlib

NOTHING = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
"""For a page without a script. Styles stand inside it, and charts set some on their elements."""

PAGES = f"{NOTHING}; script-src 'unsafe-inline'"
"""Beside the policy inside a page: both must allow a script, so its own alone run."""


def policy(scripts: list[str]) -> str:
    """A content security policy under which `scripts`, and no other, run; no request is made."""
    if not scripts:
        return NOTHING
    return f"{NOTHING}; script-src {' '.join(_source(script) for script in scripts)}"


def _source(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
