"""Let emulated boards live for long, and print what was level at the end.

    python -m soak [--days D] [--restarts N] [--updates N] [--wraps | --long]

First one board for each place where a count of the chip's time comes round: its timer begins a
minute before that, and it runs for two. Then one board for D days, from zero. In each, N restarts
and N updates are spread over the time. The long board tells at each twentieth of its time how it
stands, so that a run that is cut gives what it had. Exit code 1 where something is not as it must
be.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.commands.build import BuildOptions, build
from soak.board import APPLICATION, Soaked, soaked, variants

_S, _DAY_S = 1_000_000, 86_400
_BEFORE_S, _AROUND_S = 60, 120
WRAPS_US = {
    "2**30 us": 1 << 30,
    "2**31 us": 1 << 31,
    "2**32 us": 1 << 32,
    "2**29 ms": (1 << 29) * 1000,
    "2**30 ms": (1 << 30) * 1000,
    "2**31 ms": (1 << 31) * 1000,
    "2**32 ms": (1 << 32) * 1000,
}
_MARKS = 20
_HEAP_SLACK = 512  # bytes, by the texts that the log's records happen to hold


@dataclass(frozen=True)
class Plan:
    """How long a board runs, in seconds, and what happens meanwhile."""

    name: str
    start_us: int
    seconds: float
    restarts: int
    updates: int
    marks: int = 1  # of the way at which it tells how it stands


class Story:
    """What a board has been through, told at each mark of the way and at the end."""

    def __init__(self, run: Soaked, plan: Plan) -> None:
        self.run, self.plan = run, plan
        self.cpu_s = time.process_time()
        self.begun_us = run.board.clock_us
        run.warm()
        self.before = run.level()
        self.restarts, self.updates = run.restarts, run.updates  # of getting warm

    def tell(self) -> bool:
        """Print how it stands; return whether it is level."""
        run, before = self.run, self.before
        after = run.level()
        lived_s = (run.board.clock_us - self.begun_us) / _S
        cost_ms = (time.process_time() - self.cpu_s) * 1000 / lived_s
        is_level = (
            after.used_bytes - before.used_bytes <= _HEAP_SLACK
            and after.strings == before.strings
        )  # fmt: skip
        print(
            f"{self.plan.name:9} {lived_s / _DAY_S:8.4f} days, "
            f"{run.restarts - self.restarts} restarts, {run.updates - self.updates} updates; "
            f"heap {before.used_bytes} to {after.used_bytes} bytes, "
            f"strings {before.strings} to {after.strings}; "
            f"a sector erased {max(run.erased.values(), default=0)} times at most; "
            f"{cost_ms:.1f} ms for a second{'' if is_level else '; NOT LEVEL'}",
            flush=True,
        )
        return is_level


def live(run: Soaked, plan: Plan) -> bool:
    """Run a plan, and tell at each mark how it stands; return whether it is level at the end."""
    story = Story(run, plan)
    begun_us = run.board.clock_us
    deeds = sorted(
        [((k + 0.5) / plan.restarts, run.fall) for k in range(plan.restarts)]
        + [((k + 0.5) / plan.updates, run.update) for k in range(plan.updates)]
        + [(k / plan.marks, story.tell) for k in range(1, plan.marks)],
        key=lambda deed: deed[0],
    )
    for at, deed in [*deeds, (1.0, run.check_log)]:
        left_us = begun_us + at * plan.seconds * _S - run.board.clock_us
        if left_us > 0:
            run.idle(left_us / 1000)
        deed()
    return story.tell()


def soak(image: Path, folder: Path, plan: Plan) -> bool:
    """Run a plan on a board of its own; return whether all was well."""
    bundles = variants(folder / plan.name.replace(" ", "-").replace("*", "x"))
    with soaked(image, bundles, start_us=plan.start_us) as run:
        try:
            return live(run, plan)
        except AssertionError as error:
            print(f"{plan.name:9} WRONG after {run.board.clock_us / 1e6:.0f} s: {error}")
            return False


def main() -> int:
    """Do what the command line says."""
    made = argparse.ArgumentParser(description="Let emulated boards live for long.")
    made.add_argument("--days", type=float, default=30.0, help="of the board that begins at zero")
    made.add_argument("--restarts", type=int, default=10_000, help="of that board")
    made.add_argument("--updates", type=int, default=1_000, help="of that board")
    only = made.add_mutually_exclusive_group()
    only.add_argument("--wraps", action="store_true", help="only where time comes round")
    only.add_argument("--long", action="store_true", help="only the board that begins at zero")
    options = made.parse_args()
    plans = [
        Plan(name, at_us - _BEFORE_S * _S, _AROUND_S, 4, 2) for name, at_us in WRAPS_US.items()
    ]
    if options.long:
        plans.clear()
    if not options.wraps:
        days = f"{options.days:g} days"
        seconds = options.days * _DAY_S
        plans.append(Plan(days, 0, seconds, options.restarts, options.updates, _MARKS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "soak.uf2"
        build(BuildOptions(application=APPLICATION, output=image))
        wells = [soak(image, folder, plan) for plan in plans]
    return 0 if all(wells) else 1


if __name__ == "__main__":
    sys.exit(main())
