"""Counts of base and head, compared exactly with a golden file."""
