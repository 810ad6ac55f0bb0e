from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from bench.workloads import pretrained

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> Iterator[None]:
    """What was imported need not be looked at by every collection that a reading begins with."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def _untrained(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built-in networks that have learned nothing: bytes and counts do not depend on it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(pretrained, "_train", lambda _: None)
