"""A folder to store runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.store import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)
