"""What is known of a frozen tensor that moved, measured while it did so again."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from bench.audit.backwards import around_backward
from bench.audit.causes.memory import share_memory
from bench.audit.gradients import Likeness, likeness
from bench.audit.kept import tensors_at
from bench.audit.updates import around_updates, members, rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from bench.audit.intent import Intent
    from bench.audit.subject import Subject
    from bench.measure.stillness import Place, Stillness
    from bench.records import Moved

Phase = Literal["before backward", "backward", "before the update", "update", "after the update"]


@dataclass
class Evidence:
    """One frozen tensor that moved.

    Attributes:
        place: where.
        moved: by how much.
        since: the first step after which it differed.
        phase: of the step in which it first differed; `None` if it did not move again.
        optimizer: the type of the one in whose update it was, if it was in one.
        of_torch: that optimizer is one of torch's own.
        updates: whether an update of an optimizer that holds it ran before it differed.
        flag_before: its `requires_grad` at the beginning; `flag` at the last update before it
            differed, `flag_on` whether it was ever on.
        listed: an optimizer holds it.
        lr_before: its learning rate at the beginning; `lr` at the update; `lr_initial` the one
            that a scheduler began with.
        scheduled: a scheduler has written to its group.
        decay: its weight decay.
        gradient_before: at the beginning; `gradient` at the update.
        renewed: backward has changed the gradient since the update before.
        masked: every value of that gradient is 0 or not finite.
        replaced: another tensor is found under the name.
        shares: trainable names that hold some of its memory.
        training_before: of its module at the beginning; `training` at any later moment.
        owner: the module that holds it.
        alone: no other buffer of that module moved.
        twins: names of the same tensor that no pattern matches.
        plain: an attribute that was taken for its flag.
    """

    place: Place
    moved: Moved
    since: int
    phase: Phase | None = None
    optimizer: str = ""
    of_torch: bool = False
    updates: bool = False
    flag_before: bool = False
    flag: bool = False
    flag_on: bool = False
    listed: bool = False
    lr_before: float | None = None
    lr: float | None = None
    lr_initial: float | None = None
    scheduled: bool = False
    decay: float = 0.0
    gradient_before: Likeness = "none"
    gradient: Likeness = "none"
    renewed: bool = False
    masked: bool = False
    replaced: bool = False
    shares: tuple[str, ...] = ()
    training_before: bool = False
    training: bool = False
    owner: nn.Module | None = None
    alone: bool = False
    twins: tuple[str, ...] = ()
    plain: str = ""

    @property
    def twin(self) -> bool:
        """Whether another name of the tensor is not meant to be frozen."""
        return bool(self.twins)

    @property
    def lr_at_zero(self) -> bool:
        """Whether it was updated at a learning rate of 0."""
        return self.listed and self.lr == 0

    @property
    def is_parameter(self) -> bool:
        """Whether it is a parameter, rather than a buffer or a computed weight."""
        return self.place.kind == "parameter"


@contextmanager
def gathered(
    subject: Subject, model: nn.Module, kept: Stillness, meant: Intent, found: Sequence[Evidence]
) -> Iterator[None]:
    """Within the block, in which the steps run, `found` is filled in."""
    eye = _Eye(model, kept, meant, found)
    eye.at_beginning(subject)
    step = subject.step

    def watched() -> Any:
        eye.step_begins()
        result = step()
        eye.mark("after the update" if eye.updated else "before the update")
        return result

    subject.step = watched
    try:
        with ExitStack() as stack:
            eye.listen(stack)
            stack.enter_context(around_backward(eye.backward_begins, eye.backward_ends))
            stack.enter_context(
                around_updates(subject.optimizers, eye.update_begins, eye.update_ends)
            )
            yield
    finally:
        subject.step = step


class _Eye:
    def __init__(
        self, model: nn.Module, kept: Stillness, meant: Intent, found: Sequence[Evidence]
    ) -> None:
        self._model = model
        self._kept = kept
        self._meant = meant
        self._open = {evidence.place: evidence for evidence in found}
        self._begun: dict[Place, tuple[int, int] | None] = {}
        self._identity = {p: id(t) for p, t in tensors_at(model, list(self._open)).items()}
        self.updated = False
        self._within: list[str] = []  # optimizers whose update is running: one may call another

    def at_beginning(self, subject: Subject) -> None:
        """Flags, rates, gradients and modes before anything runs."""
        trainable = _named(self._model, self._meant.partition.trainable)
        groups = {
            id(parameter): group
            for optimizer in subject.optimizers
            for parameter, group in members(optimizer)
        }
        twins = _unmatched_twins(self._model, self._meant)
        for place, tensor in tensors_at(self._model, list(self._open)).items():
            one = self._open[place]
            one.owner = self._model.get_submodule(place.name.rpartition(".")[0])
            one.training_before = any(module.training for module in one.owner.modules())
            if not one.is_parameter:
                continue
            one.flag_before = one.flag_on = one.flag = tensor.requires_grad
            one.gradient_before = likeness(tensor.grad)
            one.twins = twins.get(id(tensor), ())
            one.plain = self._meant.plain.get(place.name, "")
            one.shares = tuple(n for n, other in trainable.items() if share_memory(tensor, other))
            group = groups.get(id(tensor))
            if group is not None:
                one.lr_before = rate(group)
                self._note_group(one, group)

    def listen(self, stack: ExitStack) -> None:
        """Hear of the mode that each module is run in, which may last for that moment only."""
        for one in self._open.values():
            if one.owner is not None:
                handle = one.owner.register_forward_pre_hook(self._run(one))
                stack.callback(handle.remove)

    def _run(self, one: Evidence) -> Callable[[nn.Module, Any], None]:
        def before_forward(module: nn.Module, _: Any) -> None:
            one.training |= module.training

        return before_forward

    def _note_group(self, one: Evidence, group: dict[str, Any]) -> None:
        one.listed = True
        one.scheduled = "initial_lr" in group
        one.decay = max(
            (abs(float(v)) for k, v in group.items() if "decay" in k and _is_number(v)), default=0.0
        )
        one.lr = rate(group)
        initial = group.get("initial_lr")
        one.lr_initial = None if initial is None else float(initial)

    def step_begins(self) -> None:
        self.updated = False
        self._within.clear()

    def backward_begins(self, _: Any) -> None:
        self.mark("before backward")
        self._begun = {place: _state(tensor) for place, tensor in self._parameters().items()}

    def backward_ends(self) -> None:
        for place, tensor in self._parameters().items():
            if _state(tensor) != self._begun.get(place):
                self._open[place].renewed = True
        self.mark("backward")

    def update_begins(self, optimizer: Any) -> None:
        self.mark("update" if self._within else "before the update", *self._within[:1])
        self._within.append(type(optimizer).__name__)
        of_torch = type(optimizer).__module__.startswith("torch.optim")
        groups = {id(parameter): group for parameter, group in members(optimizer)}
        for place, tensor in self._parameters().items():
            group = groups.get(id(tensor))
            if group is None:
                continue
            one = self._open[place]
            self._note_group(one, group)
            one.updates = True
            one.of_torch = of_torch and len(self._within) == 1
            one.flag = tensor.requires_grad
            one.gradient = likeness(tensor.grad)
            one.masked = tensor.grad is not None and _only_zeros_or_blown(tensor.grad)

    def update_ends(self, optimizer: Any) -> None:
        self.updated = True
        self.mark("update", *self._within[:1])
        self._within = self._within[:-1]
        if self._within:
            return
        given = {id(parameter) for parameter, _ in members(optimizer)}
        for place, tensor in self._parameters().items():
            if id(tensor) in given:
                self._open[place].renewed = False

    def mark(self, phase: Phase, optimizer: str = "") -> None:
        """A phase is over: what differs now has moved in it."""
        for place, tensor in tensors_at(self._model, list(self._open)).items():
            one = self._open[place]
            one.flag_on |= one.is_parameter and tensor.requires_grad
            if one.owner is not None:
                one.training |= any(module.training for module in one.owner.modules())
            one.replaced |= one.is_parameter and id(tensor) != self._identity[place]
            if self._kept.differs(place, tensor):
                one.phase, one.optimizer = phase, optimizer
                del self._open[place]

    def _parameters(self) -> dict[Place, Tensor]:
        return tensors_at(self._model, [p for p in self._open if p.kind == "parameter"])


def _named(model: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    wanted = set(names)
    named = model.named_parameters(remove_duplicate=False)
    return {name: parameter for name, parameter in named if name in wanted}


def _unmatched_twins(model: nn.Module, meant: Intent) -> dict[int, tuple[str, ...]]:
    """By tensor, those of its names that are frozen only because another one is."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    found = {}
    for tensor, tied in names.items():
        matched = [name in meant.matched for name in tied]
        if any(matched) and not all(matched):
            found[tensor] = tuple(name for name in tied if name not in meant.matched)
    return found


def _state(tensor: Tensor) -> tuple[int, int] | None:
    return None if tensor.grad is None else (id(tensor.grad), tensor.grad._version)


def _only_zeros_or_blown(gradient: Tensor) -> bool:
    if gradient.is_sparse:
        return False
    gradient = gradient.detach()
    return not bool((torch.isfinite(gradient) & (gradient != 0)).any())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
