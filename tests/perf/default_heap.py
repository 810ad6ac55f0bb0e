"""Imported by the fork server of one bench: its workers leave the C library's heap as it is."""

from bench.run import worker

worker.keep_freed_memory = lambda: False
