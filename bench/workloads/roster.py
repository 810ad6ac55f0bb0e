"""The workloads there are, in reading order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.workloads.adapter import adapter
from bench.workloads.middle import middle
from bench.workloads.nested_policy import nested_policy
from bench.workloads.policy import policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.workloads.workload import Workload

# A factory takes `batch` and `seed`, like one of the user's; its docstring describes it in lists.
ROSTER: dict[str, Callable[..., Workload]] = {
    "policy": policy,
    "nested_policy": nested_policy,
    "adapter": adapter,
    "middle": middle,
}

# What else a workload's name may look like.
FORMS: dict[str, str] = {
    "torchvision:NAME": "Any classification model of torchvision, all before its last stage "
    "frozen, on random images.",
    "path/to/file.py:factory": "A function of yours, in a file, that returns a Workload.",
    "package.module:factory": "A function of yours, in an importable module, that returns a "
    "Workload.",
}

DEFAULT = ("policy", "nested_policy", "adapter")
ON_ACCELERATOR = ("torchvision:resnet50", "torchvision:vit_b_16")
