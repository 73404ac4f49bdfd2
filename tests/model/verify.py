"""Have spin visit every state of the kill protocol, and find the mistakes put into it.

    python -m model.verify [--quick]

Prints states and depth of each run; exit code 1 where the protocol breaks a claim, or where a
mistake is not found. Installs spin and a C compiler with apt if they are missing.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.image.packages import Purpose, has_program, install_missing

MODEL = Path(__file__).parent / "kill.pml"
_PACKAGES = {
    "spin": has_program("spin"),
    "gcc": has_program("gcc"),
    "libc6-dev": has_program("gcc"),
}
_PURPOSE = Purpose(what="verifying the kill protocol", instead="https://spinroot.com has spin")
_DEPTH_MAX = 1_000_000

BOUNDS = ("TICKS=3", "HARDS=2", "STEPS=2")
QUICK = ("TICKS=2", "HARDS=1", "STEPS=2")
LIVE = ("LIVE", "HARDS=1", "STEPS=1")
# Each with what spin says of it.
MISTAKES = {
    "LATE_DISARM": "assertion violated",
    "NO_PAD": "assertion violated",
    "LOOK_BARE": "assertion violated",
    "NO_DOOM": "assertion violated",
    "ONCE": "acceptance cycle",
}


@dataclass(frozen=True)
class Outcome:
    """What a run has visited, and the first error, empty if there is none."""

    states: int
    depth: int
    error: str


def install() -> None:
    """Have spin and a C compiler."""
    install_missing(_PACKAGES, purpose=_PURPOSE, progress=print)


def verify(*defines: str) -> Outcome:
    """Visit all states of the model with these preprocessor names."""
    is_live = "LIVE" in defines
    with tempfile.TemporaryDirectory() as folder:
        names = [f"-D{name}" for name in defines]
        _run(["spin", "-a", *names, str(MODEL)], folder)
        how = ["-DNFAIR=3"] if is_live else ["-DSAFETY"]
        # GCC takes longer to make a program quick than a small search takes that is not.
        is_long = is_live or any(name in defines for name in BOUNDS[:2])
        level = "-O2" if is_long else "-O0"
        _run(["gcc", level, "-w", "-DCOLLAPSE", *how, "-o", "pan", "pan.c"], folder)
        search = ["-a", "-f"] if is_live else []
        said = _run(["./pan", "-E", f"-m{_DEPTH_MAX}", *search], folder)
    error = re.search(r"pan:1: (.*) \(at depth", said)
    return Outcome(
        _number(r"(\d+) states, stored", said),
        _number(r"depth reached (\d+)", said),
        error[1] if error else "",
    )


def _run(command: list[str], folder: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"spin does not say {pattern}: {text}")
    return int(found[1])


def main() -> int:
    """Verify all, and print a line for each run."""
    parser = argparse.ArgumentParser(description="Verify the kill protocol.")
    parser.add_argument("--quick", action="store_true", help="with fewer interrupts: seconds")
    bounds = QUICK if parser.parse_args().quick else BOUNDS
    install()
    status = 0
    for name, defines in (
        ("services", bounds),
        ("guest", (*bounds, "GUEST")),
        ("a struck step ends", LIVE),
    ):
        outcome = verify(*defines)
        status = status or bool(outcome.error)
        end = outcome.error or "no error"
        print(f"{name:20} {outcome.states:9} states, depth {outcome.depth:5}: {end}", flush=True)
    for name, expected in MISTAKES.items():
        outcome = verify(*(LIVE if name == "ONCE" else QUICK), name)
        is_found = expected in outcome.error
        status = status or not is_found
        print(f"{name:20} {'found' if is_found else 'NOT FOUND'}: {outcome.error}", flush=True)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
