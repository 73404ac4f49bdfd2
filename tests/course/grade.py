"""`make grade ARGS=lab3`: say what of a lab a hand-in does, and what not.

`--hand-in FILE` grades another file than that of the tree, and `--all` all labs. The exit code is
0 when everything is done, 1 when something is missing, 2 for a lab that there is none of.
"""

import argparse
import sys
import traceback
from pathlib import Path

import pytest

from bulkhead_host.paths import source_root
from bulkhead_host.system.document import Document
from bulkhead_host.system.manifest import Service
from bulkhead_host.system.reading.source import Source, parsed
from bulkhead_host.system.reading.waits import wrong_waits
from course.bench import Bench, Wrong
from course.labs import LABS, Check

HAND_INS = source_root() / "host_tools" / "docs" / "course"


def grade(lab: str, hand_in: Path) -> list[tuple[str, str]]:
    """Return what each check of a lab shows, and what is wrong, or nothing."""
    return [(text, _problem(check, hand_in)) for text, check in LABS[lab]]


def unwaited(hand_in: Path) -> list[str]:
    """Return the lines that make a system call, or run a helper, and do not wait for it."""
    tree = parsed(hand_in)
    if tree is None:
        return []
    service = Service(
        name=hand_in.stem, folder=hand_in.parent, priority=0, document=Document(path=hand_in)
    )
    source = Source(file=hand_in, tree=tree, service=service, services={}, board=None)
    return [f"line {one.line}: {one.text}" for one in wrong_waits(source)]


def _problem(check: Check, hand_in: Path) -> str:
    """Run one check in a system of its own; return what is wrong, or nothing."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            check(Bench(patch, hand_in))
        except Wrong as wrong:
            return str(wrong)
        except SyntaxError as error:
            return f"line {error.lineno}: {error.msg}"
        except (Exception, SystemExit) as error:  # a hand-in may do anything
            place = traceback.extract_tb(error.__traceback__)[-1]
            return f"{type(error).__name__}: {error}, {Path(place.filename).name}:{place.lineno}"
    return ""


def main(words: list[str]) -> int:
    """Grade what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="make grade ARGS=...", description=__doc__)
    parser.add_argument("lab", nargs="?", choices=sorted(LABS), help="lab1 to lab8")
    parser.add_argument("--hand-in", type=Path, metavar="FILE", help="the file to grade")
    parser.add_argument("--all", action="store_true", help="grade all labs of the tree")
    options = parser.parse_args(words)
    if options.lab is None and not options.all:
        parser.error("name a lab, as in make grade ARGS=lab1, or --all")
    missing = 0
    for lab in sorted(LABS) if options.all else [options.lab]:
        hand_in = options.hand_in or HAND_INS / f"{lab}.py"
        if not hand_in.is_file():
            parser.error(f"{hand_in} does not exist")
        found = grade(lab, hand_in)
        for text, problem in found:
            print(f"{lab}: {'no ' if problem else 'yes'} {text}")
            if problem:
                print(f"          {problem}")
        for text in unwaited(hand_in):
            print(f"{lab}: {text}")
        done = sum(not problem for _, problem in found)
        print(f"{lab}: {done} of {len(found)}")
        missing += len(found) - done
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
