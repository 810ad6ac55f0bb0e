"""A context manager around one's own training: at each look, frozen tensors are compared bitwise.

Where it looks: after every `every`-th step, from within torch's hook behind `Optimizer.step`, and
when the block ends. A step that a loss scaler skips is none.
"""

from __future__ import annotations

import contextlib
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from bench.measure.stillness import Place, Stillness, frozen_tensors, how_to_keep
from bench.measure.unwrapped import unwrapped
from bench.watch.arrivals import Arrivals
from bench.watch.beginning import Beginning
from bench.watch.causes import Evidence
from bench.watch.compiled import is_compiled
from bench.watch.cut import cut_findings
from bench.watch.errors import FrozenMoved, Severed, WatchRequestError
from bench.watch.forms import Forms
from bench.watch.holders import Holders
from bench.watch.moving import form_findings, gone_finding, moved_findings
from bench.watch.pace import Pace
from bench.watch.present import present
from bench.watch.request import refuse_what_cannot_be_watched, several
from bench.watch.telling import told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from bench.records import Finding, KeptBy, Moved
    from bench.watch.forms import Change

Keep = Literal["auto", "copy", "hash"]


def watch(
    model: nn.Module,
    frozen: str | Sequence[str] | None = None,
    *,
    every: int = 1,
    keep: Keep = "auto",
    optimizers: Any = None,
    severed: bool = True,
) -> Watch:
    """Watch a training; raise as soon as something frozen moves.

        with watch(model, frozen="backbone.*") as report:
            train()

    Args:
        model: what is trained; `DistributedDataParallel` and `torch.compile` around it are looked
            through, so names are those of the model inside.
        frozen: patterns on names of modules or parameters, as `Partition.of` takes them; `None`
            for the parameters whose `requires_grad` is off when the block begins.
        every: compare after each so many steps. A step is one call of `Optimizer.step`, of any
            optimizer that holds a parameter of the model; of several optimizers that take turns,
            the calls of one turn are one step.
        keep: a copy of the frozen tensors, or a hash of each; `auto` takes the copy where it
            leaves enough memory to train in.
        optimizers: one, or several, if their learning rates are to be known from the beginning.
            They are needed for nothing else. For an optimizer that is not torch's, call
            `report.step()` after each of its steps.
        severed: also raise when something trainable never got a gradient.

    Raises:
        WatchRequestError: the model cannot be watched in this way.
        FrozenMoved: inside the block, at the step after which it is seen, or when the block ends.
        Severed: when the block ends.
    """
    return Watch(model, frozen, every=every, keep=keep, optimizers=optimizers, severed=severed)


_NO_STEP = (
    "a watch saw no optimizer step, so it says nothing of a training: it hears of torch's "
    "optimizers that hold a parameter of the model; call report.step() after a step of another one"
)


