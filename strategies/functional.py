from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from strategies.strategy import Step, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable


class Functional(Strategy):
    """`torch.func` differentiates the loss as a function of the trainable part alone.

    Saves what `requires_grad` saves of the two passes, at the price of swapping every tensor of the
    model in and out at each step. It is wrong for code that keeps references to parameters or
    accumulates gradients; a compiled model falls back to eager, and a trainable parameter without
    influence on the loss gets zeros, where others leave it without a gradient.
    """

    name = "functional"

    def differentiate(self, step: Step, forward_done: Callable[[Tensor], None]) -> None:
        whole = _LossOf(step)
        chosen = set(step.partition.trainable)
        # Each tied parameter under one name; `functional_call` ties the others to it.
        trainable: dict[str, Tensor] = {}
        constant: dict[str, Tensor] = {}
        for name, parameter in step.model.named_parameters():
            varies = name in chosen and parameter.requires_grad
            (trainable if varies else constant)[name] = parameter
        # Buffers are an argument of the differentiated function, not of its closure: autograd then
        # lets the forward pass write to them, and BatchNorm statistics reach the model.
        constant.update(step.model.named_buffers())

        def loss_of(varied: dict[str, Tensor], fixed: dict[str, Tensor]) -> Tensor:
            loss: Tensor = functional_call(whole, varied | fixed, ())
            forward_done(loss)
            return loss

        gradients, _ = grad_and_value(loss_of)(_within(trainable), _within(constant))
        for name, tensor in trainable.items():
            tensor.grad = gradients[f"model.{name}"]


class _LossOf(nn.Module):
    """Makes a loss out of a step, so that its model's tensors can be substituted meanwhile."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.model = step.model
        self._compute_loss = step.compute_loss

    def forward(self) -> Tensor:
        return self._compute_loss()


def _within(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"model.{name}": tensor.detach() for name, tensor in tensors.items()}
