"""A scenario begins from the same state each time, and leaves the process as it found it."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def undisturbed(seed: int = 0) -> Iterator[None]:
    """Random state, default dtype, threads, gradient mode, warnings and logging are as before.

    So is inference mode, in which a compiler that fails may leave the process (torch 2.11). What a
    scenario has compiled is forgotten. Its warnings are about what it does on purpose, and
    are not shown.
    """
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    silenced = logging.root.manager.disable
    inferring = torch.inference_mode(torch.is_inference_mode_enabled())
    forked = torch.random.fork_rng(devices=[])
    with inferring, forked, torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(1)  # the models are tiny
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            torch.set_num_threads(threads)
            logging.disable(silenced)
            if "torch._dynamo" in sys.modules:
                torch.compiler.reset()
