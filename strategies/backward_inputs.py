from __future__ import annotations

from typing import TYPE_CHECKING

from strategies.strategy import Step, Strategy

if TYPE_CHECKING:
    from torch import Tensor, nn

    from strategies.partition import Partition


class BackwardInputs(Strategy):
    """`loss.backward(inputs=...)` names the trainable parameters, and only they get a gradient.

    Saves the frozen weights' gradients, and the backward pass where nothing trainable is upstream;
    the forward pass still records everything. It is wrong if another backward pass in the step
    (a second loss, a library's) does not name its inputs.
    """

    name = "backward_inputs"
    _inputs: list[Tensor]

    def prepare(self, model: nn.Module, partition: Partition) -> None:
        # Autograd refuses an input whose flag the model's own author has switched off.
        self._inputs = [t for t in partition.trainable_tensors(model) if t.requires_grad]

    def backward(self, step: Step, loss: Tensor) -> None:
        loss.backward(inputs=self._inputs)  # type: ignore[no-untyped-call]
