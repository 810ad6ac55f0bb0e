"""A training that is audited although it is known what is the matter with it, if anything."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.audit_study import SEED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from bench.audit.subject import Subject


@dataclass(frozen=True)
class SetUp:
    """A training whose faults are known.

    Attributes:
        name: of the function that makes it, with hyphens.
        architecture: a name of `bench.audit_study.architectures`.
        about: the mistake, or what makes a clean one look like a mistake.
        build: makes model, optimizers and step; called with the random state of a seed.
        expected: rules, each of which names the cause rightly; none for a clean set-up.
        where: names that the finding must hold.
        also: further rules that are true of the set-up; a finding of any other is a false alarm.
    """

    name: str
    architecture: str
    about: str
    build: Callable[[], Subject]
    expected: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def make(self, seed: int = SEED) -> Subject:
        """A fresh subject, equal from call to call; the random state goes on from `seed`."""
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        return self.build()


def fault(
    architecture: str,
    *expected: str,
    where: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
) -> Callable[[Callable[[], Subject]], SetUp]:
    """Say of a function that what it makes has a fault: one of the `expected` rules names it."""
    return lambda build: _of(build, architecture, expected, where, also)


def clean(architecture: str, *true: str) -> Callable[[Callable[[], Subject]], SetUp]:
    """Say of a function that what it makes is right, but for the waste that `true` rules name."""
    return lambda build: _of(build, architecture, (), (), true)


def gathered(modules: Iterable[ModuleType]) -> tuple[SetUp, ...]:
    """The set-ups of these modules, in the order of their definition.

    Raises:
        ValueError: two have the same name.
    """
    found = [one for module in modules for one in vars(module).values() if isinstance(one, SetUp)]
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two set-ups have the name {twice[0]!r}")
    return tuple(found)


def _of(
    build: Callable[[], Subject],
    architecture: str,
    expected: tuple[str, ...],
    where: tuple[str, ...],
    also: tuple[str, ...],
) -> SetUp:
    return SetUp(
        name=build.__name__.replace("_", "-"),
        architecture=architecture,
        about=" ".join((build.__doc__ or "").split()),
        build=build,
        expected=expected,
        where=where,
        also=also,
    )
