"""What the set-ups are trained on: noise, since only the training itself is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

CLASSES = 5
VOCABULARY = 40


def images(count: int = 4, size: int = 16) -> tuple[Tensor, Tensor]:
    """Images `(count, 3, size, size)` and their classes `(count,)`."""
    return torch.randn(count, 3, size, size), torch.randint(CLASSES, (count,))


def sentences(count: int = 4, length: int = 8) -> Tensor:
    """Tokens `(count, length)`."""
    return torch.randint(VOCABULARY, (count, length))


def labelled_sentences(count: int = 4, length: int = 8) -> tuple[Tensor, Tensor]:
    """Tokens `(count, length)` and the class of each sentence `(count,)`."""
    return sentences(count, length), torch.randint(CLASSES, (count,))


def next_token_loss(model: Any, tokens: Tensor) -> Tensor:
    """The mean cross-entropy of each token from those before it."""
    logits = model(tokens[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def classification(
    model: Any, optimizer: Any, batch: tuple[Tensor, Tensor], *schedulers: Any
) -> Callable[[], None]:
    """The step that most tutorials end with."""
    inputs, labels = batch

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()

    return step


def language_modelling(
    model: Any, optimizer: Any, tokens: Tensor, *schedulers: Any
) -> Callable[[], None]:
    """The step of a language model."""

    def step() -> None:
        optimizer.zero_grad()
        next_token_loss(model, tokens).backward()
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()

    return step


def descending(optimizer: Any, loss: Callable[[], Tensor], *schedulers: Any) -> Callable[[], None]:
    """The step for any loss."""

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()

    return step
