"""Larger models by their counts alone, where timing them would take too long."""

from __future__ import annotations

from dataclasses import dataclass

from bench.measure.counters import read_counters
from bench.measure.memory import read_memory
from bench.measure.training import Recipe, Training
from bench.workloads import Options, build
from strategies import find

MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ResNet-18, all but the last stage frozen": ("torchvision:resnet18", ()),
    "ResNet-18, all but the first layer frozen": ("torchvision:resnet18", ("*", "!conv1")),
    "VGG-11, all but the last stage frozen": ("torchvision:vgg11", ()),
    "VGG-11, all but the first layer frozen": ("torchvision:vgg11", ("*", "!features.0")),
}
"""What is shown, with the workload and what is frozen in it (its own choice if empty)."""

_BATCH = 8


@dataclass(frozen=True)
class Counted:
    """A frozen model relative to `full`: FLOPs of forward and backward, and saved bytes."""

    name: str
    flops: float
    saved: float


def counted() -> list[Counted]:
    """All models, on torch's `meta` device: exact, and nothing is computed."""
    found = []
    for name, (spec, freeze) in MODELS.items():
        flops, saved = _counts(spec, freeze, "requires_grad")
        all_flops, all_saved = _counts(spec, freeze, "full")
        found.append(Counted(name, flops / all_flops, saved / all_saved))
    return found


def _counts(spec: str, freeze: tuple[str, ...], strategy: str) -> tuple[int, int]:
    workload = build(spec, Options(batch=_BATCH, freeze=freeze), meta=True)
    training = Training(workload, find(strategy), Recipe("meta"))
    saved = read_memory(training).memory.saved_bytes or 0
    counters = read_counters(training)
    return (counters.forward_flops or 0) + (counters.backward_flops or 0), saved
