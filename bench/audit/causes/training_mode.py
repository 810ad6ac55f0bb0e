"""Buffers and computed weights that move because a frozen module is in training mode."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm

from bench.audit.causes.experiment import Experiment, Setting, names_of
from bench.audit.causes.words import modules_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.audit.causes.evidence import Evidence
    from bench.audit.intent import Intent

_STATISTICS = ("running_mean", "running_var")
_COUNTER = "num_batches_tracked"


class TrainingMode(Experiment):
    """The module answers differently in training mode, and keeps something of what it saw."""

    doing = "with the frozen modules held in eval mode"

    def rule(self, one: Evidence) -> str:
        """Which of the things that modules do in training mode it is."""
        if not one.training_before:
            return "train-undoes-eval"
        if one.place.kind == "effective weight" or (one.owner and _has_spectral_norm(one.owner)):
            return "spectral-norm"
        if one.place.name.endswith(_COUNTER) and one.alone:
            return "bn-counter"
        return "bn-statistics"

    def applies(self, one: Evidence) -> bool:
        """A buffer or computed weight whose module was in training mode."""
        return not one.is_parameter and (one.training_before or one.training)

    @contextmanager
    def removed(self, setting: Setting) -> Iterator[None]:
        """Hold the maximal frozen modules of the suspects in eval mode, through every `train()`.

        Nor are their statistics reset, as `update_bn` does before it renews them.
        """
        held = _held(setting)
        train, reset = nn.Module.train, _NormBase.reset_running_stats

        def kept_still(module: nn.Module, mode: bool = True) -> nn.Module:
            result = train(module, mode)
            if module in held:
                module.training = False
            return result

        def before_forward(module: nn.Module, _: Any) -> None:
            module.training = False

        def without_reset(module: _NormBase) -> None:
            if module not in held:
                reset(module)

        handles = [module.register_forward_pre_hook(before_forward) for module in held]
        nn.Module.train = kept_still  # type: ignore[method-assign, assignment]
        _NormBase.reset_running_stats = without_reset  # type: ignore[method-assign, assignment]
        try:
            for module in held:
                module.training = False
            yield
        finally:
            nn.Module.train = train  # type: ignore[method-assign]
            _NormBase.reset_running_stats = reset  # type: ignore[method-assign]
            for handle in handles:
                handle.remove()

    def why(self, suspects: Sequence[Evidence]) -> str:
        """What the modules do in training mode."""
        rule = self.rule(suspects[0])
        owner = type(suspects[0].owner).__name__ if suspects[0].owner is not None else "the module"
        if rule == "train-undoes-eval":
            return (
                "model.train() goes down into every child and puts the frozen part, which was in "
                f"eval mode, back into training mode, where {owner} updates its buffers"
            )
        if rule == "spectral-norm":
            return (
                "in training mode each forward pass runs a power iteration, which changes the "
                "norm that the weight is divided by, whatever requires_grad says"
            )
        if rule == "bn-counter":
            return (
                "in training mode each forward pass adds 1 to num_batches_tracked, also where "
                "momentum keeps the statistics still"
            )
        if any(one.place.name.endswith(_STATISTICS) for one in suspects):
            return (
                f"in training mode the forward pass of {owner} moves its running statistics; "
                "requires_grad and no_grad have no say in it"
            )
        return f"in training mode the forward pass of {owner} writes to its buffers"

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:
        """Eval mode, after each `train()`."""
        names = names_of(suspects)
        return f"{modules_code(names, meant.partition, 'eval()')}  # after every model.train()"


def _held(setting: Setting) -> set[nn.Module]:
    roots = setting.meant.partition.frozen_modules
    held: set[nn.Module] = set()
    for one in setting.suspects:
        name = one.place.name
        root = next((r for r in roots if name.startswith(f"{r}.")), name.rpartition(".")[0])
        held.update(setting.model.get_submodule(root).modules())
    return held


def _has_spectral_norm(owner: nn.Module) -> bool:
    if isinstance(owner, _SpectralNorm):
        return True
    return any(isinstance(hook, SpectralNorm) for hook in owner._forward_pre_hooks.values())
