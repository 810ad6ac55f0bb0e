"""A workload of the user's own, from a function in a file or in an importable module."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.workloads.seeding import seeded
from bench.workloads.workload import Workload, WorkloadError
from strategies.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from bench.workloads.options import Options

_WHAT_TO_RETURN = "bench.workloads.Workload(model=..., batches=[...], frozen=[...])"
_NOT_THE_USERS = tuple(
    str(Path(folder).resolve())
    for folder in (
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        Path(__file__).parents[1],
    )
)


def is_path(target: str) -> bool:
    """Whether what stands before the colon is a file rather than a module."""
    return target.endswith(".py") or "/" in target or "\\" in target


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
        module = _imported(target)
        factory = _factory(module, name)
        arguments = _arguments(factory, name, options)
        try:
            made = factory(**arguments)
        except (Exception, SystemExit) as error:  # a script may exit when it is called
            raise WorkloadError(f"{name}() raised {_told(error)}") from error
    if not isinstance(made, Workload):
        raise WorkloadError(
            f"{name}() returned {_a(made)}, not a Workload; let it return {_WHAT_TO_RETURN}"
        )
    return made


def _imported(target: str) -> ModuleType:
    try:
        return _from_file(target) if is_path(target) else _from_name(target)
    except WorkloadError:
        raise
    except (Exception, SystemExit) as error:  # a script without a main guard may exit
        raise WorkloadError(f"importing it raised {_told(error)}") from error


def _from_file(target: str) -> ModuleType:
    path = Path(target).expanduser()
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*.py")]
        raise WorkloadError(
            f"there is no file '{target}' (seen from the current folder); "
            + suggest(path.name, beside)
        )
    if path.suffix != ".py":
        raise WorkloadError("it is not a Python file; give path/to/file.py:factory")
    path = path.resolve()
    for folder in (path.parent / "src", path.parent):
        if folder.is_dir():
            _make_importable(folder)
    # a name of its own, lest a user's `queue.py` replaces the standard library's
    name = f"freezebench_workload_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise WorkloadError("it cannot be imported; give path/to/file.py:factory")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_name(target: str) -> ModuleType:
    _make_importable(Path.cwd())
    try:
        return importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{target}.".startswith(f"{error.name}."):
            raise WorkloadError(
                f"no module '{error.name}' can be imported from the current folder or the "
                "installed packages; give path/to/file.py:factory for a file elsewhere"
            ) from error
        raise


def _make_importable(folder: Path) -> None:
    """Find the folder's modules before installed packages, but after the standard library's.

    A stray `timeit.py` beside the user's file must not become the one that torch imports.
    """
    if str(folder) in sys.path:
        return
    installed = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    places = [at for at, entry in enumerate(sys.path) if entry in installed]
    sys.path.insert(min(places, default=len(sys.path)), str(folder))


def _factory(module: ModuleType, name: str) -> Callable[..., Any]:
    if not hasattr(module, name):
        defined = [
            known
            for known, thing in vars(module).items()
            if callable(thing) and getattr(thing, "__module__", None) == module.__name__
        ]
        raise WorkloadError(f"there is no function '{name}' in it; {suggest(name, defined)}")
    factory = getattr(module, name)
    if not callable(factory):
        raise WorkloadError(
            f"'{name}' is {_a(factory)} and cannot be called; "
            f"make it a function that returns {_WHAT_TO_RETURN}"
        )
    found: Callable[..., Any] = factory
    return found


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


def _told(error: BaseException) -> str:
    """Type, first line and place of an error, without the folder: `ValueError: no (my.py:3)`."""
    lines = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        said = f"{type(error).__name__}: {error.msg}"
        return f"{said} ({Path(error.filename).name}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_the_users(frame.filename)]
    if not own:
        return said
    return f"{said} ({Path(own[-1].filename).name}:{own[-1].lineno})"


def _is_the_users(file: str) -> bool:
    return not file.startswith("<") and not str(Path(file).resolve()).startswith(_NOT_THE_USERS)


def _a(thing: Any) -> str:
    if thing is None:
        return "None"
    name = type(thing).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
