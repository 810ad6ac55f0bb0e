"""Networks that have really learned digits before they are frozen, once per machine."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from bench.workloads.digits import digits
from bench.workloads.seeding import seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

_RECIPE = 1  # raise it whenever training or the digits change, so that no older state is used
_EPOCHS = 4
_BATCH = 64
_LR = 2e-3


def pretrained(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module that classifies digits, trained on them or taken from the cache.

    The same seed gives the same bits, whatever the number of threads outside. The global random
    state and the number of threads are left as they were.

    Args:
        build: makes the untrained module, from images (n, 3, 28, 28) to scores (n, 10).
        seed: of the initial weights and of the order of the samples.
    """
    with seeded(seed):
        module = build()
        cached = _cache_file(module, seed)
        state = _read(cached) if cached else None
        if state is not None and _fits(state, module):
            module.load_state_dict(state)
        else:
            _train(module)
            if cached:
                _write(cached, module.state_dict())
    return module


def _train(module: nn.Module) -> None:
    samples, _ = digits()
    optimizer = torch.optim.Adam(module.parameters(), lr=_LR)
    with _one_thread(), torch.enable_grad():
        for _ in range(_EPOCHS):
            for chosen in torch.split(torch.randperm(len(samples.labels)), _BATCH):
                scores = module(samples.images[chosen])
                functional.cross_entropy(scores, samples.labels[chosen]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad()


@contextmanager
def _one_thread() -> Iterator[None]:
    """The order of a parallel sum depends on the number of threads, and with it the last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _cache_file(module: nn.Module, seed: int) -> Path | None:
    shapes = [(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()]
    torch_minor = torch.__version__.split(".")[:2]
    recipe = repr((_RECIPE, _EPOCHS, _BATCH, _LR, repr(module), shapes, seed, torch_minor))
    name = hashlib.sha256(recipe.encode()).hexdigest()[:24]
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home folder
        return None
    return base / "freezebench" / f"{name}.pt"


def _read(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file raises what it likes, and training again mends it
        return None


def _fits(state: Any, module: nn.Module) -> bool:
    def form(tensors: Any) -> dict[str, tuple[torch.Size, torch.dtype]]:
        return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}

    try:
        return form(state) == form(module.state_dict())
    except AttributeError:  # a whole file of something else
        return False


def _write(path: Path, state: dict[str, Tensor]) -> None:
    """Write the state, or nothing: another process sees the whole file or none.

    A cache that cannot be written (read-only, full) costs seconds next time and nothing else.
    """
    unfinished = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            unfinished = Path(file.name)
            torch.save(state, file)
        unfinished.replace(path)
    except (OSError, RuntimeError):  # torch's writer turns a failed write into a RuntimeError
        if unfinished:
            unfinished.unlink(missing_ok=True)
