"""A living training that can be begun again: what its steps change is kept and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.audit.intent import intent
from bench.audit.kept import frozen_places
from bench.audit.reach import keep_reached
from bench.audit.state import Snapshot, random_state
from bench.measure.stillness import Place, how_to_keep
from bench.measure.unwrapped import unwrapped
from strategies.boundary import tensors_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from bench.audit.subject import Subject
    from bench.records import KeptBy


class Rewound:
    """The world of one living subject.

    Args:
        subject: as it is now, which is its beginning.
        free_bytes: of memory; asked of the system if not given. Where copies of the model, its
            gradients and the optimizers' state don't fit, those of the frozen tensors are left
            out: a frozen tensor that moves then stays moved.

    Attributes:
        kept_by: `hash` where the frozen tensors can't be put back.

    Raises:
        AuditError: the subject can't be audited.
    """

    def __init__(self, subject: Subject, free_bytes: int | None = None) -> None:
        self._subject = subject
        meant = intent(subject)
        model = unwrapped(subject.model)
        frozen = frozen_places(model, meant.partition)
        self.kept_by: KeptBy = how_to_keep(_copied(subject, model, frozen), free_bytes)
        without = {id(tensor) for tensor in frozen.values()} if self.kept_by == "hash" else set()
        self._random = random_state()
        self._snapshot = Snapshot(without)
        self._snapshot.keep(subject.model)
        self._snapshot.keep(list(subject.optimizers))
        self._snapshot.keep(list(subject.stateful))
        keep_reached(self._snapshot, subject.step)
        self._fresh = True

    def begin(self) -> Subject:
        """The subject, put back to its beginning."""
        self._random()
        if not self._fresh:
            self._snapshot.restore()
        self._fresh = False
        return self._subject

    def end(self) -> None:
        """Put everything back, random state included."""
        self._random()
        self._snapshot.restore()

    def copy_of(self, tensor: Tensor) -> Tensor | None:
        """The value that `tensor` had at the beginning; `None` if it was not copied."""
        return self._snapshot.copies.get(id(tensor))


def _copied(
    subject: Subject, model: nn.Module, frozen: Mapping[Place, Tensor]
) -> Mapping[Place, Tensor]:
    """What is copied on the device of the frozen tensors: `frozen` first, then all else, once."""
    tensors = [*model.parameters(), *model.buffers()]
    for optimizer in subject.optimizers:
        state = getattr(optimizer, "state", None)
        if isinstance(state, dict):
            tensors += tensors_in(list(state.values()))
    tensors += [tensor.grad for tensor in tensors if tensor.is_leaf and tensor.grad is not None]
    there = {id(tensor) for tensor in frozen.values()}
    more = {id(tensor): tensor for tensor in tensors if id(tensor) not in there}
    devices = {tensor.device for tensor in frozen.values()}
    return dict(frozen) | {
        Place(str(number), "parameter"): tensor
        for number, tensor in enumerate(more.values())
        if not devices or tensor.device in devices
    }
