"""Being told before and after an optimizer's update, whatever the optimizer is."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    Told = Callable[[Any], None]


@contextmanager
def around_updates(
    optimizers: Sequence[Any], before: Told | None = None, after: Told | None = None
) -> Iterator[None]:
    """Within the block, `before(optimizer)` and `after(optimizer)` are called around each update.

    Optimizers of torch are heard through its hooks, also those that nobody listed. The `step` of
    any other object is wrapped on the instance, or in its class where the instance has
    `__slots__`, and unwrapped in the end.
    """
    before, after = before or _nothing, after or _nothing
    with ExitStack() as stack:
        first = register_optimizer_step_pre_hook(lambda optimizer, *_: before(optimizer))
        stack.callback(first.remove)
        last = register_optimizer_step_post_hook(lambda optimizer, *_: after(optimizer))
        stack.callback(last.remove)
        for optimizer in optimizers:
            if not _has_hooks(optimizer):
                stack.enter_context(_wrapped(optimizer, before, after))
        yield


@contextmanager
def _wrapped(optimizer: Any, before: Told, after: Told) -> Iterator[None]:
    if not hasattr(optimizer, "__dict__"):  # of __slots__ alone
        with _wrapped_in_class(optimizer, before, after):
            yield
        return
    step = optimizer.step
    own = vars(optimizer).get("step")

    def told(*args: Any, **kwargs: Any) -> Any:
        before(optimizer)
        result = step(*args, **kwargs)
        after(optimizer)
        return result

    optimizer.step = told
    try:
        yield
    finally:
        if vars(optimizer).get("step") is told:
            del optimizer.step
            if own is not None:
                optimizer.step = own


@contextmanager
def _wrapped_in_class(optimizer: Any, before: Told, after: Told) -> Iterator[None]:
    """The same where the instance takes no attribute: others of its class go on unheard."""
    owner = next((kind for kind in type(optimizer).__mro__ if "step" in vars(kind)), None)
    step = vars(owner)["step"] if owner is not None else None
    if not isinstance(step, FunctionType):
        yield
        return

    @wraps(step)
    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self is not optimizer:
            return step(self, *args, **kwargs)
        before(optimizer)
        result = step(self, *args, **kwargs)
        after(optimizer)
        return result

    setattr(owner, "step", told)  # noqa: B010
    try:
        yield
    finally:
        setattr(owner, "step", step)  # noqa: B010


def groups_of(optimizer: Any) -> list[dict[str, Any]]:
    """The parameter groups of an optimizer as dictionaries; none where it keeps something else."""
    groups = getattr(optimizer, "param_groups", None) or []
    return [group for group in groups if isinstance(group, dict) and "params" in group]


def members(optimizer: Any) -> list[tuple[Tensor, dict[str, Any]]]:
    """Each parameter of an optimizer with its group."""
    return [(parameter, group) for group in groups_of(optimizer) for parameter in group["params"]]


def rate(group: dict[str, Any]) -> float | None:
    """The learning rate of a group; `None` where it has none."""
    lr = group.get("lr")
    return None if lr is None else float(lr)


def _has_hooks(optimizer: Any) -> bool:
    return isinstance(optimizer, Optimizer) and hasattr(optimizer, "_optimizer_step_pre_hooks")


def _nothing(_: Any) -> None:
    return None
