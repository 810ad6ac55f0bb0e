"""Base against head by time, in turns on one machine."""
