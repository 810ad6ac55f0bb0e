"""Compiled code run as it was written, for what looks at operators or at calls of modules."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def eager() -> Iterator[None]:
    """Within the block nothing that `torch.compile` was given runs compiled.

    Where nothing was compiled, the compiler is not loaded for this: that takes seconds.
    """
    if "torch._dynamo" not in sys.modules:
        yield
        return
    stance: Any = torch.compiler.set_stance
    with stance("force_eager"):
        yield
