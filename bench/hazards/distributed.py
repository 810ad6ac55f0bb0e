"""Wrappers that share a model among processes, and decide about it when they wrap it.

Run by `bench.hazards.ranks` in two processes at once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from bench.hazards.judgement import affected, immune, over, stopped
from bench.hazards.leftovers import again
from bench.hazards.loop import Loop, StoppedError
from bench.hazards.models import in_front, linear, with_head
from bench.hazards.scenario import Scenario
from bench.hazards.wrappers import THEME
from bench.records import Outcome

if TYPE_CHECKING:
    from torch import Tensor, nn

    from strategies import Strategy


class DdpFlags(Scenario):
    """DDP: frozen after the wrap, or parameters without gradient.

    DistributedDataParallel decides once, when it wraps the model, whose gradients it waits for.
    If the freeze comes later, or a parameter gets no gradient, it waits for what never comes: an
    error in the second step, or processes that drift apart.
    """

    name = "ddp-flags"
    theme = THEME
    mend = "freeze first, then wrap, with find_unused_parameters=True where flags stay on"
    sources = (
        "https://github.com/pytorch/pytorch/issues/22049",
        "https://docs.pytorch.org/docs/stable/generated/"
        "torch.nn.parallel.DistributedDataParallel.html",
    )
    needs_processes: ClassVar[int] = 2

    def exempt(self, strategy: Strategy) -> str | None:
        """As of any hazard, where it can run at all."""
        return super().exempt(strategy) or _without_gloo()

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """Wrapped, then frozen; or frozen, then wrapped. Each process has batches of its own."""
        loop = Loop(in_front(), strategy)
        own = dist.get_rank()
        loop.batches = [(x + own, y - own) for x, y in loop.batches]
        if mended:
            loop.wrap = partial(DistributedDataParallel, find_unused_parameters=True)
        else:
            loop.wrapped = DistributedDataParallel(loop.model)
        loop.freeze()
        loop.run(3)
        apart = _apart(loop.trainable())
        if apart:
            return affected(
                apart,
                "largest difference",
                f"After 3 steps the processes' trainable weights are up to {apart:.2g} apart: "
                "their gradients were not averaged.",
            )
        return immune("After 3 steps the processes have the same trainable weights to the bit.")


class FsdpMixed(Scenario):
    """FSDP: frozen and trainable in one flat parameter.

    Fully sharded parameters were one flat tensor, with one flag for all that is in it. Without
    `use_orig_params` a unit that is frozen in part is refused; with it, the freeze is by views.
    """

    name = "fsdp-mixed"
    theme = THEME
    mend = "wrap frozen and trainable modules in units of their own, with use_orig_params=True"
    sources = (
        "https://github.com/pytorch/pytorch/issues/104690",
        "https://github.com/pytorch/pytorch/issues/91167",
        "https://docs.pytorch.org/docs/stable/fsdp.html",
    )
    needs_processes: ClassVar[int] = 2

    def exempt(self, strategy: Strategy) -> str | None:
        """As of any hazard, where it can run at all."""
        return super().exempt(strategy) or _without_gloo()

    def run(self, strategy: Strategy, *, mended: bool) -> Outcome:
        """One unit around both parts, each way of holding parameters; or a unit for each part."""

        def of(*, views: bool) -> Outcome:
            try:
                return _sharded(again(strategy), views=views, units=mended)
            except StoppedError as error:
                return stopped(error)

        if mended:
            return of(views=True)
        return over(
            {
                "use_orig_params=False": lambda: of(views=False),
                "use_orig_params=True": lambda: of(views=True),
            }
        )


def _without_gloo() -> str | None:
    """Why these can't run here; `None` if they can."""
    if dist.is_available() and dist.is_gloo_available():
        return None
    return "this torch is built without gloo, the processes' way of talking on a CPU"


def _sharded(strategy: Strategy, *, views: bool, units: bool) -> Outcome:
    """Prepare, shard, give the optimizer what the strategy gives it then; train two steps.

    The whole weights of before and after are compared. FSDP refuses a machine without an
    accelerator unless it is told that the CPU is its device.
    """
    from torch.distributed.fsdp import FullyShardedDataParallel  # noqa: PLC0415  needs gloo

    loop = Loop(with_head(linear()), strategy)
    before = {name: tensor.clone() for name, tensor in loop.model.state_dict().items()}
    wrap: dict[str, Any] = {"use_orig_params": views, "device_id": torch.device("cpu")}

    def sharded(model: nn.Module) -> nn.Module:
        if units:
            for name, child in list(model.named_children()):
                model.set_submodule(name, FullyShardedDataParallel(child, **wrap))
        return FullyShardedDataParallel(model, **wrap)

    loop.wrap = sharded
    loop.freeze()
    loop.run(2)
    with FullyShardedDataParallel.summon_full_params(loop.wrapped):
        after = {
            name.replace("_fsdp_wrapped_module.", ""): tensor.detach().clone()
            for name, tensor in [*loop.wrapped.named_parameters(), *loop.wrapped.named_buffers()]
        }
    body = [name for name in before if name.startswith("body")]
    far = max(float((after[name] - before[name]).abs().max()) for name in body)
    if far:
        return Outcome("moves", f"The frozen part moved by up to {far:.2g}.", far, "largest change")
    return immune("The frozen part is the same to the bit in all processes.")


def _apart(tensors: list[Tensor]) -> float:
    """The largest difference of an element between this process's tensors and another's."""
    far = 0.0
    for tensor in tensors:
        mine = tensor.detach().contiguous()
        others = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(others, mine)
        far = max(far, *(float((other - others[0]).abs().max()) for other in others))
    return far


SCENARIOS = (DdpFlags, FsdpMixed)
