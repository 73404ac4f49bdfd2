"""Explore worlds of the kernel, replay a trace, or make one smaller.

    python -m model.explore [WORLD...] [--long] [--seconds S] [--replay PATH] [--shrink]

Prints a line a world; exit code 1 on a violation.
"""

import argparse
import sys
from pathlib import Path

from bulkhead_host.explore.liveness import Graph, Lasso
from bulkhead_host.explore.search import Explorer, Found, Result
from bulkhead_host.explore.traces import replay, shrink
from bulkhead_host.paths import source_root
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


def numbers(text: str) -> tuple[int, ...]:
    """Return numbers that are written with dots between."""
    return tuple(int(number) for number in text.split(".") if number)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Explore small worlds of the kernel.")
    parser.add_argument("worlds", nargs="*", metavar="WORLD")
    parser.add_argument("--root", type=Path, default=source_root(), help="the checkout to explore")
    parser.add_argument("--long", action="store_true", help="without the short ways")
    parser.add_argument("--seconds", type=float, default=1e9, help="processor time a world")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    parser.add_argument("--walk", type=int, metavar="SEED", help="by chance, 300 steps at a time")
    parser.add_argument("--live", action="store_true", help="look for what waits for ever, too")
    parser.add_argument("--replay", metavar="PATH", help="a trace, as a violation prints it")
    parser.add_argument(
        "--shrink", action="store_true", help="of as few kinds of step as possible"
    )
    args = parser.parse_args()
    status = states = steps = violated = 0
    seconds = 0.0
    for name in args.worlds or WORLDS:
        explorer = Explorer(WORLDS[name], args.root, is_quick=not args.long)
        if args.replay is not None:
            path, colon, script = args.replay.partition(":")
            ran = numbers(script) if colon else None
            print(trace(name, explorer, Found(("nothing",), numbers(path), ran)))
            continue
        graph = Graph(explorer)
        explorer.observer = graph if args.live else None
        if args.walk is not None:
            result = explorer.walk(args.walk, seconds_max=args.seconds)
        else:
            found_max = 1 if args.first else 30
            result = explorer.run(seconds_max=args.seconds, found_max=found_max)
        print(line(name, result), flush=True)
        states += result.states
        steps += result.steps
        seconds += result.seconds
        violated += len(result.found)
        if args.live and result.is_exhausted and not result.found:
            for lasso in graph.judge():
                status = 1
                print(cycle(name, explorer, lasso))
        for found in result.found.values():
            status = 1
            print(trace(name, explorer, shrink(explorer, found) if args.shrink else found))
    if args.replay is None:
        count = len(args.worlds or WORLDS)
        print(
            f"{count} worlds, {states} states, {steps} steps in {seconds:.0f} s,"
            f" {steps / max(seconds, 1e-9):.0f} steps/s, {violated} violated"
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
