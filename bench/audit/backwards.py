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

    `Tensor.backward` and everybody else go through these two functions of `torch.autograd`.
    """
    real = {name: getattr(torch.autograd, name) for name in ("backward", "grad")}

    def replaced(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if before is not None:
                before(args[0] if args else next(iter(kwargs.values()), None))
            result = real[name](*args, **kwargs)
            if after is not None:
                after()
            return result

        return call

    try:
        for name in real:
            setattr(torch.autograd, name, replaced(name))
        yield
    finally:
        for name, function in real.items():
            setattr(torch.autograd, name, function)
