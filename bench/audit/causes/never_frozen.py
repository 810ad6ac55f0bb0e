"""Parameters that are updated because they are not frozen, or not any more."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from bench.audit.causes.experiment import (
    Experiment,
    Setting,
    before_each_update,
    groups_changed,
    names_of,
    no_gradients_at_updates,
)
from bench.audit.causes.words import listed, parameters_code
from bench.audit.weights import partly_frozen
from strategies import find_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.audit.causes.evidence import Evidence
    from bench.audit.intent import Intent


@contextmanager
def _flags_off(setting: Setting) -> Iterator[None]:
    def hold(_: Any) -> None:
        for tensor in setting.parameters():
            tensor.grad = None
            if tensor.is_leaf:
                tensor.requires_grad_(False)

    hold(None)
    with before_each_update(setting, hold):
        yield


class WeightNormNames(Experiment):
    """One part of a computed weight is frozen, and another is trained."""

    doing = "with its trainable part held still"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "weight-norm-names"

    def applies(self, one: Evidence) -> bool:
        """A computed weight."""
        return one.place.kind == "effective weight"

    @contextmanager
    def removed(self, setting: Setting) -> Iterator[None]:
        """The trainable originals have no gradient at updates."""
        parts = partly_frozen(setting.model, setting.meant.partition.frozen)
        trained = [name for one in setting.suspects for name in parts.get(one.place, ())]

        def drop(_: Any) -> None:
            for name in trained:
                find_tensor(setting.model, name).grad = None

        with before_each_update(setting, drop):
            yield

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        return (
            "the weight is computed from several parameters, of which the names that were frozen "
            "are only some"
        )

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        owner = suspects[0].place.name.rpartition(".")[0]
        return f"model.get_submodule({owner!r}).requires_grad_(False)  # all parts of the weight"


class TiedWeights(Experiment):
    """It is the same tensor, or the same memory, as something trainable."""

    doing = "with the other name's gradient dropped before each update"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "tied-weights"

    def applies(self, one: Evidence) -> bool:
        """No pattern matches the name itself, or a trainable parameter has some of its memory."""
        return one.is_parameter and (one.twin or bool(one.shares))

    @contextmanager
    def removed(self, setting: Setting) -> Iterator[None]:
        """What shares its memory has no gradient at updates; nor has it, if it has two names."""
        twins = [one.place.name for one in setting.suspects if one.twin]
        others = [name for one in setting.suspects for name in one.shares]

        def drop(_: Any) -> None:
            for name in [*twins, *others]:
                find_tensor(setting.model, name).grad = None

        with before_each_update(setting, drop):
            yield

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        one = suspects[0]
        if one.shares:
            return f"it shares its memory with {listed(one.shares)}, which is trained"
        return f"one tensor has two names, and the other, {listed(one.twins)}, is not frozen"

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        one = suspects[0]
        owner, _, leaf = one.place.name.rpartition(".")
        module = f"model.get_submodule({owner!r})" if owner else "model"
        return (
            f"{module}.{leaf} = torch.nn.Parameter({module}.{leaf}.detach().clone(), "
            "requires_grad=False)  # a tensor of its own; or freeze both names"
        )


class FlagReEnabled(Experiment):
    """The flag was off, and something switched it on."""

    doing = "with requires_grad held off"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "flag-re-enabled"

    def applies(self, one: Evidence) -> bool:
        """Off at the beginning, and on later."""
        return one.is_parameter and not one.flag_before and one.flag_on

    def removed(self, setting: Setting) -> AbstractContextManager[Any]:
        """Flags off at the beginning and at each update."""
        return _flags_off(setting)

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        return "requires_grad was off at the beginning, and the step switched it on again"

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        names = parameters_code(names_of(suspects), meant.partition)
        return f"for p in {names}: p.requires_grad_(False)  # after whatever switches it on"


class LrRevived(Experiment):
    """A learning rate of 0 did not last."""

    doing = "with the learning rate of its group held at 0"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "lr-revived"

    def applies(self, one: Evidence) -> bool:
        """0 at the beginning, or where a scheduler began, and not at the update."""
        if not one.is_parameter or not one.listed or not one.lr:
            return False
        return one.lr_before == 0 or one.lr_initial == 0

    def removed(self, setting: Setting) -> AbstractContextManager[Any]:
        """Rates of 0 at updates."""
        return groups_changed(setting, lambda key: key == "lr", 0.0)

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        one = suspects[0]
        by = "a scheduler" if one.scheduled else "something"
        return f"{by} overwrote the learning rate of the frozen group: it was {one.lr:.2g}"

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        names = parameters_code(names_of(suspects), meant.partition)
        return f"for p in {names}: p.requires_grad_(False)  # rather than a learning rate of 0"


class RpropFloor(Experiment):
    """An optimizer whose steps have a smallest size."""

    doing = "with its gradient None before each update"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "rprop-floor"

    def applies(self, one: Evidence) -> bool:
        """It moved within an update at rate 0, with a finite gradient."""
        there = one.gradient in ("finite", "zero")
        return one.is_parameter and one.phase == "update" and one.lr_at_zero and there

    def removed(self, setting: Setting) -> AbstractContextManager[Any]:
        """No gradient at updates."""
        return no_gradients_at_updates(setting)

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        name = suspects[0].optimizer or "the optimizer"
        return f"{name} moves what has a gradient also at a learning rate of 0"

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        names = parameters_code(names_of(suspects), meant.partition)
        return f"for p in {names}: p.requires_grad_(False)  # rather than a learning rate of 0"


class NoOpFreeze(Experiment):
    """Nothing ever froze it."""

    doing = "with requires_grad off"

    def rule(self, one: Evidence) -> str:  # noqa: D102
        return "no-op-freeze"

    def applies(self, one: Evidence) -> bool:
        """It has a gradient from backward, and its flag was on from the beginning."""
        there = one.gradient in ("finite", "non-finite", "zero")
        return one.is_parameter and one.flag_before and there and one.renewed

    def removed(self, setting: Setting) -> AbstractContextManager[Any]:
        """Flags off from the beginning."""
        return _flags_off(setting)

    def why(self, suspects: Sequence[Evidence]) -> str:  # noqa: D102
        one = suspects[0]
        if one.plain:
            return f"'{one.plain} = False' sets a plain attribute, which nobody reads"
        return "requires_grad is on, backward brings a gradient, and the optimizer applies it"

    def mend(self, suspects: Sequence[Evidence], meant: Intent) -> str:  # noqa: D102
        names = parameters_code(names_of(suspects), meant.partition)
        if names.endswith(".parameters()"):
            return f"{names.removesuffix('.parameters()')}.requires_grad_(False)"
        return f"for p in {names}: p.requires_grad_(False)"
