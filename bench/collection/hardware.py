"""Which machine it was: its hardware alone, since torch is a setting of its own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from bench.records import Machine

_FIELDS = ("cpu", "cores", "processors", "quota", "cpu_capability", "accelerator")
_GIB = 2**30


class Hardware(msgspec.Struct, frozen=True):
    """A machine as an index and a comparison know it.

    Attributes:
        name: the accelerator's, or the processor's where the run was on that.
        fields: what the machine is and is set to, by name; what it doesn't tell is left out.
        digest: equal for equal fields.
    """

    name: str
    fields: dict[str, str]
    digest: str


def hardware(machine: Machine) -> Hardware:
    """The hardware of a machine.

    Memory counts in whole GiB: the kernel keeps a little more or less for itself at each boot.
    """
    found: dict[str, Any] = {name: getattr(machine, name) for name in _FIELDS}
    for name in ("memory_bytes", "accelerator_memory_bytes"):
        size = getattr(machine, name)
        found[name.replace("_bytes", "_gib")] = None if size is None else round(size / _GIB)
    if machine.gpu is not None:
        found |= {
            f"gpu_{name}": value for name, value in msgspec.structs.asdict(machine.gpu).items()
        }
    fields = {name: str(value) for name, value in found.items() if value is not None}
    digest = hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()[:12]
    return Hardware(machine.accelerator or machine.cpu, fields, digest)
