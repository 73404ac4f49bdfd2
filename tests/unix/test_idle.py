"""A board of the unix port that idles waits for its next deadline: it does not look around."""

import subprocess
from pathlib import Path

_SCRIPT = """
import os

from cases.rig import Rig
from kernel.boot import build
from kernel.layout import STOPPED
from kernel.levels import main_level
from port.unix import Port


def wakes():
    total = 0
    for thread in os.listdir("/proc/self/task"):
        with open("/proc/self/task/%s/status" % thread) as status:
            for line in status:
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
    return total


def sleeping(task):
    yield task.sleep(100)
    kernel = made[0]
    before, began = wakes(), kernel.port.uptime_ms()
    yield task.sleep(3000)
    print(wakes() - before, kernel.port.uptime_ms() - began)
    kernel.words[STOPPED] = 1
    yield task.recv()


def waiting(task):
    yield task.recv()


rig = Rig(Port())
rig.add("sleeping", sleeping)
rig.add("waiting", waiting, lines=LINES)
made = [build(tuple(rig.rows), rig.port)]
main_level(made[0])
"""
# Looks for a signal, a garbage collection, and the ways into the wait and out of it.
_WAKES_MAX = 60


def _idles(micropython: Path, folded_firmware: Path, lines: str) -> tuple[int, int]:
    """Return how often an idle process woke in three seconds, and how long they were in ms."""
    tests = Path(__file__).parents[1]
    process = subprocess.Popen(
        [micropython, "-c", _SCRIPT.replace("LINES", lines)],
        env={"MICROPYPATH": f"{folded_firmware}:{tests}:.frozen"},
        stdin=subprocess.PIPE,  # on which nothing comes
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        process.kill()
    wakes, ms = [int(word) for word in words]
    return wakes, ms


def test_an_idle_board_without_a_console_hardly_wakes(
    micropython: Path, folded_firmware: Path
) -> None:
    wakes, ms = _idles(micropython, folded_firmware, "()")
    assert wakes <= _WAKES_MAX
    assert 3000 <= ms <= 3010


def test_an_idle_board_with_a_console_hardly_wakes(
    micropython: Path, folded_firmware: Path
) -> None:
    wakes, ms = _idles(micropython, folded_firmware, '("console",)')
    assert wakes <= _WAKES_MAX
    assert 3000 <= ms <= 3010