class Watch:
    """What a watch sees; a context manager that can be entered once.

    Attributes:
        checks: how often the frozen tensors were compared.
        findings: what was seen, also what is only worth a warning.
        kept_by: whether frozen tensors were kept as copies or as hashes.
        frozen_bytes: of the frozen tensors.
        frozen_names: of the frozen tensors: parameters, buffers, effective weights.
        at_once: raise from within the step after which something is seen; otherwise the training
            runs on, and it is raised when the block ends.
    """

    def __init__(
        self,
        model: nn.Module,
        frozen: str | Sequence[str] | None,
        *,
        every: int,
        keep: Keep,
        optimizers: Any,
        severed: bool,
    ) -> None:
        refuse_what_cannot_be_watched(model, every, keep)
        self._model = unwrapped(model)
        self._compiled = is_compiled(model)
        self._patterns = (frozen,) if isinstance(frozen, str) else frozen
        self._keep = keep
        self._pace = Pace(every)
        self._severed = severed
        self._given = several(optimizers)
        self._entered = self._ended = False
        self._raised: FrozenMoved | None = None
        self._last_look = 0
        self._optimizers: set[int] = set()  # that hold the model
        self._round: set[int] = set()  # those of them that have stepped in this step
        self._close: Callable[[], object] = lambda: None
        self.at_once = True
        self.checks = 0
        self.findings: list[Finding] = []
        # Said now: a mistake in the patterns should not wait for the block.
        self._beginning = Beginning(self._model, self._patterns)
        self.kept_by: KeptBy = "copy"
        self.frozen_bytes = 0
        self.frozen_names: list[str] = []

    def __enter__(self) -> Self:
        if self._entered:
            raise WatchRequestError("a watch can be entered once; call watch(...) again")
        self._entered = True
        self._beginning = Beginning(self._model, self._patterns)
        tensors = frozen_tensors(self._model, self._beginning.partition)
        self._kept = Stillness(
            tensors, how_to_keep_all(tensors) if self._keep == "auto" else self._keep
        )
        self._forms = Forms(tensors)
        self.kept_by = self._kept.kept_by
        self.frozen_bytes = self._kept.bytes
        self.frozen_names = [place.name for place in tensors]
        self._holders = Holders(self._model.parameters(), self._given)
        self._arrivals = Arrivals(self._model, self._beginning.trainable, compiled=self._compiled)
        hook = self._pace.hook(_behind_step(weakref.ref(self)))
        handle = register_optimizer_step_post_hook(hook)
        # Also when a training ends without telling: a callback is not always told of an exception.
        self._close = weakref.finalize(self, _remove_all, handle, self._arrivals)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ended:
            return
        self._ended = True
        self._close()
        try:
            self._end(error)
        finally:
            self._kept = Stillness({})  # the report may live longer than the copies should

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            if error is not self._raised:
                self._note_on(error)
            return
        if not self.findings:
            self._look()
        moved = bool(self.findings)
        if self._severed and self.steps and self._raised is None:
            self._arrivals.strike_out()
            self.findings += cut_findings(self._model, self._arrivals, self.steps)
        worst = [finding for finding in self.findings if finding.severity == "error"]
        lesser = [told([finding]) for finding in self.findings if finding.severity != "error"]
        if worst:
            # Warnings go along, as one that is turned into an error would come in place of this.
            raised = FrozenMoved(worst) if moved else Severed(worst)
            for said in lesser:
                raised.add_note(said)
            raise raised
        if not self.steps:
            lesser.append(_NO_STEP)
        for said in lesser:
            warnings.warn(said, stacklevel=3)

    def __str__(self) -> str:
        size = f"{len(self.frozen_names)} frozen tensors ({self.frozen_bytes / 2**20:.3g} MiB)"
        head = f"{size}, kept by {self.kept_by}: {self.steps} steps, {self.checks} looks"
        return f"{head}, nothing found" if not self.findings else f"{head}\n\n{told(self.findings)}"

    @property
    def steps(self) -> int:
        """Optimizer steps so far."""
        return self._pace.steps

    def step(self) -> None:
        """Count a step of an optimizer that is not torch's; look if it is time to.

        Raises:
            FrozenMoved: something frozen has moved; when the block ends unless `at_once`.
        """
        self._arrivals.at_update()
        if self._pace.count() and not self.findings:
            self._look()
            if self.findings and self.at_once:
                self._close()  # now: not every caller comes back to the end of the block
                self._raised = FrozenMoved(self.findings)
                raise self._raised

    def close(self) -> None:
        """Take all hooks away, without a last look."""
        self._close()

    def behind_step(self, optimizer: Optimizer) -> None:
        """What torch's hook calls behind each step of any optimizer."""
        if not self._holders.holds(optimizer):
            return
        self._optimizers.add(id(optimizer))
        several = len(self._optimizers) > 1
        self._pace.only = 0 if several or not self._arrivals.settled else id(optimizer)
        if several and self._round and id(optimizer) not in self._round:
            self._round.add(id(optimizer))  # another one in the same step
            self._arrivals.at_update()
            return
        self._round = {id(optimizer)}
        self.step()

    def _look(self) -> None:
        """Compare all frozen tensors, and note what is found."""
        self.checks += 1
        now = present(self._model, self._kept.places)
        when = _when(self._last_look, self.steps)
        self._last_look = self.steps
        moved = self._kept.moved(now)
        if moved:
            changes = self._forms.changes(now)
            cast = [each for each in moved if self._only_changed_form(each, changes, now)]
            self.findings += form_findings(cast, changes, self.steps, when)
            self.findings += moved_findings(
                self._by_rule([each for each in moved if each not in cast], now),
                self._beginning.partition,
                self.kept_by,
                self.steps,
                when,
                changes,
            )
        gone = [place.name for place in self._kept.places if place not in now]
        if gone:
            self.findings.append(gone_finding(gone, self.steps, when))

    def _only_changed_form(
        self, moved: Moved, changes: Mapping[Place, Change], now: Mapping[Place, Tensor]
    ) -> bool:
        place = Place(moved.name, moved.kind)
        if place not in changes:
            return False
        return place.kind != "parameter" or not self._beginning.replaced(place.name, now[place])

    def _by_rule(
        self, moved: Sequence[Moved], now: Mapping[Place, Tensor]
    ) -> dict[str, list[Moved]]:
        evidence = Evidence(self._model, self._beginning, self._holders)
        places = {(place.name, place.kind): place for place in now}
        rules = evidence.rules([places[each.name, each.kind] for each in moved], now)
        by_rule: dict[str, list[Moved]] = {}
        for each in moved:
            by_rule.setdefault(rules[places[each.name, each.kind]], []).append(each)
        return by_rule

    def _note_on(self, error: BaseException) -> None:
        """The exception that ends the block is the block's own; what was seen goes along."""
        if not self.findings:
            with contextlib.suppress(Exception):  # a device that has failed can't be read
                self._look()
        if self.findings:
            error.add_note(f"While this was watched, too:\n{told(self.findings)}")


def how_to_keep_all(tensors: Mapping[Place, Tensor]) -> KeptBy:
    """`copy` where the copies fit on every device that they are on."""
    by_device: dict[torch.device, dict[Place, Tensor]] = {}
    for place, tensor in tensors.items():
        by_device.setdefault(tensor.device, {})[place] = tensor
    kept = {how_to_keep(there) for there in by_device.values()}
    return "hash" if "hash" in kept else "copy"


def _behind_step(watching: weakref.ref[Watch]) -> Callable[[Optimizer], None]:
    def behind_step(optimizer: Optimizer) -> None:
        now = watching()
        if now is not None and not torch.compiler.is_compiling():
            now.behind_step(optimizer)

    return behind_step


def _remove_all(handle: Any, arrivals: Arrivals) -> None:
    handle.remove()
    arrivals.remove()


def _when(last: int, now: int) -> str:
    if now == last:
        return f"after step {now}, outside of an update" if now else "before the first update"
    return f"in step {now}" if now == last + 1 else f"between steps {last + 1} and {now}"
