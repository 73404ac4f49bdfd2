"""What is read in a service's code, kind by kind: what is wrong is named, what is right is not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from wrong_applications import MARK, START, SYSTEM, manifest, write
from wrong_code import HEAD, MODULES

from bulkhead_host.paths import source_root
from bulkhead_host.problem import Problem, Report
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.manifest import load_application
from bulkhead_host.system.reading import read_code
from bulkhead_host.system.reading.pins import unfit_pins

Read = Callable[..., list[Problem]]

API = """\
from micropython import const

READ = const(1)  # -> OK, arg: how much
ADD = const(2)  # arg: how much -> OK
"""
TOOLS = """\
def pause(task, ms):
    yield task.sleep(ms)


def double(value):
    return 2 * value
"""
OPERATIONS = """\
from services.i2c.api import READ, WRITE
from services.pwm.api import SET as WAVE
"""
LINE = '[[line]]\nname = "stop"\nsource = "pin"\npin = "gp14"\ntrigger = "rising"\n'


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Return what reads a text as `service.py`, of `till` or of the hard driver `cutoff`.

    All else of the application is read once.
    """
    folder = tmp_path_factory.mktemp("shop")
    uses = 'led = ["call"]\nlogger = ["send", "notify"]\n'
    hard = manifest(
        "cutoff",
        "priority = 0",
        "hard = true",
        'pins = ["gp16"]',
        uses='logger = ["notify"]\n' + LINE,
    )
    files = {
        "system.toml": SYSTEM.replace(START, START.replace("]", ', "pwm", "cutoff"]')),
        "till/service.toml": manifest("till", "budget_ms = 10", f"modules = {MODULES}", uses=uses),
        "till/api.py": API,
        "till/tools.py": TOOLS,
        "lib/shared.py": "def rest(task):\n    yield task.sleep(1)\n",
        "cutoff/service.toml": hard,
    }
    report = Report()
    shipped = source_root() / "services"
    application = load_application(write(folder, files), shipped=shipped, report=report)
    assert application is not None, report.problems
    services = {service.name: service for service in application.services}
    board = board_named("pico")

    def read(text: str, *, hard: bool = False) -> list[Problem]:
        service = services["cutoff" if hard else "till"]
        (service.folder / "service.py").write_text(text)
        found = Report()
        read_code(service, services, board, found)
        told = [one for one in found.problems if one.path.name == "service.py"]
        return [one for one in told if not one.text.startswith("the manifest lets it call")]

    return read


def said(found: list[Problem], text: str, words: str) -> bool:
    """Tell whether the marked lines are named, and no other, with the words among what is said."""
    marked = [n for n, row in enumerate(text.splitlines(), 1) if MARK in row]
    assert sorted({problem.line for problem in found}) == marked, "\n".join(map(str, found))
    return any(words in problem.text for problem in found)


