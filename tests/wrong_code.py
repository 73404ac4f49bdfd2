"""A service with one wrong line, and what `bulkhead check` says of it."""

from pathlib import Path

from wrong_applications import MARK, SYSTEM, manifest, write

from bulkhead_host.commands.check import check
from bulkhead_host.system.examine import load_system

HEAD = """\
import time

from bulkhead import OK, TIMEOUT
from bulkhead.asking import ask
from services.led.api import SET, STATE, TOGGLE
from services.logger.api import INFO


def helper(task, value):
    yield task.sleep(value)
    return value


class Light:
    def __init__(self, task):
        self.task = task
        self.spare = Lamp()

    def blink(self, count):
        yield self.task.sleep(count)


class Lamp:
    def fade(self, task):
        yield task.sleep(1)


def main(task):
    led, logger = task.cap("led"), task.cap("logger")
    light = Light(task)
    lamp = Lamp()
    while True:
"""
MODULES = '["machine", "machine.lightsleep", "_thread"]'


def wrong(folder: Path, body: str, *, head: str = HEAD) -> list[str]:
    """Return what is said of the line with the mark in the service `till`, and of no other."""
    text = head + body
    if "machine" in body:
        text = "import machine\n" + text
    uses = 'led = ["call"]\nlogger = ["send"]'
    files = {
        "system.toml": SYSTEM,
        "till/service.toml": manifest("till", f"modules = {MODULES}", uses=uses),
        "till/service.py": text,
    }
    found = check(write(folder, files)).problems
    # What the manifest may do beside, as to put the board to sleep, is warned of by its own test.
    problems = [problem for problem in found if problem.path.name == "service.py"]
    marked = [n for n, row in enumerate(text.splitlines(), 1) if MARK in row]
    assert [problem.line for problem in problems] == marked, "\n".join(map(str, problems))
    assert load_system(folder)  # a service that fails harms itself alone: it is built all the same
    return [problem.text for problem in problems]
