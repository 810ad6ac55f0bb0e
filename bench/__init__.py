"""The harness that measures freezing strategies. `freezebench --help` is the door."""

__version__ = "0.1.0"
