"""Have many faults happen inside services, or inside the kernel's own words, and count the ends.

    python -m campaign [--part services|kernel] [--port sim|unix|pico] [--faults N] [--seed S]
                       [--results FILE] [--workers N | --scheduler ADDRESS]

The faults are cut into pieces, each with a seed of its own and in a process of its own. What each
has given is kept in FILE as it comes, so that a campaign that was cut goes on; the figures are
those of all pieces in it. Exit code 1 where a fault was not mended, or was a silent hang.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.cache import locked
from bulkhead_host.image.packages import Purpose, has_program, install_missing
from bulkhead_host.paths import cache_dir, source_root
from bulkhead_host.spread import spread
from campaign import pico
from campaign.unix import on_unix

# Faults in a piece: some ten seconds of it.
SIZES = {
    ("services", "sim"): 100_000,
    ("kernel", "sim"): 400,
    ("services", "unix"): 500,
    ("services", "pico"): 25,
}
GOALS = {
    ("services", "sim"): 3_500_000,
    ("kernel", "sim"): 20_000,
    ("services", "unix"): 100_000,
    ("services", "pico"): 5_000,
}
PIECE_S = 1_800
"""A piece that has not ended by then hangs: a hundred times what it takes."""

PYPY_FROM = 5_000  # faults in services: fewer end before PyPy has compiled what they run
_PACKAGES = {"pypy3": has_program("pypy3")}
_PURPOSE = Purpose(what="so many faults in the simulator", instead="https://pypy.org has PyPy")


class Piece(NamedTuple):
    """Some faults of one seed."""

    part: str
    port: str
    seed: int
    faults: int


def do(piece: Piece) -> dict[str, Any]:
    """Have the faults of a piece in a process, or on a board; return what has become of them."""
    if piece.port == "pico":
        try:
            told = pico.have(piece.seed, piece.faults)
        except (BulkheadError, ValueError) as error:
            told = {"faults": 0, "outcomes": {}, "kinds": {}, "wrong": [f"no answer: {error}"]}
        return {**piece._asdict(), "asked": piece.faults, **told}
    command, environment = (on_unix if piece.port == "unix" else _on_sim)(piece)
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=PIECE_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        told = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError) as error:
        text = str(error) if isinstance(error, subprocess.TimeoutExpired) else done.stderr[-500:]
        told = {"faults": 0, "outcomes": {}, "kinds": {}, "wrong": [f"no answer: {text}"]}
    return {**piece._asdict(), "asked": piece.faults, **told}


def _on_sim(piece: Piece) -> tuple[list[str], dict[str, str]]:
    root = source_root()
    path = ("tests", "firmware/port/cpython", "firmware", "", "host_tools")
    numbers = (str(piece.seed), str(piece.faults))
    environment = {
        "PYTHONPATH": os.pathsep.join(str(root / folder) for folder in path),
        "PYTHONHASHSEED": "0",
    }
    # A fault in the kernel's words has a process of its own, too short for PyPy.
    if piece.part == "services" and piece.faults >= PYPY_FROM:
        with locked(cache_dir() / "build.lock"):
            install_missing(_PACKAGES, purpose=_PURPOSE, progress=print)
        python, module = "pypy3", "campaign.on_pypy"
    else:
        python, module = sys.executable, "campaign.piece"
    return [python, "-m", module, piece.part, *numbers], environment


def pieces(args: argparse.Namespace, done: set[Piece]) -> Iterator[Piece]:
    """Return the pieces of a campaign that have no result yet."""
    size = SIZES[args.part, args.port]
    for index, first in enumerate(range(0, args.faults, size)):
        # Seeds are far apart, so that the generators' first numbers are.
        seed = (args.seed * 1_000_003 + index * 7_919) & 0x3FFFFFFF
        piece = Piece(args.part, args.port, seed, min(size, args.faults - first))
        if piece not in done:
            yield piece


def summary(results: list[dict[str, Any]]) -> str:
    """Return the figures of some pieces, as lines."""
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for one in results:
        outcomes.update(one["outcomes"])
        kinds.update(one["kinds"])
    faults = sum(one["faults"] for one in results)
    wrong = [(one["seed"], text) for one in results for text in one["wrong"]]
    lines = [f"  {count:9} {100 * count / max(faults, 1):8.4f} %  {name}"
             for name, count in outcomes.most_common()]  # fmt: skip
    lines += ["  of kinds: " + ", ".join(f"{name} {n}" for name, n in kinds.most_common())]
    lines += [f"  WRONG, seed {seed}: {text}" for seed, text in wrong[:20]]
    return "\n".join([*lines, f"{faults} faults, {len(wrong)} wrong"])


def main() -> int:
    """Do what the command line says."""
    made = argparse.ArgumentParser(description="Inject faults by the million.")
    made.add_argument("--part", choices=("services", "kernel"), default="services")
    made.add_argument("--port", choices=("sim", "unix", "pico"), default="sim")
    made.add_argument("--faults", type=int, default=0, help="how many; the default is the goal")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--results", type=Path, help="where results are kept as they come")
    made.add_argument("--workers", type=int, default=1, help="processes of this machine")
    made.add_argument("--scheduler", default="", help="of a dask cluster that has this checkout")
    args = made.parse_args()
    if (args.part, args.port) not in GOALS:
        made.error("faults in the kernel's words take the simulator: --port sim")
    args.faults = args.faults or GOALS[args.part, args.port]
    file = args.results or source_root() / "build" / f"campaign-{args.part}-{args.port}.jsonl"
    file.parent.mkdir(exist_ok=True)
    kept = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {Piece(one["part"], one["port"], one["seed"], one["asked"]) for one in kept}
    source = pieces(args, done)
    crew = {"workers": args.workers, "scheduler": args.scheduler}
    for piece, told in spread(do, lambda: next(source, None), **crew):
        kept.append(told)
        with file.open("a") as stream:
            stream.write(json.dumps(told) + "\n")
        wrong = f", {len(told['wrong'])} WRONG" if told["wrong"] else ""
        print(f"seed {piece.seed}: {told['faults']} faults{wrong}", flush=True)
    print(summary(kept))
    return 1 if any(one["wrong"] for one in kept) else 0


if __name__ == "__main__":
    sys.exit(main())
