"""Frozen modules that answer otherwise in training mode: at random, or by the batch.

A module is tried on its own input, at the moment the user's step calls it, and everything that
this moves is put back before the step goes on.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench.audit.eager import eager
from bench.audit.pasteable import expression
from bench.audit.unwrapped import unwrapped
from bench.measure.stillness import same_bits
from bench.records import Finding
from bench.rules import RULES
from strategies.boundary import map_tensors, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from bench.audit.subject import World
    from strategies import Partition

# Modules of torch that have no use for their training flag. Any other may have.
_INDIFFERENT = frozenset(
    kind.forward
    for kind in (
        *(nn.Linear, nn.Bilinear, nn.Identity, nn.Flatten, nn.Unflatten, nn.Embedding),
        *(nn.Sequential, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm),
        *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
        *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
        *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.GELU, nn.SiLU, nn.Mish, nn.ELU),
        *(nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus),
        *(nn.Softmax, nn.LogSoftmax, nn.Upsample, nn.PixelShuffle, nn.ZeroPad2d),
    )
)
_SEEDS = (0, 1)


def mode_findings(world: World, partition: Partition) -> list[Finding]:
    """Findings `dropout-active` and `batch-statistics`, decided by running the modules.

    A module answers at random if two runs on one input with different random numbers differ, and
    don't in eval mode. It normalises by the batch if what it makes of the first sample depends on
    the others, and doesn't in eval mode, while its buffers stand still (where they move, that is
    found as such).

    Args:
        world: is begun once, for one step; not at all where no frozen module can tell its mode.
        partition: of its model.
    """
    subject = world.begin()
    model = unwrapped(subject.model)
    candidates = _candidates(model, partition)
    if not candidates:
        return []
    trials = _Trials()
    hooks = [
        module.register_forward_pre_hook(trials.of(name), with_kwargs=True)
        for name, module in candidates.items()
    ]
    try:
        with eager():  # compiled code would not call the hooks
            subject.step()
    except Exception:  # whatever the user's step raises; the audit says so elsewhere
        return []
    finally:
        for hook in hooks:
            hook.remove()
    return [*_random(model, partition, trials), *_by_batch(model, partition, trials)]


def _candidates(model: nn.Module, partition: Partition) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for root in partition.frozen_modules:
        for name, module in model.get_submodule(root).named_modules(prefix=root):
            if type(module).forward not in _INDIFFERENT:
                found[name] = module
    return found


@dataclass
class _Trials:
    """What came of trying modules in the middle of a step."""

    random: list[str] = field(default_factory=list)
    by_batch: list[str] = field(default_factory=list)
    spread: float = 0.0
    _done: set[str] = field(default_factory=set)
    _trying: bool = False

    def of(self, name: str) -> Callable[..., None]:
        """A hook that tries the module at its first call in training mode."""

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if self._trying or name in self._done or not module.training:
                return
            self._trying = True
            try:
                self._try(name, _Trial(module, args, kwargs))
            finally:
                self._trying = False
                self._done.add(name)

        return hook

    def _try(self, name: str, trial: _Trial) -> None:
        try:
            if trial.is_random():
                self.random.append(name)
            elif spread := trial.spread_by_neighbours():
                self.by_batch.append(name)
                self.spread = max(self.spread, spread)
        except Exception:  # a module that cannot be run by itself tells nothing
            return


class _Trial:
    """One module on the input that it is about to get, with only its own flag in training mode."""

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

    def _run(self, seed: int, *, training: bool, given: Any = None) -> Any:
        args, kwargs = self._input if given is None else given
        with (
            _modes(self._module, training=training),
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


def _random(model: nn.Module, partition: Partition, trials: _Trials) -> list[Finding]:
    if not trials.random:
        return []
    return [
        Finding(
            rule="dropout-active",
            severity=RULES["dropout-active"].severity,
            where=trials.random,
            what=f"{_named(trials.random)} inside the frozen part gave two answers to one input",
            why="it is in training mode, and requires_grad has no say in that",
            mend=_eval(model, partition, trials.random),
            decided_by="run twice on the same input with different random numbers the outputs "
            "differ; in eval mode they are equal to the bit",
        )
    ]


def _by_batch(model: nn.Module, partition: Partition, trials: _Trials) -> list[Finding]:
    if not trials.by_batch:
        return []
    return [
        Finding(
            rule="batch-statistics",
            severity=RULES["batch-statistics"].severity,
            where=trials.by_batch,
            what=f"what {_named(trials.by_batch)} inside the frozen part makes of a sample depends "
            f"on the rest of its batch (by {trials.spread:.2g} of the largest value)",
            why="it is in training mode and normalises by the batch, although its running "
            "statistics stand still",
            mend=_eval(model, partition, trials.by_batch),
            decided_by="with its neighbours exchanged a sample's output changed; in eval mode it "
            "did not",
            figures={"relative_change": trials.spread},
        )
    ]


def _named(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _eval(model: nn.Module, partition: Partition, names: list[str]) -> str:
    """A line that puts the frozen modules into eval mode that these are in."""
    after = "  # after every model.train()"
    roots = [
        root
        for root in partition.frozen_modules
        if any(f"{name}.".startswith(f"{root}.") for name in names)
    ]
    if len(roots) == 1:
        return f"{expression(model, roots[0])}.eval(){after}"
    if len(roots) <= 3:
        parts = ", ".join(expression(model, root) for root in roots)
        return f"for part in ({parts}): part.eval(){after}"
    return f"for name in {roots!r}: model.get_submodule(name).eval(){after}"
