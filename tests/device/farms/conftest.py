"""Tests against labgrid itself, which `make test-farms` has and `make test` has not."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("labgrid") else ["test_labgrid.py"]
