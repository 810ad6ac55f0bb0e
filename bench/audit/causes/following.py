"""Frozen copies that follow a trained part on purpose: momentum encoders and target networks."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from bench.audit.causes.experiment import names_of
from bench.audit.causes.words import by_how_much, finding, listed
from bench.audit.kept import tensors_at
from bench.measure.stillness import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    from bench.audit.causes.evidence import Evidence
    from bench.audit.causes.laboratory import Laboratory
    from bench.audit.subject import Subject
    from bench.records import Finding

_OFF_LINE = 0.05  # of the distance moved: a small share of a small difference is mostly rounding


def followers(lab: Laboratory, suspects: Sequence[Evidence]) -> dict[Place, str]:
    """Parameters that moved straight towards a trained one of the same kind, with its name.

    Looked for only where nobody said what is frozen: a target network has its flags off because
    no gradient moves it, not because it stands still.
    """
    outside = [one for one in suspects if one.is_parameter and one.phase != "update"]
    asked = {one.place: _alike(one.place.name, lab) for one in outside if not one.flag_on}
    asked = {place: names for place, names in asked.items() if names}
    if lab.meant.declared or not asked:
        return {}
    found: dict[Place, str] = {}

    @contextmanager
    def looking(subject: Subject, model: nn.Module) -> Iterator[None]:
        step = subject.step
        names = {Place(name, "parameter") for trained in asked.values() for name in trained}

        def watched() -> Any:
            before = _values(model, [*asked, *names])
            result = step()
            after = _values(model, [*asked, *names])
            for place, trained in asked.items():
                for name in trained:
                    towards = (before, after)
                    source = Place(name, "parameter")
                    if any(_towards(before[place], after[place], v[source]) for v in towards):
                        found.setdefault(place, name)
            return result

        subject.step = watched
        try:
            yield
        finally:
            subject.step = step

    lab.told("again, to see whether copies follow what is trained")
    lab.run(max(one.since for one in outside) + 1, looking)
    return found


def following_finding(suspects: Sequence[Evidence], sources: dict[Place, str]) -> Finding:
    """A notice: they move, as copies that follow something do."""
    names = names_of(suspects)
    moved = [one.moved for one in suspects]
    since = min(one.since for one in suspects)
    return finding(
        "inplace-data",
        names,
        f"{listed(names)} moved {by_how_much(moved)}, since step {since}, after "
        f"{listed(list(dict.fromkeys(sources.values())))}",
        "its flags are off and it follows what is trained, as a momentum encoder or a target "
        "network does",
        "# if it is to stand still, leave out that average; if not, say what is frozen by name",
        severity="notice",
        decided_by="each step takes it straight towards the trained one",
        moved=moved,
        since_step=since,
    )


def copy_of_module(follower: str, followed: str) -> str:
    """The module that is the copy: the name of a parameter in it, less what both names end in."""
    parts = follower.split(".")
    ends = zip(reversed(parts[1:]), reversed(followed.split(".")), strict=False)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    return ".".join(parts[: len(parts) - alike])


def _alike(name: str, lab: Laboratory) -> list[str]:
    """Trainable names that end as `name` does, below another module."""
    parts = name.split(".")
    for depth in range(1, len(parts)):
        end = "." + ".".join(parts[depth:])
        found = [other for other in lab.meant.partition.trainable if other.endswith(end)]
        if found:
            return found[:4]
    return []


def _values(model: nn.Module, places: Sequence[Place]) -> dict[Place, Tensor]:
    return {
        place: tensor.detach().double().clone()
        for place, tensor in tensors_at(model, places).items()
    }


def _towards(before: Tensor, after: Tensor, goal: Tensor) -> bool:
    """Whether `after` lies on the way from `before` to `goal`, and not where it was."""
    if before.shape != goal.shape or after.shape != before.shape:
        return False
    way, gone = goal - before, after - before
    length = float(way.square().sum())
    if not length or not bool(gone.any()):
        return False
    share = float((way * gone).sum()) / length
    off = float((gone - share * way).norm())
    return 0 < share <= 1 + 1e-6 and off <= _OFF_LINE * float(gone.norm())