WRONG = {
    "trap as an operand": ("yield task.send(logger, INFO, task.call(led, STATE))", "yield is mi"),
    "trap as a keyword": ("yield task.call(led, SET, arg=task.sleep(1))", "yield is missing"),
    "trap as a text": ("text = str(task.call(led, STATE))", "yield is missing"),
    "trap in a list": ("waits = [task.sleep(1)]", "yield is missing"),
    "trap in a sum": ("count = 1 + task.sleep(1)", "yield is missing"),
    "trap in a test": ("if task.call(led, STATE): continue", "yield is missing"),
    "trap that is kept": ("light.waits.append(task.sleep(1))", "yield is missing"),
    "row of a trap": ("for one in task.call(led, STATE): pass", "yield is missing"),
    "helper that is uncalled": ("yield from helper", "the parentheses are missing"),
    "yield of a number": ("yield 1.5", "1.5 is no trap"),
    "yield of nothing": ("yield", "nothing is no trap"),
    "yield of a tuple": ("yield (led, STATE)", "is no trap"),
    "yield of a status": ("yield OK", "OK is no trap"),
    "yield of a sleep": ("yield time.sleep_ms(1)", "time.sleep_ms gives no trap"),
    "trap in finally": ("try: pass\n        finally: yield task.sleep(1)", "a trap in finally"),
    "negative wait": ("yield task.sleep(-1)", "sleep waits -1 ms"),
    "negative timeout": ("yield task.recv(-5)", "recv waits -5 ms"),
    "negative timeout of a call": ("yield task.call(led, STATE, None, -5)", "call waits -5 ms"),
    "no bits": ("yield task.notify(logger, 0)", "notify of no bit"),
    "no line": ("yield task.acknowledge(led)", "acknowledge takes an interrupt line"),
    "status that is a bool": ("ok = (yield task.call(led, STATE)) is True", "none is True"),
    "too many values": ("text = '%d' % (1, 2)", "shows 1 values, and is given 2"),
    "too few values": ("text = '%d %s' % (1,)", "shows 2 values, and is given 1"),
    "no way to show": ("text = '%y' % 1", "no way to show a value"),
    "too few fields": ("text = '{} {}'.format(1)", "shows 2 values, and is given 1"),
    "field without a value": ("text = '{a} {b}'.format(a=1)", "is not given b"),
    "own method": ("light.blinks(1)", "light is of Light, which has no blinks"),
    "own attribute": ("count = lamp.count", "lamp is of Lamp, which has no count"),
    "name of a module": ("now = time.perf_counter()", "time has no perf_counter"),
    "name of a class": ("mode = machine.Pin.OUTPUT", "machine.Pin has no OUTPUT"),
    "method of an object": ("machine.ADC(0).read()", "machine.ADC has no read"),
    "method of a text": ("text = 'a'.removeprefix('b')", "str has no removeprefix"),
    "method of a made text": ("text = str(led).zfill(3)", "str has no zfill"),
    "method of some text": ("text = light.name().ljust(3)", "str has no ljust"),
    "error of CPython": ("try: pass\n        except TimeoutError: pass", "has no TimeoutError"),
    "pauses together": ("for _ in range(9): time.sleep_ms(2)", "without a yield in between holds"),
    "pauses after one another": (
        "time.sleep_ms(6)\n        time.sleep_ms(6)",
        "without a yield in between holds the processor for 12 ms",
    ),
    "wait by the clock": ("while time.ticks_ms() < 5: pass", "holds the processor until"),
    "wait by pauses": ("while light.spare: time.sleep_us(1)", "holds the processor until"),
    "continue for ever": ("while True:\n            if led: continue", "holds the processor unti"),
    "swapped bus": ("machine.I2C(1, sda=machine.Pin(3), scl=machine.Pin(2))", "not sda of i2c1"),
    "pin of another bus": ("machine.UART(0, 9600, tx=machine.Pin(8))", "gp8 is not tx of uart0"),
    "swapped SPI": ("machine.SPI(1, mosi=machine.Pin(12))", "gp12 is not mosi of spi1"),
    "pin without ADC": ("machine.ADC(10)", "gp10 has no ADC"),
    "waves of one slice": ("machine.PWM(10), machine.PWM(11)", "gp11 and gp10 here are of one"),
    "wave of another service": ("machine.PWM(machine.Pin(22))", "gp22 and gp6 of pwm are of one"),
    "function in a message": ("yield task.send(logger, INFO, helper)", "helper, a function"),
    "class in a message": ("yield task.send(logger, INFO, Lamp)", "Lamp, a class"),
    "method in a message": ("yield task.call(led, SET, light.blink)", "that is not called"),
    "pin in a message": ("pin = machine.ADC(0); yield task.call(led, SET, pin)", "of machine.ADC"),
    "argument by name": ("text = 'a b'.split(sep=' ')", "takes no argument by the name sep"),
    "argument of print": ("print('a', flush=True)", "takes no argument by the name flush"),
    "argument of a class": ("lamp = Lamp(5)", "Lamp takes 0 arguments, and is given 1"),
    "rounds without a yield": (
        "for _ in range(10_000_000): pass",
        "10000000 rounds without a yield",
    ),
    "name of a module of its own": ("rest = tools.pauze", "services.till.tools has no pauze"),
    "helper of a module": ("tools.pause(task, 1)", "tools.pause(...) runs nothing by itself"),
    "helper of lib": ("rest(task)", "rest(...) runs nothing by itself"),
    "no generator of a module": ("yield from tools.double(2)", "tools.double has no yield"),
    "module of CPython": ("import functools", "there is no module functools"),
    "module of its own": ("from services.till.gone import go", "no module services.till.gone"),
    "address of eight bits": (
        'yield task.call(task.cap("i2c"), WRITE, (0xEC, b""))',
        "0xec is no address on",
    ),
    "address of a read": ("led.readfrom_mem(0x88, 0, 1)", "0x88 is no address on I2C"),
    "operands with a name": (
        "what = (120, 1); yield task.call(lamp.i2c, READ, what)",
        "0x78 is no add",
    ),
    "share beyond all": (
        'yield task.call(task.cap("pwm"), WAVE, (0, 50, 65_536))',
        "65,536 of 65,535 is no",
    ),
    "wave too slow": ('yield task.call(task.cap("pwm"), WAVE, (0, 7, 9))', "no wave of 7 Hz"),
    "call of itself": ("def deep(n): return 1 + deep(n - 1)", "deep calls itself each time"),
    "wait for itself": ("def deep(n): yield from deep(n - 1)", "deep calls itself each time"),
    "frame of a closure": ("def tick(): task.sleep(1)", "task.sleep(...) does nothing by itself"),
}


