"""Instruments that read beside a turn: what the machine was doing meanwhile."""
