"""What was seen beside a frozen tensor that moved, and the rule that this points to.

A watch cannot run a step again with one thing removed, as an audit does: it names what it sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.spectral_norm import SpectralNorm

from bench.watch.holders import rate_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor, nn

    from bench.measure.stillness import Place
    from bench.watch.beginning import Beginning
    from bench.watch.holders import Holders

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Evidence:
    """Where to look: the model as it is at a check, and as it was at the beginning."""

    model: nn.Module
    beginning: Beginning
    holders: Holders

    def rules(self, moved: Iterable[Place], now: Mapping[Place, Tensor]) -> dict[Place, str]:
        """The rule of each tensor that moved."""
        places = list(moved)
        names = {place.name for place in places}
        found: dict[Place, str] = {}
        for place in places:
            if place.kind == "parameter":
                found[place] = self._of_parameter(place.name, now[place])
            elif place.kind == "buffer":
                found[place] = self._of_buffer(place.name, names)
        for place in places:
            if place.kind == "effective weight":
                found[place] = self._of_effective(place.name, found)
        return found

    def _of_parameter(self, name: str, now: Tensor) -> str:
        """The first sign that is there, the more telling before the less."""
        return next(rule for rule, there in self._signs(name, now) if there)

    def _signs(self, name: str, now: Tensor) -> Iterator[tuple[str, bool]]:
        grad, group = now.grad, self.holders.group_of(now)
        rate = None if group is None else rate_of(group)
        # A warm-up, which begins at 0 for all of them, is no freeze.
        held_still = self.holders.first_rate(now) == 0 and not self.holders.all_began_at_zero()
        taught = now.requires_grad and group is not None
        yield "parameter-replaced", self.beginning.replaced(name, now)
        yield "flag-re-enabled", now.requires_grad and not self.beginning.flags[name]
        yield "zero-times-inf", rate == 0 and not _finite(now)
        yield "rprop-floor", held_still and rate == 0
        yield "lr-revived", held_still
        yield "zeroed-not-none", grad is not None and not bool(grad.count_nonzero())
        yield "stale-gradient", grad is not None and not now.requires_grad
        yield "tied-weights", taught and self._is_tied_to_unmatched(now)
        yield "no-op-freeze", taught
        yield "frozen-moved", True

    def _is_tied_to_unmatched(self, now: Tensor) -> bool:
        return any(not self.beginning.replaced(name, now) for name in self.beginning.unmatched)

    def _of_buffer(self, name: str, moved: set[str]) -> str:
        owner, _, leaf = name.rpartition(".")
        module = self.model.get_submodule(owner)
        if _is_spectral(module):
            return "spectral-norm"
        if leaf not in _STATISTICS or not hasattr(module, "running_mean"):
            return "frozen-moved"
        inside = f"{owner}." if owner else ""
        if not self.beginning.modes.get(owner, True):  # it was held in eval mode
            ran = module.training or f"{inside}{_COUNTER}" in moved
            return "train-undoes-eval" if ran else "frozen-moved"
        only = all(f"{inside}{other}" not in moved for other in _STATISTICS if other != _COUNTER)
        return "bn-counter" if only else "bn-statistics"

    def _of_effective(self, name: str, found: Mapping[Place, str]) -> str:
        """That of the parameters or buffers which it is made of."""
        owner, _, leaf = name.rpartition(".")
        inside = f"{owner}.parametrizations.{leaf}." if owner else f"parametrizations.{leaf}."
        made_of = [rule for place, rule in found.items() if place.name.startswith(inside)]
        return made_of[0] if made_of else "frozen-moved"


def _is_spectral(module: nn.Module) -> bool:
    """A spectral norm in its present form or, as a hook before the forward pass, in its old one."""
    if isinstance(module, parametrizations._SpectralNorm):
        return True
    if parametrize.is_parametrized(module):
        return False
    hooks = module._forward_pre_hooks.values()
    return any(isinstance(hook, SpectralNorm) for hook in hooks)


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.detach().isfinite().all())
