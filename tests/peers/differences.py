"""Tests of MicroPython's that pass without Bulkhead and not with it, each with the reason."""

DIFFERENCES: dict[str, str] = {}
