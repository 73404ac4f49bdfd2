"""Tests against labgrid and jumpstarter, which `make test-farms` has and `make test` has not."""

from importlib.util import find_spec

collect_ignore_glob = [
    f"test_{name}.py" for name in ("labgrid", "jumpstarter") if not find_spec(name)
]
