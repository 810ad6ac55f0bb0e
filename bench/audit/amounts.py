"""Bytes and FLOPs in a sentence."""

from __future__ import annotations


def sized(count: int) -> str:
    """Bytes in the unit that reads best: `89.7 MiB`."""
    return _scaled(count, 1024, ("bytes", "KiB", "MiB", "GiB", "TiB"))


def flops(count: int) -> str:
    """FLOPs in the unit that reads best: `4.1 GFLOPs`."""
    return _scaled(count, 1000, ("FLOPs", "kFLOPs", "MFLOPs", "GFLOPs", "TFLOPs"))


def _scaled(count: int, step: int, units: tuple[str, ...]) -> str:
    value = float(count)
    for unit in units[:-1]:
        if value < step:
            return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
        value /= step
    return f"{value:.3g} {units[-1]}"
