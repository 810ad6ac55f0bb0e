"""A function of the user's own, from a file or an importable module."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strategies.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_NOT_THE_USERS = tuple(
    str(Path(folder).resolve())
    for folder in (
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        Path(__file__).parents[1],
    )
)


class ImportingError(ValueError):
    """There is no such file, module or function; the message says which, and what to do."""


def is_path(target: str) -> bool:
    """Whether what stands before the colon is a file rather than a module."""
    return target.endswith(".py") or "/" in target or "\\" in target


def imported(target: str) -> ModuleType:
    """The module of `path/to/file.py` or `package.module`; a file is run anew at each call.

    The folder of the file (or the current one, for a module) becomes importable and stays so,
    because a function may import its neighbours when it is called.

    Raises:
        ImportingError: there is none, or importing it raises.
    """
    try:
        return _from_file(target) if is_path(target) else _from_name(target)
    except ImportingError:
        raise
    except (Exception, SystemExit) as error:  # a script without a main guard may exit
        raise ImportingError(f"importing it raised {told(error)}") from error


def _from_file(target: str) -> ModuleType:
    path = Path(target).expanduser()
    if path.is_dir():
        raise ImportingError(
            f"'{target}' is a folder; give a file in it, as in path/to/file.py:factory"
        )
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*.py")]
        raise ImportingError(
            f"there is no file '{target}' (seen from the current folder); "
            + (suggest(path.name, beside) if beside else "there are no Python files there")
        )
    if path.suffix != ".py":
        raise ImportingError("it is not a Python file; give path/to/file.py:factory")
    path = path.resolve()
    for folder in (path.parent / "src", path.parent):
        if folder.is_dir():
            _make_importable(folder)
    # a name of its own, lest a user's `queue.py` replaces the standard library's
    name = f"freezebench_workload_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportingError("it cannot be imported; give path/to/file.py:factory")
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
            raise ImportingError(
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


def factory_in(module: ModuleType, name: str, to_return: str) -> Callable[..., Any]:
    """What `module` calls `name`, which must be callable.

    Args:
        module: to look in.
        name: of the function.
        to_return: what it is to return, in words or code, for who gave something else.

    Raises:
        ImportingError: there is none, or it cannot be called.
    """
    if not hasattr(module, name):
        defined = [
            known
            for known, thing in vars(module).items()
            if callable(thing) and getattr(thing, "__module__", None) == module.__name__
        ]
        raise ImportingError(f"there is no function '{name}' in it; {suggest(name, defined)}")
    factory = getattr(module, name)
    if not callable(factory):
        raise ImportingError(
            f"'{name}' is {a(factory)} and cannot be called; "
            f"make it a function that returns {to_return}"
        )
    found: Callable[..., Any] = factory
    return found


def told(error: BaseException) -> str:
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


def a(thing: Any) -> str:
    """The type of `thing` with its article: `a Linear`."""
    if thing is None:
        return "None"
    name = type(thing).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
