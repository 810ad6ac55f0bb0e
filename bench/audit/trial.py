"""One module on the input that a step is about to give it: random, or by the batch?"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from bench.audit.active_calls import WithoutDropout
from bench.measure.stillness import same_bits
from strategies.boundary import map_tensors, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

_SEEDS = (0, 1)


class Trial:
    """Runs of one module on one input, which leave it as it was.

    Args:
        module: whose own training flag is set as a question asks; what is inside is in eval mode.
        args: positional arguments that it was about to get.
        kwargs: the others.

    Attributes:
        buffers_moved: whether a run has moved a buffer, which was put back.
    """

    def __init__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._module = module
        self._input = map_tensors(torch.Tensor.detach, (args, kwargs))
        self._devices = {t.device.index for t in tensors_in(self._input) if t.is_cuda}
        self.buffers_moved = False

    def is_random(self) -> bool:
        """Whether random numbers change its output, in training mode and not in eval mode."""
        first, second = (self._run(seed, training=True) for seed in _SEEDS)
        if _same(first, second) or not _same(first, self._run(_SEEDS[0], training=True)):
            return False
        return _same(*(self._run(seed, training=False) for seed in _SEEDS))

    def is_random_by_dropout(self) -> bool:
        """Whether random numbers change its output in eval mode, and no more without dropout."""
        if _same(*(self._run(seed, training=False) for seed in _SEEDS)):
            return False
        return _same(*(self._run(seed, training=False, dropout=False) for seed in _SEEDS))

    def spread_in_eval_mode(self) -> float:
        """How far the first sample's output moves with its neighbours in eval mode, relative."""
        size = _batch_size(self._input)
        if size is None:
            return 0.0
        other = map_tensors(lambda t: _all_as_first(t, size), self._input)
        return self._apart(other, training=False)

    def spread_by_neighbours(self) -> float:
        """How far the first sample's output moves with its neighbours, relative; 0 if it doesn't.

        Also 0 where it does so in eval mode, or where the buffers move.
        """
        size = _batch_size(self._input)
        if size is None:
            return 0.0
        other = map_tensors(lambda t: _all_as_first(t, size), self._input)
        apart = self._apart(other, training=True)
        if self.buffers_moved or not apart:
            return 0.0
        return 0.0 if self._apart(other, training=False) else apart

    def _apart(self, other: Any, *, training: bool) -> float:
        first = self._run(_SEEDS[0], training=training)
        second = self._run(_SEEDS[0], training=training, given=other)
        pairs = zip(_floating(first), _floating(second), strict=True)
        return max((_distance(a[:1], b[:1]) for a, b in pairs if a.dim()), default=0.0)

    def _run(
        self,
        seed: int,
        *,
        training: bool,
        given: Any = None,
        dropout: bool = True,
    ) -> Any:
        args, kwargs = self._input if given is None else given
        with (
            _modes(self._module, training=training),
            nullcontext() if dropout else WithoutDropout(),
            _buffers_kept(self._module) as moved,
            torch.random.fork_rng(devices=self._devices),
            torch.no_grad(),
        ):
            torch.manual_seed(seed)
            # Cloned, because a module may work in place.
            args, kwargs = map_tensors(torch.Tensor.clone, (args, kwargs))
            output = map_tensors(torch.Tensor.clone, self._module.forward(*args, **kwargs))
            self.buffers_moved = moved() or self.buffers_moved
        return output


@contextmanager
def _modes(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Everything inside in eval mode, and the module itself as it is told."""
    before = [(part, part.training) for part in module.modules()]
    for part, _ in before:
        part.training = False
    module.training = training
    try:
        yield
    finally:
        for part, mode in before:
            part.training = mode


@contextmanager
def _buffers_kept(module: nn.Module) -> Iterator[Callable[[], bool]]:
    """Put the buffers back; yields a function that says whether one has moved."""
    before = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
    try:
        yield lambda: not all(same_bits(kept, buffer) for buffer, kept in before)
    finally:
        with torch.no_grad():
            for buffer, kept in before:
                if not same_bits(kept, buffer):
                    buffer.copy_(kept)


def _same(one: Any, other: Any) -> bool:
    sides = tensors_in(one), tensors_in(other)
    return len(sides[0]) == len(sides[1]) and all(map(same_bits, *sides))


def _floating(value: Any) -> list[Tensor]:
    return [tensor for tensor in tensors_in(value) if tensor.is_floating_point()]


def _batch_size(given: Any) -> int | None:
    """Of the first tensor; `None` where there is no neighbour."""
    sizes = [tensor.shape[0] for tensor in tensors_in(given) if tensor.dim()]
    return sizes[0] if sizes and sizes[0] > 1 else None


def _all_as_first(tensor: Tensor, size: int) -> Tensor:
    """The first sample in place of all."""
    if not tensor.dim() or tensor.shape[0] != size:
        return tensor
    return tensor[:1].expand_as(tensor).contiguous()


def _distance(one: Tensor, other: Tensor) -> float:
    """The largest difference in relation to the largest value, 0 where it may be rounding."""
    difference = (one.double() - other.double()).abs().max()
    scale = torch.maximum(one.double().abs().max(), other.double().abs().max())
    relative = float(difference / scale) if float(scale) else 0.0
    return relative if relative > torch.finfo(one.dtype).eps ** 0.5 else 0.0
