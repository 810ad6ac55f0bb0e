"""What `freeze_benchmark` is where pytest-benchmark is not: a sentence."""

from __future__ import annotations

import pytest


@pytest.fixture
def freeze_benchmark() -> None:
    """Needs pytest-benchmark: install freezebench[pytest]."""
    pytest.fail(
        "freeze_benchmark is built on pytest-benchmark, which is not loaded; install "
        "freezebench[pytest], or take -p no:benchmark away",
        pytrace=False,
    )