@pytest.mark.parametrize(
    ("name", "pins", "words"),
    [
        ("i2c", ["gp5", "gp4"], 'pins = ["gp4", "gp5"]: sda, scl come first'),
        ("i2c", ["gp4", "gp7"], "see the board's page"),
        ("spi", ["gp19", "gp18", "gp16", "gp17"], 'pins = ["gp18", "gp19", "gp16", "gp17"]: sck'),
        ("spi", ["gp14", "gp19", "gp16", "gp17"], "see the board's page"),
        ("i2c", ["gp26", "gp27"], ""),
        ("spi", ["gp10", "gp11", "gp12", "gp9", "gp20"], ""),
    ],
)
def test_pins_of_a_bus_that_cannot_have_them_are_named(
    name: str, pins: list[str], words: str
) -> None:
    report = Report()
    application = load_application(
        source_root() / "services", shipped=source_root() / "services", report=report
    )
    assert application is not None
    service = replace(application.services[0], folder=Path(name), pins=tuple(pins))
    found = list(unfit_pins(service, board_named("pico")))
    assert [words in hint for _, _, hint in found] == ([True] if words else [])


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_named(read: Read, kind: str) -> None:
    line, words = WRONG[kind]
    head = f"import machine\n{HEAD}" if "machine" in line else HEAD
    head = f"from services.till import tools\nfrom shared import rest\n{OPERATIONS}{head}"
    text = f"{head}        {line}  {MARK}\n        yield task.recv()\n"
    found = read(text)
    shift = {
        "pauses after one another",
        "trap in finally",
        "error of CPython",
        "continue for ever",
    }
    if kind in shift:
        assert any(words in problem.text for problem in found), found
    else:
        assert said(found, text, words), found


RIGHT = {
    "traps of a list that is yielded": "status = yield (task.sleep(1) if led else task.recv())",
    "trap that a plain function gives": "yield (lambda: task.sleep(1))()",
    "helper for others": "light.run(helper(task, 1))",
    "ping": "is_there = (yield task.notify(logger, 0)) == OK",
    "one value that may be a tuple": "text = '%d %d' % led",
    "values of a dict": "text = '%(a)d' % light",
    "sign": "text = '%d %%' % 5",
    "width from a value": "text = '%*d' % (5, 6)",
    "the last address": 'yield task.call(task.cap("i2c"), WRITE, (0x77, b""))',
    "the whole share": 'yield task.call(task.cap("pwm"), WAVE, (0, 8, 65_535))',
    "a call of itself that ends": "def deep(n): return n and deep(n - 1)",
    "braces": "text = '{{}} {0} {0}'.format(1)",
    "what is set from outside": "light.extra = 1; count = light.extra",
    "what may be lacking": "try: time.perf_counter()\n        except AttributeError: pass",
    "method that is there": "text = 'a'.upper().strip()",
    "a pause below the budget": "for _ in range(4): time.sleep_ms(2)",
    "pauses with a yield between": "\n        ".join(
        ["time.sleep_ms(6)", "yield task.recv()", "time.sleep_ms(6)"]
    ),
    "condition that changes": "\n        ".join(
        ["while True:", "    if light.is_on(): continue", "    yield task.recv()"]
    ),
    "first run, then the next": "while True:\n            if led: yield task.sleep(1)\n"
    "            if not led: yield task.sleep(1)",
}


