"""The base of all records, and the words that they share."""

from __future__ import annotations

from typing import Literal

import msgspec

CONFIDENCE = 0.95
"""Of every interval in a run."""

PHASES = ("forward", "backward", "update", "total")

Verdict = Literal["reference", "ok", "leaks", "severed", "diverges", "failed"]
Dtype = Literal["float32", "bfloat16", "float16"]
Optimizer = Literal["adam", "adamw", "sgd", "momentum", "adagrad", "rmsprop"]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all records: immutable; a field at its default (`None`, empty) is left out."""
