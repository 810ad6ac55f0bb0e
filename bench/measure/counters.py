"""Counts of one training step: FLOPs, operators, nodes of the autograd graph."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bench.measure.phases import PhaseMarks, PhaseName
from bench.records import Counters

if TYPE_CHECKING:
    from torch import Tensor

    from bench.measure.training import Training


class OperatorCounts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts dispatched operators and their FLOPs by phase.

    The formulas are torch's own (`torch.utils.flop_counter`): two FLOPs a multiply-add, for
    products, convolutions and attention. Operators without a formula that compute something are
    counted by name. `FlopCounterMode` itself is not used: it counts by module rather than by
    phase, and says nothing of operators without a formula.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.phase: PhaseName = "forward"
        self.operators: Counter[PhaseName] = Counter()
        self.flops: Counter[PhaseName] = Counter()
        self.uncounted: Counter[str] = Counter()

    def enter_phase(self, phase: PhaseName) -> None:
        """From now on operators belong to this phase."""
        self.phase = phase

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and count it."""
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None and func is not torch.ops.prim.device.default:
            # Under inference mode composite operators arrive whole; take them apart, as autograd
            # has done with all others.
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        self.operators[self.phase] += 1
        if formula is not None:
            self.flops[self.phase] += formula(*args, **kwargs, out_val=result)
        elif _computes(func):
            self.uncounted[str(func._overloadpacket)] += 1
        return result


# Tags and names of operators that move, make or rearrange numbers rather than compute them, or
# compute one number for each.
_MOVERS = (
    "local_scalar",
    "copy",
    "clone",
    "empty",
    "zeros",
    "ones",
    "full",
    "new_",
    "fill",
    "detach",
    "zero_",
)


# Namespaces of torch's own bookkeeping. Operators of other libraries may compute anything.
_BOOKKEEPING = ("prim", "profiler")


def _computes(func: Any) -> bool:
    if func.is_view or torch.Tag.pointwise in func.tags or func.namespace in _BOOKKEEPING:
        return False
    name = func._schema.name.split("::")[-1].lstrip("_")
    if func._schema.is_mutable and not name.startswith("native"):
        return False
    return not name.startswith(_MOVERS)


def read_counters(training: Training) -> Counters:
    """Count one step of a training in its steady state."""
    counts = OperatorCounts()
    nodes: list[int] = []
    marks = PhaseMarks(follow=counts.enter_phase)

    def forward_done(loss: Tensor) -> None:
        nodes.append(count_nodes(loss))
        marks()

    with counts:
        training.step(marks, forward_done)
    return Counters(
        forward_flops=counts.flops["forward"],
        backward_flops=counts.flops["backward"],
        operators={phase: counts.operators[phase] for phase in ("forward", "backward", "update")},
        autograd_nodes=nodes[0],
        uncounted_operators=dict(sorted(counts.uncounted.items())),
    )


def count_nodes(loss: Tensor) -> int:
    """The number of nodes that a backward pass from `loss` may visit."""
    seen = set()
    waiting = [loss.grad_fn] if loss.grad_fn is not None else []
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting += [following for following, _ in node.next_functions if following is not None]
    return len(seen)
