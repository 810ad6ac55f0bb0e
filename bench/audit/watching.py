"""The steps of a training, run while somebody looks on."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bench.audit.backwards import around_backward
from bench.audit.gradients import likeness, sizes
from bench.audit.kept import still, tensors_at
from bench.audit.observation import Observation, Trained
from bench.audit.updates import around_updates, groups_of, members, rate
from bench.measure.stillness import Place
from bench.measure.unwrapped import unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from bench.audit.intent import Intent
    from bench.audit.kept import CopyOf
    from bench.audit.subject import Subject
    from bench.measure.stillness import Stillness
    from bench.records import Moved


def watch_steps(
    subject: Subject,
    meant: Intent,
    kept: Stillness,
    steps: int,
    *,
    copy_of: CopyOf | None = None,
    patience: int = 0,
    told: Callable[[str], None] = lambda _: None,
) -> Observation:
    """Run `steps` steps of `subject` and say what was seen; what a step raises ends them.

    Args:
        subject: at its beginning.
        meant: what it means to freeze.
        kept: the frozen tensors at the beginning.
        steps: how many.
        copy_of: gives copies of tensors that somebody has already.
        patience: further steps to run as long as gradients wait for an update: accumulation.
        told: is called with a few words before each step.
    """
    looking = _Looking(subject, meant, kept, copy_of)
    seen = looking.seen
    with ExitStack() as stack:
        stack.enter_context(around_backward(before=looking.at_backward))
        stack.enter_context(around_updates(subject.optimizers, before=looking.at_update))
        looking.listen(stack)
        number = 0
        while number < steps or (number < steps + patience and looking.waits()):
            number += 1
            told(f"step {number} of {max(number, steps)}")
            looking.number = number
            try:
                subject.step()
            except (Exception, SystemExit) as error:
                seen.raised = error
            else:
                seen.steps = number
            looking.after_step()
            if seen.raised is not None:
                break
    return seen


class _Looking:
    """What one run is seen through."""

    def __init__(
        self, subject: Subject, meant: Intent, kept: Stillness, copy_of: CopyOf | None
    ) -> None:
        self.seen = Observation()
        self.number = 0
        self._subject = subject
        self._model = unwrapped(subject.model)
        self._kept = kept
        named = dict(self._model.named_parameters(remove_duplicate=False))
        self._frozen = {name: named[name] for name in meant.partition.frozen}
        first = {id(named[name]): name for name in reversed(meant.partition.trainable)}
        self._now = {name: named[name] for name in meant.partition.trainable}
        self._now = {n: p for n, p in self._now.items() if first[id(p)] == n}
        places = {Place(name, "parameter"): tensor for name, tensor in self._now.items()}
        self._unmoved = still(places, copy_of=copy_of)
        self._waiting = set(places)
        self.seen.trained = {
            n: Trained(dtype=t.dtype, dims=t.dim(), flag=t.requires_grad)
            for n, t in self._now.items()
        }
        self._first_gradients = {
            name: (gradient, gradient._version)
            for name, tensor in self._now.items()
            if (gradient := tensor.grad) is not None
        }
        self._blown = {n for n, size in sizes(self._now).items() if not math.isfinite(size)}
        self._versions = {name: tensor._version for name, tensor in self._now.items()}
        self._heard: set[str] = set()  # backward has come to these since their last update
        self._note_listed()

    def listen(self, stack: ExitStack) -> None:
        """Hear of each gradient that backward brings."""
        for name, tensor in self._now.items():
            if tensor.requires_grad and tensor.is_leaf:
                handle = tensor.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                    self._arrival(name)
                )
                stack.callback(handle.remove)

    def _arrival(self, name: str) -> Callable[[Tensor], None]:
        trained = self.seen.trained[name]

        def arrived(tensor: Tensor) -> None:
            # Also called where a function of the user's returned None for a gradient. Where there
            # is none because a hook has used it up, the hook has written to the parameter.
            if tensor.grad is None and tensor._version == self._versions[name]:
                return
            trained.arrived = True
            self._heard.add(name)
            if not trained.moved:
                trained.brought = likeness(tensor.grad) in ("finite", "non-finite")

        return arrived

    def waits(self) -> bool:
        """Whether gradients have come that no optimizer was given yet."""
        return any(t.arrived and t.listed and not t.offered for t in self.seen.trained.values())

    def at_backward(self, _: Any) -> None:
        self.seen.backward += 1

    def at_update(self, optimizer: Any) -> None:
        """Note what the optimizer is about to be given."""
        rates = {id(parameter): rate(group) for parameter, group in members(optimizer)}
        own: dict[str, Tensor] = {n: t for n, t in self._now.items() if id(t) in rates}
        if own or any(id(tensor) in rates for tensor in self._frozen.values()):
            self.seen.first_update = self.seen.first_update or self.number
            self._note_offered(own, optimizer)
        self._note_gradients(own, rates)
        gradients = {
            name: tensor.grad for name, tensor in self._frozen.items() if tensor.grad is not None
        }
        unknown = {n: g for n, g in gradients.items() if n not in self.seen.with_gradient}
        self.seen.with_gradient |= {name for name, size in sizes(unknown).items() if size != 0}

    def _note_offered(self, own: dict[str, Tensor], optimizer: Any) -> None:
        groups = {id(parameter): group for parameter, group in members(optimizer)}
        for name, tensor in own.items():
            trained, group = self.seen.trained[name], groups[id(tensor)]
            trained.offered = trained.listed = True
            trained.rate = rate(group)
            trained.warming = bool(group.get("initial_lr"))

    def _note_gradients(self, own: dict[str, Tensor], rates: dict[int, float | None]) -> None:
        gradients = {n: tensor.grad for n, tensor in own.items() if tensor.grad is not None}
        found = sizes(gradients)
        for name in own:
            trained = self.seen.trained[name]
            trained.dropped |= trained.brought and not found.get(name)
            trained.brought = False
        for name, size in found.items():
            trained = self.seen.trained[name]
            if not math.isfinite(size):
                if name not in self._blown:
                    trained.non_finite = trained.non_finite or self.number
                continue
            if size and not self._is_first_gradient(name, gradients[name]):
                trained.arrived = True
            lr = rates[id(own[name])]
            if not size and lr != 0 and name in self._heard:
                trained.zeros += 1
            if size and (lr is None or lr > 0):
                trained.applied.append(self.number)
                trained.largest = max(trained.largest, size)
                self.seen.largest_gradient = max(self.seen.largest_gradient, size)
        self._heard -= own.keys()

    def _is_first_gradient(self, name: str, gradient: Tensor) -> bool:
        first = self._first_gradients.get(name)
        return first is not None and first[0] is gradient and first[1] == gradient._version

    def after_step(self) -> None:
        """Compare with the beginning."""
        self._note_replaced()
        self._note_listed()
        self._note_moved_frozen()
        now = {Place(name, "parameter"): tensor for name, tensor in self._now.items()}
        for place in list(self._waiting):
            if self._unmoved.differs(place, now[place]):
                self.seen.trained[place.name].moved = True
                self._waiting.discard(place)
        loose = {n: t for n, t in self._now.items() if self.seen.trained[n].non_finite is None}
        for name, size in sizes(loose).items():
            if not math.isfinite(size) and name not in self._blown:
                self.seen.trained[name].non_finite = self.number
        for name, tensor in self._now.items():
            self._versions[name] = tensor._version
            trained = self.seen.trained[name]
            if not trained.arrived and tensor.grad is not None and not trained.listed:
                trained.arrived = not self._is_first_gradient(name, tensor.grad)

    def _note_replaced(self) -> None:
        named = dict(self._model.named_parameters(remove_duplicate=False))
        for name, before in self._frozen.items():
            if named.get(name) is not before:
                self.seen.replaced.setdefault(name, self.number)
        self._note_gone({id(parameter) for parameter in named.values()})
        for name, before in self._now.items():
            now = named.get(name)
            if now is not before:
                self.seen.trained[name].replaced = self.seen.trained[name].replaced or self.number
                if now is not None:
                    self._now[name] = now

    def _note_gone(self, there: set[int]) -> None:
        """A name is gone if nothing is found under it, and its tensor under no other name."""
        found = tensors_at(self._model, [Place(name, "parameter") for name in self._frozen])
        for name, before in self._frozen.items():
            if Place(name, "parameter") in found or id(before) in there:
                self.seen.gone.pop(name, None)
            else:
                self.seen.gone.setdefault(name, self.number)

    def _note_listed(self) -> None:
        listed = {
            id(parameter)
            for optimizer in self._subject.optimizers
            for group in groups_of(optimizer)
            for parameter in group["params"]
        }
        for name, tensor in self._now.items():
            trained = self.seen.trained[name]
            trained.listed_now = id(tensor) in listed
            trained.listed |= trained.listed_now

    def _note_moved_frozen(self) -> None:
        now = tensors_at(self._model, self._kept.places)
        for moved in self._kept.moved(now):
            place = Place(moved.name, moved.kind)
            self.seen.since.setdefault(place, self.number)
            before = self.seen.moved.get(place)
            if before is None or _size(moved) >= _size(before):
                self.seen.moved[place] = moved


def _size(moved: Moved) -> float:
    return math.inf if moved.l2 is None else moved.l2
