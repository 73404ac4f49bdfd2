"""Explore worlds of the kernel, replay a trace, or make one smaller.

    python -m model.explore [WORLD...] [--seconds S] [--replay PATH] [--shrink]
                            [--workers N | --scheduler ADDRESS]

Prints a line a world; exit code 1 on a violation.
"""

import argparse
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bulkhead_host.explore.liveness import Graph, Lasso
from bulkhead_host.explore.search import Explorer, Found, Result
from bulkhead_host.explore.traces import replay, shrink
from bulkhead_host.paths import source_root
from bulkhead_host.spread import spread
from model.worlds import WORLDS


def line(name: str, result: Result) -> str:
    """Return what a search has visited, as a line."""
    speed = result.steps / max(result.seconds, 1e-9)
    end = "exhausted" if result.is_exhausted else "CUT"
    return (
        f"{name:12} {result.states:8} states {result.steps:9} steps {result.seconds:7.1f} s"
        f" {speed:6.0f} steps/s {end}, {len(result.found)} violated"
    )


def trace(name: str, explorer: Explorer, found: Found) -> str:
    """Return a violation with its trace, and the command that makes it again."""
    steps, wrong = replay(explorer, found)
    path = ".".join(map(str, found.path))
    if found.script is not None:
        path += ":" + ".".join(map(str, found.script))
    return "\n".join(
        [
            f"VIOLATION in {name}: {found.wrong[0]}",
            *("  " + step for step in steps),
            *("  WRONG: " + text for text in wrong or found.wrong),
            f'  again: make explore ARGS="{name} --replay {path}"',
        ]
    )


def cycle(name: str, explorer: Explorer, lasso: Lasso) -> str:
    """Return what waits for ever, how to come there, and what then goes round."""
    steps = [*trace(name, explorer, lasso.path).splitlines(), "  and then round and round:"]
    return "\n".join([*steps, *("    " + label for label in lasso.cycle)])


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """Return what takes one of the names from a command line, and names them all otherwise."""

    def take(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"there is no {text}; there are {', '.join(names)}")
        return text

    return take


def numbers(text: str) -> tuple[int, ...]:
    """Return numbers that are written with dots between."""
    return tuple(int(number) for number in text.split(".") if number)


class Visit(NamedTuple):
    """What came of one world: its lines, and the figures that are added up."""

    lines: tuple[str, ...]
    is_right: bool
    states: int
    steps: int
    seconds: float
    violated: int


def visit(name: str, args: Namespace) -> Visit:
    """Explore a world as the command line says."""
    explorer = Explorer(WORLDS[name], args.root)
    graph = Graph(explorer)
    explorer.observer = graph if args.live else None
    if args.walk is not None:
        result = explorer.walk(args.walk, seconds_max=args.seconds)
    else:
        found_max = 1 if args.first else 30
        result = explorer.run(seconds_max=args.seconds, found_max=found_max)
    lines = [line(name, result)]
    lassos = graph.judge() if args.live and result.is_exhausted and not result.found else ()
    lines += [cycle(name, explorer, lasso) for lasso in lassos]
    for found in result.found.values():
        lines.append(trace(name, explorer, shrink(explorer, found) if args.shrink else found))
    return Visit(
        lines=tuple(lines),
        is_right=len(lines) == 1,
        states=result.states,
        steps=result.steps,
        seconds=result.seconds,
        violated=len(result.found),
    )


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(description="Explore small worlds of the kernel.")
    made.add_argument("worlds", nargs="*", metavar="WORLD", type=one_of(WORLDS))
    made.add_argument("--root", type=Path, default=source_root(), help="the checkout to explore")
    made.add_argument("--seconds", type=float, default=1e9, help="processor time a world")
    made.add_argument("--first", action="store_true", help="stop at the first violation")
    made.add_argument("--walk", type=int, metavar="SEED", help="by chance, 300 steps at a time")
    made.add_argument("--live", action="store_true", help="look for what waits for ever, too")
    made.add_argument("--replay", metavar="PATH", help="a trace, as a violation prints it")
    made.add_argument("--shrink", action="store_true", help="of as few kinds of step as possible")
    made.add_argument("--workers", type=int, default=1, help="processes of this machine")
    made.add_argument("--scheduler", default="", help="of a dask cluster that has this checkout")
    return made


def main() -> int:
    """Do what the command line says."""
    args = parser().parse_args()
    names = iter(args.worlds or WORLDS)
    if args.replay is not None:
        for name in names:
            path, colon, script = args.replay.partition(":")
            found = Found(("nothing",), numbers(path), numbers(script) if colon else None)
            explorer = Explorer(WORLDS[name], args.root)
            print(trace(name, explorer, found))
        return 0
    visits = []
    work = partial(visit, args=args)
    crew = {"workers": args.workers, "scheduler": args.scheduler}
    for _, done in spread(work, lambda: next(names, None), **crew):
        print(*done.lines, sep="\n", flush=True)
        visits.append(done)
    states, steps, violated = (
        sum(getattr(each, what) for each in visits) for what in ("states", "steps", "violated")
    )
    seconds = sum(each.seconds for each in visits)
    print(
        f"{len(visits)} worlds, {states} states, {steps} steps in {seconds:.0f} s,"
        f" {steps / max(seconds, 1e-9):.0f} steps/s, {violated} violated"
    )
    return 0 if all(each.is_right for each in visits) else 1


if __name__ == "__main__":
    sys.exit(main())
