"""Fifty and more bugs put into the kernel one at a time, and which world finds each.

    python -m model.seeded [NAME...] [--seconds S]

Each is put into a copy of the firmware. The small worlds run one after the other, as long as
`--seconds` of processor time, then `tests/sim`. Prints a row each; exit code 1 where one was not
found that can be, or where the text it stands for is no longer in the kernel, exactly once.
"""

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bulkhead_host.explore.liveness import Graph
from bulkhead_host.explore.search import Explorer
from bulkhead_host.paths import source_root
from model.explore import one_of
from model.seeds import SEEDS, Seed
from model.worlds import WORLDS

# Small ones first: most bugs show in the first seconds.
ORDER = (
    *("pair", "clients", "restarts", "fail", "block", "oldest", "circle", "chain", "crowd"),
    *("driver", "guest", "leases", "mixed", "hogs", "storms2", "wrapfar", "hardlent", "stashes"),
    *("bad", "periods", "periods2", "memory", "three", "supervised", "reopens", "updatecalls"),
    *("updates", "updatehard", "controllers", "closing", "prompt", "storms", "wrapslots"),
    *("outputs", "kills", "doomed", "nested", "hard", "short", "replies", "copies", "grants"),
    *("injections", "hardgrants", "wraptime", "wrapsequences", "wrapslices", "promptkills"),
    *("wrapgenerations", "lines", "injections2", "relay", "all"),
)
# Of bugs that the order would come to late.
FIRST = {
    "caller-not-moved": ("crowd",),
    "revoke-one-pass": ("copies",),
    "death-does-not-revoke": ("grants",),
    "mint-with-more": ("grants",),
    "doom-forgotten": ("kills",),
    "caught-kill-forgiven": ("outputs",),
    "tail-removed": ("outputs",),
    "dead-still-ready": ("outputs",),
    "outputs-left-on": ("outputs",),
    "slot-generation": ("wrapslots",),
    "slot-generation-comes-round": ("wrapslots",),
    "grant-of-grant": ("wrapslots",),
    "orphan-of-a-delete": ("wrapslots",),
    "storm-window-for-ever": ("storms",),
}
# Changes that no run can show, with the reason: neither is in the kernel's way to be found.
EQUIVALENT = {
    "circle-of-waits": "`restore` comes back to a task whose wait ends only if its priority "
    "changes, and what justified that then still does",
    "reply-keeps-running": "the dispatcher puts the server aside before its next step, as the "
    "client is ready and more important",
}
_WORLD_SECONDS = 4.0


def put_in(seed: Seed, folder: Path) -> Path:
    """Return the root of a copy of the firmware with the bug in it."""
    shutil.copytree(source_root() / "firmware", folder / "firmware")
    path = folder / "firmware" / seed.file
    text = path.read_text()
    if text.count(seed.text) != 1:
        raise ValueError(f"{seed.file} has the text of it {text.count(seed.text)} times")
    path.write_text(text.replace(seed.text, seed.bug))
    return folder


def explore(root: Path, seconds: float, first: tuple[str, ...] = ()) -> str:
    """Return what found the bug of a kernel, and how, empty if nothing did.

    `first` are the worlds to begin with.
    """
    started = time.process_time()
    for name in (*first, *ORDER):
        if time.process_time() - started > seconds:
            break
        try:
            explorer = Explorer(WORLDS[name], root)
            explorer.observer = graph = Graph(explorer)
            result = explorer.run(found_max=1, seconds_max=_WORLD_SECONDS)
        except Exception as error:
            return f"{name}: {type(error).__name__}: {error}"
        for text, found in result.found.items():
            return f"{name}, {len(found.path)} steps: {text}"
        if result.is_exhausted:
            for lasso in graph.judge():
                return f"{name}, {len(lasso.path.path)} steps, for ever: {lasso.text}"
    return ""


def simulate(root: Path) -> str:
    """Return the first test of the simulator that fails on a kernel, empty if none does.

    Raises RuntimeError where one fails on the kernel as it is: that would find everything.
    """
    wrong = _wrong_by_itself()
    if wrong:
        raise RuntimeError(f"it fails without a bug: {wrong}")
    return _first_failure(root)


@functools.cache
def _wrong_by_itself() -> str:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(source_root() / "firmware", root / "firmware")
        return _first_failure(root)


def _first_failure(root: Path) -> str:
    shutil.copytree(source_root() / "tests", root / "tests", ignore=shutil.ignore_patterns("host"))
    for name in ("services", "host_tools", "board_configs"):
        (root / name).symlink_to(source_root() / name)
    shutil.copy(source_root() / "pyproject.toml", root)
    python = source_root() / ".venv" / "bin" / "python"
    command = [str(python), "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(root / "host_tools")}
    done = subprocess.run(
        [*command, "tests/sim"],
        **{"cwd": root, "env": environment, "capture_output": True, "text": True},  # type: ignore[call-overload]
        check=False,
    )
    if done.returncode > 1:
        raise RuntimeError(f"pytest cannot run: {done.stdout}{done.stderr}")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return f"tests/sim: {failed[0].rpartition('::')[2][:70]}" if failed else ""


def main() -> int:
    """Put in each bug, and print what finds it."""
    parser = argparse.ArgumentParser(description="Find bugs put into the kernel.")
    parser.add_argument("names", nargs="*", metavar="NAME", type=one_of(SEEDS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of processor time, a bug")
    args = parser.parse_args()
    lost = 0
    for seed in (SEEDS[name] for name in args.names or SEEDS):
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            try:
                root = put_in(seed, Path(folder))
                first = FIRST.get(seed.name, ())
                by = explore(root, args.seconds, first) or simulate(root) or "NOT FOUND"
            except ValueError as error:
                by = f"NOT FOUND: {error}"
        if seed.name in EQUIVALENT and by == "NOT FOUND":
            by = f"changes nothing: {EQUIVALENT[seed.name]}"
        lost += by.startswith("NOT FOUND")
        seconds = time.process_time() - started
        print(f"{seed.name:24} {seconds:5.1f} s  {by}", flush=True)
    count = len(args.names or SEEDS)
    print(f"{count - lost} of {count} found")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
