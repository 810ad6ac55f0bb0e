"""Causes, decided by running a training again with one thing removed."""
