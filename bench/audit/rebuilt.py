"""A training that a factory makes anew each time it is begun."""

from __future__ import annotations

import contextlib
import gc
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
import torch

from bench.audit.raised import told
from bench.audit.subject import AuditError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.audit.subject import Subject


@dataclass
class Made:
    """A subject, and what has to be closed when its use ends."""

    subject: Subject
    close: Callable[[], None] = lambda: None


class Rebuilt:
    """A `World` whose beginning is a new call of the user's factory under one random state.

    One subject is alive at a time, so the memory is that of one model: the last is let go before
    the next is made. Each beginning and the end are in the working folder of the first.

    Args:
        make: makes the subject; called at each beginning.
        seed: of Python, numpy and torch (of all devices), set before each call.
    """

    def __init__(self, make: Callable[[], Made], seed: int = 0) -> None:
        self._make = make
        self._seed = seed
        self._made: Made | None = None
        self._random: list[Any] | None = None
        self._folder = _working_folder()
        self._grad = torch.is_grad_enabled()

    def begin(self) -> Subject:
        """A new subject; the last must no longer be used."""
        if self._random is None:
            self._random = _random_state()
        self._let_go()
        self._return()
        torch.set_grad_enabled(True)
        random.seed(self._seed)
        np.random.seed(self._seed % 2**32)
        torch.manual_seed(self._seed)
        self._made = self._make()
        return self._made.subject

    def end(self) -> None:
        """Let the last subject go; put the random state and the working folder back.

        Raises:
            AuditError: what the factory opened raised when it was closed.
        """
        try:
            self._let_go()
        finally:
            self._return()
            torch.set_grad_enabled(self._grad)
            if self._random is not None:
                _put_back(self._random)
                self._random = None

    def _return(self) -> None:
        """The user's code may have gone elsewhere, and relative paths are meant from here."""
        if self._folder is not None:
            with contextlib.suppress(OSError):  # it may have removed the folder
                os.chdir(self._folder)

    def _let_go(self) -> None:
        if self._made is None:
            return
        made, self._made = self._made, None
        model = ref(made.subject.model)
        try:
            made.close()
        except Exception as error:
            raise AuditError(
                f"closing what the training had opened raised {told(error)}"
            ) from error
        del made
        if model() is not None:  # in a cycle of references, as with hooks that refer to it
            gc.collect()


def _working_folder() -> str | None:
    """The current folder, unless somebody has removed it."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _random_state() -> list[Any]:
    of_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return [random.getstate(), np.random.get_state(), torch.get_rng_state(), of_devices]


def _put_back(state: list[Any]) -> None:
    of_python, of_numpy, of_torch, of_devices = state
    random.setstate(of_python)
    np.random.set_state(of_numpy)
    torch.set_rng_state(of_torch)
    if of_devices:
        torch.cuda.set_rng_state_all(of_devices)
