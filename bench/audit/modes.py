"""Frozen modules that answer otherwise in training mode: at random, or by the batch.

A module is tried on its own input, at the moment the user's step calls it, and everything that
this moves is put back before the step goes on.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

from bench.audit.active_calls import ActiveCalls
from bench.audit.eager import eager
from bench.audit.pasteable import expression
from bench.audit.raised import NotRunAgainError, told
from bench.audit.trial import Trial
from bench.measure.unwrapped import unwrapped
from bench.records import Finding
from bench.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

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

RULES_OF_MODES = ("dropout-active", "batch-statistics")


def mode_findings(world: World, partition: Partition) -> list[Finding]:
    """Findings `dropout-active` and `batch-statistics`, decided by running the modules.

    A module answers at random if two runs on one input with different random numbers differ. It
    normalises by the batch if what it makes of the first sample depends on the others, while its
    buffers stand still (where they move, that is found as such). Either is a finding if it is not
    so in eval mode. If it is, only dropout and a BatchNorm without running statistics are: others
    sample, or look at the whole batch, because that is what they are for.

    Args:
        world: is begun once, for one step, and once more where something calls dropout or a
            BatchNorm without statistics; not at all where no frozen module can tell its mode.
        partition: of its model.

    Raises:
        NotRunAgainError: the step raised.
    """
    trials = _Trials()
    calls = _step_with(world, partition, trials.by_mode)
    if calls is None:
        return []
    dropping = [name for name in calls.dropout if name not in trials.random]
    unkept = [name for name in calls.by_batch if name not in trials.by_batch]
    if dropping or unkept:
        _step_with(world, partition, trials.in_eval_mode(dropping, unkept))
    model = unwrapped(world.begin().model)
    return [
        *_random(model, partition, trials),
        *_dropping(trials),
        *_by_batch(model, partition, trials),
        *_without_statistics(trials),
    ]


def _step_with(
    world: World, partition: Partition, trial_of: Callable[[str], Callable[..., None] | None]
) -> ActiveCalls | None:
    """One step from the beginning in which modules are tried; `None` if there is none to try."""
    subject = world.begin()
    modules = _candidates(unwrapped(subject.model), partition)
    if not modules:
        return None
    calls = ActiveCalls(modules)
    try:
        with eager(), calls.noted(), ExitStack() as hooks:  # compiled code would not call hooks
            # Behind those of `calls`, which then know whose trial it is.
            for name, module in modules.items():
                if (trial := trial_of(name)) is not None:
                    hook = module.register_forward_pre_hook(trial, with_kwargs=True)
                    hooks.callback(hook.remove)
            subject.step()
    except (Exception, SystemExit) as error:  # whatever the user's step raises
        raise NotRunAgainError(f"it raised {told(error)}") from error
    return calls


def _candidates(model: nn.Module, partition: Partition) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for root in partition.frozen_modules:
        for name, module in model.get_submodule(root).named_modules(prefix=root):
            if type(module).forward not in _INDIFFERENT:
                found[name] = module
    return found


@dataclass
class _Trials:
    """What came of trying modules in the middle of a step, by name.

    Attributes:
        random: at random in training mode and not in eval mode.
        dropping: at random in eval mode, and not without dropout.
        by_batch: by the batch in training mode and not in eval mode.
        without_statistics: by the batch in eval mode.
        spread: the most that neighbours changed, relative.
    """

    random: list[str] = field(default_factory=list)
    dropping: list[str] = field(default_factory=list)
    by_batch: list[str] = field(default_factory=list)
    without_statistics: list[str] = field(default_factory=list)
    spread: float = 0.0
    _trying: bool = False

    def by_mode(self, name: str) -> Callable[..., None]:
        """A hook that tries the module at its first call in training mode."""

        def judge(trial: Trial) -> None:
            if trial.is_random():
                self.random.append(name)
            elif spread := trial.spread_by_neighbours():
                self.by_batch.append(name)
                self.spread = max(self.spread, spread)

        return self._hook(judge, when=lambda module: module.training)

    def in_eval_mode(
        self, dropping: list[str], unkept: list[str]
    ) -> Callable[[str], Callable[..., None] | None]:
        """Hooks that try those modules at their first call, in eval mode."""

        def judge_as(name: str) -> Callable[..., None] | None:
            def judge(trial: Trial) -> None:
                if name in dropping and trial.is_random_by_dropout():
                    self.dropping.append(name)
                if name in unkept and (spread := trial.spread_in_eval_mode()):
                    self.without_statistics.append(name)
                    self.spread = max(self.spread, spread)

            wanted = name in dropping or name in unkept
            return self._hook(judge, when=lambda _: True) if wanted else None

        return judge_as

    def _hook(
        self, judge: Callable[[Trial], None], when: Callable[[nn.Module], bool]
    ) -> Callable[..., None]:
        done = False

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            nonlocal done
            if self._trying or done or not when(module):
                return
            self._trying = done = True
            # A module that cannot be run by itself tells nothing.
            with suppress(Exception):
                judge(Trial(module, args, kwargs))
            self._trying = False

        return hook


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


def _dropping(trials: _Trials) -> list[Finding]:
    if not trials.dropping:
        return []
    return [
        Finding(
            rule="dropout-active",
            severity=RULES["dropout-active"].severity,
            where=trials.dropping,
            what=f"{_named(trials.dropping)} inside the frozen part gave two answers to one input",
            why="it calls dropout without its mode, so eval() does not switch that off",
            mend="functional.dropout(x, p, training=self.training)  # in its forward",
            decided_by="run twice in eval mode on the same input with different random numbers the "
            "outputs differ; without dropout they are equal to the bit",
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


def _without_statistics(trials: _Trials) -> list[Finding]:
    names = trials.without_statistics
    if not names:
        return []
    return [
        Finding(
            rule="batch-statistics",
            severity=RULES["batch-statistics"].severity,
            where=names,
            what=f"what {_named(names)} inside the frozen part makes of a sample depends on the "
            f"rest of its batch (by {trials.spread:.2g} of the largest value)",
            why="it was made without running statistics, so it normalises by the batch in eval "
            "mode as well",
            mend="nn.GroupNorm(groups, channels)  # in its place, or track_running_stats=True from "
            "the start of its training",
            decided_by="with its neighbours exchanged a sample's output changed, in eval mode too",
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
