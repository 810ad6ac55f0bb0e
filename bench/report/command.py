"""The command that measures the same again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bench.names import printable

if TYPE_CHECKING:
    from bench.records import Request


def command(request: Request) -> str:
    """The `freezebench run` line for `request`, quoted for a POSIX shell."""
    options: list[tuple[str, object]] = [
        *(("--workload", name) for name in request.workloads),
        *(("--strategy", name) for name in request.strategies),
        ("--device", request.device),
        ("--dtype", request.dtype),
        ("--batch", request.batch),
        ("--threads", request.threads),
        ("--optimizer", request.optimizer),
        ("--seed", request.seed),
        ("--steps", request.steps),
        ("--precision", f"{100 * request.precision:g}%"),
        ("--budget", f"{request.budget:g}"),
        ("--cell-timeout", f"{request.cell_timeout:g}"),
        *(("--freeze", pattern) for pattern in request.freeze),
        ("--weights", request.weights),
    ]
    words = ["freezebench", "run"]
    for option, value in options:
        if value is not None:
            words += [option, shlex.quote(printable(str(value)))]
    words += ["--compile"] * request.compile + ["--channels-last"] * request.channels_last
    words += ["--energy"] * request.energy
    return " ".join(words)
