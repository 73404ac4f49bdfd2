"""Runs the console blocks of a README, and compares what they print with what it shows.

A line of three dots stands for any lines. Of the others, times and states may differ, and
what the README leaves out at their ends.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from bulkhead_host import abi
from pytest_bulkhead.processes import with_parent

_OF_AN_OUTER_MAKE = ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL")
_STATES = "|".join(abi.STATE_NAMES)
_TIMEOUT_S = 300


class Shell:
    """Runs the commands of one block, those that end in `&` until the block has ended.

    The working folder and the PATH stay from one command to the next.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._left_running: list[subprocess.Popen[str]] = []

    def run(self, command: str) -> list[str]:
        """Return the lines a command prints; of one left running, the first."""
        if not command.endswith("&"):
            process = self._start(f'{command}\nprintf "%s\\n%s\\n" "$PWD" "$PATH"')
            printed, _ = process.communicate(timeout=_TIMEOUT_S)
            *lines, place, self._path = printed.splitlines()
            self.folder = Path(place)
            return [line.rstrip() for line in lines]
        process = self._start("exec " + command.removesuffix("&"))
        self._left_running.append(process)
        return [_output(process).readline().rstrip()]

    def close(self) -> None:
        """End what was left running, as Ctrl-C would."""
        for process in self._left_running:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_TIMEOUT_S)

    def _start(self, command: str) -> subprocess.Popen[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in _OF_AN_OUTER_MAKE and "PYTEST" not in name
        }
        environment["PATH"] = self._path
        return subprocess.Popen(
            [*with_parent(), "bash", "-c", command],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )


def blocks(readme: Path) -> list[list[str]]:
    """Return the lines of each console block of a README."""
    found = re.findall(r"^```console\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in found]


def sessions(block: list[str]) -> list[tuple[str, list[str]]]:
    """Return the commands of a block, which begins with one, each with the output shown."""
    shown: list[tuple[str, list[str]]] = []
    for line in block:
        if line.startswith("$ "):
            shown.append((line.removeprefix("$ "), []))
        else:
            shown[-1][1].append(line)
    return shown


def differences(shown: list[str], seen: list[str]) -> list[str]:
    """Return the lines shown that were not seen where they should have been."""
    rest = [_shape(line) for line in seen]
    may_pass_over = False
    for line in shown:
        if line == "...":
            may_pass_over = True
            continue
        places = [index for index, other in enumerate(rest) if other.startswith(_shape(line))]
        if not places or (places[0] > 0 and not may_pass_over):
            return [line]
        rest = rest[places[0] + 1 :]
        may_pass_over = False
    return [] if may_pass_over or not rest else rest


def _shape(line: str) -> str:
    line = re.sub(r"\d+\.\d{3}\b", "TIME", line)
    line = re.sub(r"\b\d+ bytes\b", "N bytes", line)
    line = re.sub(rf"\b({_STATES})\b", "STATE", line)
    return " ".join(line.split())


def _output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout
