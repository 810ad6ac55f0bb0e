"""NVIDIA's management library: one session a process, a device found by what torch calls it.

Every call goes through `Nvml.ask`, so that one that fails costs its own answer and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

GONE = (
    "NVML_ERROR_UNINITIALIZED",
    "NVML_ERROR_DRIVER_NOT_LOADED",
    "NVML_ERROR_LIBRARY_NOT_FOUND",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH",
    "NVML_ERROR_GPU_IS_LOST",
    "NVML_ERROR_RESET_REQUIRED",
)
"""The driver or the GPU will not answer again while this process lives."""

PASSING = (
    "NVML_ERROR_TIMEOUT",
    "NVML_ERROR_IN_USE",
    "NVML_ERROR_MEMORY",
    "NVML_ERROR_NO_DATA",
    "NVML_ERROR_INSUFFICIENT_SIZE",
    "NVML_ERROR_INSUFFICIENT_RESOURCES",
    "NVML_ERROR_NOT_READY",
    "NVML_ERROR_UNKNOWN",
)
"""The next time may be better. Whatever is in neither list, such as `NotSupported`, is for good."""


class NotToldError(Exception):
    """One query has no answer; `for_good` says that asking again is of no use."""

    def __init__(self, *, for_good: bool) -> None:
        super().__init__()
        self.for_good = for_good


class GpuGoneError(Exception):
    """The driver or the GPU is gone: no query has an answer any more."""


@dataclass(frozen=True)
class Gpu:
    """What torch's device is to the driver.

    Attributes:
        board: the whole GPU.
        part: what this process has of it: the board, its MIG instance, or `None` where it has an
            instance that the driver does not find.
        instance: whether the board is cut into instances.
    """

    board: Any
    part: Any | None
    instance: bool


class Nvml:
    """A session with the driver.

    Args:
        library: the module `pynvml`, initialised, or something with the same functions.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._gone = _values(library, GONE)
        self._passing = _values(library, PASSING)

    def __getattr__(self, name: str) -> Any:
        """A constant of the library."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._library, name)

    def ask(self, function: str, *arguments: Any) -> Any:
        """What a function of the library answers.

        Raises:
            NotToldError: it does not answer this.
            GpuGoneError: nothing answers any more.
        """
        mismatch: type[Exception] = self._library.NVMLLibraryMismatchError
        try:
            return getattr(self._library, function)(*arguments)
        except self._library.NVMLError as error:
            if error.value in self._gone:
                raise GpuGoneError from error
            raise NotToldError(for_good=error.value not in self._passing) from error
        except (AttributeError, mismatch) as error:  # driver and library are of different age
            raise NotToldError(for_good=True) from error

    def told(self, function: str, *arguments: Any) -> Any | None:
        """The same, and `None` where there is no answer."""
        try:
            return self.ask(function, *arguments)
        except (NotToldError, GpuGoneError):
            return None

    def find(self, uuid: str, bus: str | None = None) -> Gpu | None:
        """The GPU by torch's UUID of it, never by index: CUDA_VISIBLE_DEVICES reorders those.

        Args:
            uuid: as torch gives it, without a prefix; under MIG it is the instance's.
            bus: its address on the bus, for a driver that knows it by that alone.
        """
        bare = uuid.removeprefix("GPU-").removeprefix("MIG-")
        board = self.told("nvmlDeviceGetHandleByUUID", f"GPU-{bare}")
        if board is None:
            part = self.told("nvmlDeviceGetHandleByUUID", f"MIG-{bare}")
            if part is not None:
                board = self.told("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", part)
                return Gpu(part if board is None else board, part, instance=True)
        if board is None and bus is not None:
            board = self.told("nvmlDeviceGetHandleByPciBusId", bus)
        if board is None:
            return None
        cut = self.is_cut(board)
        return Gpu(board, None if cut else board, instance=bool(cut))

    def is_cut(self, board: Any) -> bool | None:
        """Whether the board is cut into instances (MIG); `None` where the driver doesn't say."""
        mode = self.told("nvmlDeviceGetMigMode", board)
        return None if mode is None else bool(mode[0] == self.NVML_DEVICE_MIG_ENABLE)

    def driver(self) -> str | None:
        """The driver's version."""
        version = self.told("nvmlSystemGetDriverVersion")
        return None if version is None else str(version)


def begin(library: Any) -> Nvml | None:
    """A session with this library; `None` without a driver."""
    try:
        library.nvmlInit()
    except library.NVMLError:
        return None
    return Nvml(library)


@cache
def session() -> Nvml | None:
    """This process's session, begun with the first query; `None` without an NVIDIA driver."""
    import pynvml  # noqa: PLC0415  looks for the driver's library on use only

    return begin(pynvml)


def _values(library: Any, names: tuple[str, ...]) -> frozenset[int]:
    return frozenset(getattr(library, name) for name in names if hasattr(library, name))
