"""Kernel cases, the same on every port: see `rig.py`."""
