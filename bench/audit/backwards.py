"""Being told before and after each backward pass."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def around_backward(
    before: Callable[[Any], None] | None = None, after: Callable[[], None] | None = None
) -> Iterator[None]:
    """Within the block, `before(outputs)` and `after()` are called around each backward pass.

    `Tensor.backward`, `torch.autograd.backward` and `torch.autograd.grad` go through one function
    to the engine, also where the user's code has bound one of them to a name of its own.
    """
    autograd: Any = torch.autograd
    real = autograd._engine_run_backward

    def call(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before(outputs)
        result = real(outputs, *args, **kwargs)
        if after is not None:
            after()
        return result

    autograd._engine_run_backward = call
    try:
        yield
    finally:
        autograd._engine_run_backward = real