@pytest.mark.parametrize("kind", RIGHT)
def test_what_is_right_is_not_named(read: Read, kind: str) -> None:
    head = HEAD.replace(
        "    def blink(",
        "    def run(self, one): return one\n\n    is_on = name = run\n\n    def blink(",
    )
    assert read(f"{OPERATIONS}{head}        {RIGHT[kind]}\n        yield task.recv()\n") == []


STEP = """\
import struct
import time

from machine import Pin

NAME = "x"
LEVEL = 7


class Cut:
    pass


def cut(task):
    yield task.notify(task.cap("logger"), 1)


def main(task):
    stop, logger = task.cap("stop"), task.cap("logger")
    off = Pin(16, Pin.OUT).off
    data = bytearray(8)
    seen = count = 0
    while True:
        yield task.recv()
        {line}  {mark}
        yield task.acknowledge(stop)
"""
ALLOCATES = (
    *("seen = (off(), 2)", "seen = [1]", "seen = {1: 2}", "seen = {1, 2}", "seen = data[1:3]"),
    *("seen = '%d' % count", "seen = NAME + 'b'", "seen = f'{count}'", "seen = lambda: 1"),
    *("off(*data)", "seen = 1 << 31", "seen = count * 5_000_000_000", "seen = count / 2"),
    *("count += 0.5", "seen = [i for i in data]", "seen = (i for i in data)", "import os"),
    *("seen = memoryview(data)", "data.append(1)", "seen = struct.pack('B', 1)", "seen = Cut()"),
    *("seen = time.time()", "seen = data.decode()", "def later(): pass", "yield from cut(task)"),
)


@pytest.mark.parametrize("line", ALLOCATES)
def test_what_allocates_in_a_hard_step_is_named(read: Read, line: str) -> None:
    text = STEP.format(line=line, mark=MARK)
    assert said(read(text, hard=True), text, "allocates, which a hard step must not")


def test_a_hard_step_that_sleeps_is_named(read: Read) -> None:
    text = STEP.format(line="time.sleep_ms(1)", mark=MARK)
    assert said(read(text, hard=True), text, "a hard step sleeps 1000 us")


def test_what_a_hard_step_calls_is_read_as_well(read: Read) -> None:
    head = f"def note():\n    return [1]  {MARK}\n\n\n"
    text = head + STEP.format(line="note()", mark="")
    assert said(read(text, hard=True), text, "[1] allocates")


@pytest.mark.parametrize(
    "line",
    [
        *("off()", "count = count + 1 & 255", "seen = data[0]", "seen, count = count, seen"),
        *(
            "seen = count in (1, 2, LEVEL)",
            "time.sleep_us(10)",
            "struct.pack_into('B', data, 0, 1)",
        ),
        *("seen = time.ticks_ms()", "if count > LEVEL: off()", "data[0] = 1 << 7"),
    ],
)
def test_what_a_hard_step_may_do_is_not_named(read: Read, line: str) -> None:
    assert read(STEP.format(line=line, mark=""), hard=True) == []


