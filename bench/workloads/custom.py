"""A workload of the user's own, from a function in a file or in an importable module."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from bench.workloads.importing import ImportingError, a, factory_in, imported, told
from bench.workloads.seeding import seeded
from bench.workloads.workload import Workload, WorkloadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.workloads.options import Options

_WHAT_TO_RETURN = "bench.workloads.Workload(model=..., batches=[...], frozen=[...])"


def custom(spec: str, options: Options) -> Workload:
    """The workload that a factory of the user's returns.

    The factory is called with `batch` and `seed` if it has arguments of these names, otherwise
    without; `batch` is left out when nobody asked for a size and the factory has its own. The
    folder of the file (or the current one, for a module) becomes importable and stays so, because
    a factory may import its neighbours when it is called.

    Args:
        spec: `path/to/file.py:factory` or `package.module:factory`.
        options: batch size and seed.

    Raises:
        WorkloadError: there is no such file, module or factory; importing or calling it raises;
            or it returns something that is not a `Workload`.
    """
    target, _, name = spec.rpartition(":")
    with seeded(options.seed):
        try:
            factory = factory_in(imported(target), name, _WHAT_TO_RETURN)
        except ImportingError as error:
            raise WorkloadError(str(error)) from error
        arguments = _arguments(factory, name, options)
        try:
            made = factory(**arguments)
        except (Exception, SystemExit) as error:  # a script may exit when it is called
            raise WorkloadError(f"{name}() raised {told(error)}") from error
    if not isinstance(made, Workload):
        raise WorkloadError(
            f"{name}() returned {a(made)}, not a Workload; let it return {_WHAT_TO_RETURN}"
        )
    return made


def _arguments(factory: Callable[..., Any], name: str, options: Options) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        return {}
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    given: dict[str, Any] = {}
    for parameter in parameters.values():
        required = parameter.default is inspect.Parameter.empty
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given.setdefault("seed", options.seed)
            if options.batch is not None:
                given.setdefault("batch", options.batch)
        elif parameter.kind in by_name and parameter.name == "seed":
            given["seed"] = options.seed
        elif parameter.kind in by_name and parameter.name == "batch":
            if required or options.batch is not None:
                given["batch"] = options.batch
        elif required and parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            raise WorkloadError(
                f"{name}() wants an argument '{parameter.name}', and only 'batch' and 'seed' are "
                "given by name; give it a default"
            )
    return given
