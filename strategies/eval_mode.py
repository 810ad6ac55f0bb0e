from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING

from strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import nn

    from strategies.partition import Partition


class EvalMode(Strategy):
    """Wholly frozen modules are put in evaluation mode, and `model.train()` leaves them there.

    Holds BatchNorm statistics and spectral norms and switches dropout off, on top of any strategy.
    It is wrong where the frozen part is meant to adapt to the batch.
    """

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        super().prepare(model, partition)
        for frozen in partition.modules_of(model):
            frozen.eval()
            # Each module inside too: it may be reached by another way than through `frozen`.
            for module in frozen.modules():
                # A bound method, unlike a closure, follows its module through a deep copy.
                module.train = MethodType(_stay, module)  # type: ignore[method-assign]


def in_eval_mode(strategy: type[Strategy]) -> type[Strategy]:
    """The class of `name+eval`: `strategy`, and then evaluation mode for the frozen modules."""
    body = {"name": f"{strategy.name}+eval", "__doc__": strategy.__doc__}
    return type(f"{strategy.__name__}InEvalMode", (EvalMode, strategy), body)


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    return module