KEEPER = """\
class Keeper:
    def __init__(self):
        self.count = 0

{methods}

def main(task):
    task.carry_over(Keeper())
    while True:
        yield task.recv()
"""
EXPORT = "    def export_state(self):\n        return self.count\n"
IMPORT = "    def import_state(self, version, state):\n        self.count = state\n"


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (EXPORT.replace("):", f"):  {MARK}"), "export_state without import_state"),
        (IMPORT.replace("):", f"):  {MARK}"), "import_state without export_state"),
        (EXPORT + IMPORT.replace("version, state):", f"state):  {MARK}"), "called with 2 values"),
        (EXPORT.replace("self):", f"self, version):  {MARK}") + IMPORT, "called with no values"),
        (EXPORT.replace("self.count", f"[self.count]  {MARK}") + IMPORT, "no state holds"),
    ],
)
def test_a_state_that_no_update_carries_over_is_named(
    read: Read, methods: str, words: str
) -> None:
    text = KEEPER.format(methods=methods)
    assert said(read(text), text, words)
    assert read(KEEPER.format(methods=EXPORT + IMPORT)) == []


SERVER = """\
from bulkhead import OK, REFUSED, TIMEOUT
from services.till.api import ADD, READ


def main(task):
    waiting = []
    while True:
        operation = yield task.recv(1000)
        arg, caller = task.arg, task.caller()
        if operation == TIMEOUT:
            waiting.clear()
        elif operation == READ:
            {read}
        elif operation == ADD:
            yield task.reply(OK)
        else:
            yield task.reply(REFUSED)
"""


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["if arg:", "    yield task.reply(OK)", "else:", f"    pass  {MARK}"], "does not reply"),
        ([f"if arg:  {MARK}", "    yield task.reply(OK)"], "does not reply"),
        (
            ["yield task.reply(OK)", f"yield task.reply_to(caller, OK)  {MARK}"],
            "answered already",
        ),
        (
            ["yield task.reply_to(caller, OK)", f"yield task.reply_to(caller, OK)  {MARK}"],
            "answered already",
        ),
        (
            ["if arg:", "    yield task.reply(REFUSED)", f"yield task.reply(OK)  {MARK}"],
            "answered already, in line 14",
        ),
        (["yield task.sleep(1)", f"yield task.reply(OK, task.arg)  {MARK}"], "read after task.sl"),
    ],
)
def test_a_caller_that_waits_or_is_answered_twice_is_named(
    read: Read, lines: list[str], words: str
) -> None:
    text = SERVER.format(read="\n            ".join(lines))
    assert said(read(text), text, words)


@pytest.mark.parametrize(
    "lines",
    [
        ["if arg:", "    yield task.reply(OK)", "else:", "    waiting.append(caller)"],
        ["if arg:", "    yield task.reply(OK)", "    continue", "yield task.reply(REFUSED)"],
        ["for one in waiting:", "    yield task.reply_to(one, OK)", "yield task.reply(OK)"],
    ],
)
def test_a_caller_that_is_answered_once_is_not_named(read: Read, lines: list[str]) -> None:
    assert read(SERVER.format(read="\n            ".join(lines))) == []


KEPT = """\
from services.led.api import SET


class Driver:
    def __init__(self, task):
        self.task = task
        self.led = task.cap("led")

    def run(self):
        {line}  {mark}
        yield self.task.recv()


def main(task):
    yield from Driver(task).run()
    while True:
        yield task.recv()
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("yield self.task.call(self.led, 77)", "led has no operation 77"),
        ("yield self.task.send(self.led, SET, 1)", "no right to send led"),
        ("yield self.task.call(self.task.cap('lad'), SET)", "no capability 'lad'"),
        ("yield (1, 2)", "(1, 2) is no trap"),
        ("yield self.task.reply(0); yield self.task.reply(0)", "answered already"),
        ("yield self.task.wait(1)", "the frame has no wait"),
        ("Driver()", "Driver is not given task"),
    ],
)
def test_what_an_object_does_with_the_frame_it_keeps_is_read(
    read: Read, line: str, words: str
) -> None:
    text = KEPT.format(line=line, mark=MARK)
    assert said(read(text), text, words)


def test_an_operation_that_it_does_not_know_is_to_be_answered(read: Read) -> None:
    text = SERVER.format(read="yield task.reply(OK)")
    text = text.replace("        else:\n            yield task.reply(REFUSED)\n", "")
    assert ["what it does not know is called" in one.text for one in read(text)] == [True]
    asked = text.replace(
        "elif operation == READ",
        "elif not caller:\n            pass\n        elif operation == READ",
    )
    assert read(asked) == []
