"""What is trained, by name: built-in networks, torchvision's models, and functions of yours."""

from bench.workloads.batches import batch_size, to_device
from bench.workloads.build import build, label
from bench.workloads.options import Options
from bench.workloads.roster import DEFAULT, FORMS, ON_ACCELERATOR, ROSTER
from bench.workloads.workload import BATCHES, Workload, WorkloadError, cross_entropy

__all__ = [
    "BATCHES",
    "DEFAULT",
    "FORMS",
    "ON_ACCELERATOR",
    "ROSTER",
    "Options",
    "Workload",
    "WorkloadError",
    "batch_size",
    "build",
    "cross_entropy",
    "label",
    "to_device",
]
