"""What `bulkhead check` reads in a service's code: each mistake is named by its line."""

from pathlib import Path

import pytest
from wrong_applications import MARK, SYSTEM, manifest, write
from wrong_code import HEAD, wrong

from bulkhead_host.commands.check import check
from bulkhead_host.paths import source_root

# The line that is wrong, and what is said of it.
LINES = {
    "yield forgotten": ('task.send(logger, INFO, "up")', "the yield is missing"),
    "yield forgotten in a test": ("ok = task.call(led, TOGGLE) == OK", "the yield is missing"),
    "yield from forgotten": ("helper(task, 1)", "the yield from is missing"),
    "yield for yield from": ("yield helper(task, 1)", "yield gives it away unrun"),
    "yield from forgotten at the library's": ("ask(task, led, TOGGLE)", "yield from is missing"),
    "yield from forgotten at a method": ("lamp.fade(task)", "lamp.fade(...) runs nothing"),
    "yield from forgotten at an object's": ("light.blink(1)", "light.blink(...) runs nothing"),
    "yield for yield from a method": ("yield light.blink(1)", "yield gives it away unrun"),
    "argument of a method": ("yield from lamp.fade()", "lamp.fade is not given task"),
    "operation for a handle": ("yield task.call(TOGGLE, 1)", "TOGGLE is an operation"),
    "no operation for ask": ("yield from ask(task, led)", "ask is not given operation"),
    "operation for a handle of ask": (
        "yield from ask(task, TOGGLE, 1)",
        "ask takes a handle first, and TOGGLE is an operation",
    ),
    "no such operation of ask": ("yield from ask(task, led, 77)", "led has no operation 77"),
    "yield from a trap": ("yield from task.sleep(1)", "a trap is a number"),
    "yield of a float": ("yield 1.5", "1.5 is no trap"),
    "yield of a text": ('yield f"{led} is on"', "is no trap"),
    "yield of a negative number": ("yield -1", "-1 is no trap"),
    "yield of a pair": ("yield led, 1", "(led, 1) is no trap"),
    "recv without parentheses": ("yield task.recv", "the parentheses are missing"),
    "return for ever": ("return", "ends here, which is a fault where restart is permanent"),
    "value called": ("value = task.arg()", "task.arg is a value"),
    "await in a generator": ("await task.recv()", "await in def main"),
    "no such operation": ("yield task.call(led, 77)", "led has no operation 77"),
    "status dropped": (
        "yield task.call(led, TOGGLE); yield task.reopen(led)",
        "nobody looks at the status of this call: when it is DEAD, led is not reopened",
    ),
    "no such name": ("yield task.sleep(PAUSE_MS)", "undefined name 'PAUSE_MS'"),
    "no such method": ("yield task.wait(1)", "the frame has no wait"),
    "too many arguments": ("yield task.sleep(1, 2)", "takes 1 arguments, and is given 2"),
    "argument of another name": ("yield task.recv(timeout=5)", "has no argument timeout"),
    "argument of a helper": ("yield from helper(task)", "helper is not given value"),
    "list in a message": ("yield task.call(led, SET, [1])", "no message holds [1]"),
    "dict in a message": ("yield task.call(led, SET, (1, {}))", "no message holds {}"),
    "long text": ('yield task.send(logger, INFO, "x" * 300)', "300 bytes"),
    "large stash": ('yield task.stash("x" * 5000)', "5000 bytes"),
    "name for a handle": ('yield task.call("led", TOGGLE)', "takes a handle, not the name 'led'"),
    "sleeping processor": ("time.sleep(1)", "holds the processor for 1000 ms"),
    "printing": ('print("up")', "print is for a person"),
    "pin by number": ("machine.Pin(18)", "pin 18 is not its own"),
    "a timer": ("machine.Timer(-1, period=5, callback=print)", "machine.Timer: its callback runs"),
    "a pin's callback": ("led.irq(handler=print)", "irq: a callback runs outside every service"),
    "a type's callback": ("machine.UART.irq(led, print)", "irq: a callback runs outside"),
    "a socket's callback": ("led.setsockopt(1, 20, print)", "option 20: a socket's callback"),
}
IMPORTS = {
    "name that an api has not": ("from services.led.api import BLINK", "has no BLINK"),
    "name that the library has not": ("from bulkhead.asking import asks", "has no asks"),
    "name that bulkhead has not": ("from bulkhead import GONE", "bulkhead has no GONE"),
    "sleeping chip": ("from machine import lightsleep", "lightsleep stops every service"),
    "threads": ("import _thread", "_thread: a thread runs outside"),
    "a timer": ("from machine import Timer", "machine.Timer: its callback runs outside"),
    "a scheduled call": ("from micropython import schedule", "micropython.schedule: its callback"),
    "the terminal": ("from os import dupterm", "os.dupterm: its callback runs outside"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("shop")


@pytest.mark.parametrize("kind", LINES)
def test_a_mistake_is_named_by_its_line(folder: Path, kind: str) -> None:
    line, words = LINES[kind]
    (text,) = wrong(folder, f"        {line}  {MARK}\n        yield task.recv()\n")
    assert words in text


@pytest.mark.parametrize("kind", IMPORTS)
def test_an_import_of_what_is_not_there_is_named(folder: Path, kind: str) -> None:
    line, words = IMPORTS[kind]
    head = f"{line}  {MARK}\n" + HEAD
    (text,) = wrong(folder, "        yield task.call(led, TOGGLE)\n", head=head)
    assert words in text


@pytest.mark.parametrize(
    "caught", ["except", "except BaseException", "except (KeyboardInterrupt,)"]
)
def test_a_handler_that_catches_the_kill_is_named(folder: Path, caught: str) -> None:
    body = f"        try:\n            yield task.call(led, STATE)\n        {caught}:  {MARK}\n"
    (text,) = wrong(folder, body + "            yield task.sleep(1)\n")
    assert "catches the kill" in text
    assert wrong(folder, (body + "            raise\n").replace(f"  {MARK}", "")) == []
    narrow = body.replace(f"{caught}:  {MARK}", "except Exception:")
    assert wrong(folder, narrow + "            yield task.sleep(1)\n") == []


def test_an_object_in_a_message_is_named(folder: Path) -> None:
    head = HEAD.replace("def helper", "class Till:\n    sum = 5\n\n\ndef helper")
    body = "        yield task.call(led, STATE)\n        till = Till()\n"
    (text,) = wrong(
        folder, body + f"        yield task.call(led, SET, (1, till))  {MARK}\n", head=head
    )
    assert "no message holds till, an object of Till" in text
    assert wrong(folder, body + "        yield task.call(led, SET, till.sum)\n", head=head) == []
    again = body + "        till = till.sum\n        yield task.call(led, SET, till)\n"
    assert wrong(folder, again, head=head) == []


def test_a_service_that_may_end_is_not_told_so(folder: Path) -> None:
    uses = 'led = ["call"]\nlogger = ["send"]'
    files = {
        "system.toml": SYSTEM,
        "till/service.toml": manifest("till", 'restart = "transient"', uses=uses),
        "till/service.py": HEAD + "        yield task.call(led, STATE)\n        return\n",
    }
    problems = check(write(folder, files)).problems
    assert [one for one in problems if "ends here" in one.text] == []


def test_a_loop_that_never_waits_is_named(folder: Path) -> None:
    body = f"        yield task.call(led, STATE)\n        while True:  {MARK}\n            pass\n"
    (text,) = wrong(folder, body)
    assert "holds the processor until the service is killed" in text


def test_an_answer_given_twice_is_named(folder: Path) -> None:
    body = "        yield task.recv()\n        yield task.call(led, STATE)\n"
    body += f"        yield task.reply(OK)\n        yield task.reply(OK)  {MARK}\n"
    (text,) = wrong(folder, body)
    assert "answered already" in text


def test_what_was_received_and_is_read_late_is_named(folder: Path) -> None:
    body = "        yield task.call(led, STATE)\n        operation = yield task.recv()\n"
    body += f"        yield task.sleep(1)\n        value = task.arg  {MARK}\n"
    (text,) = wrong(folder, body)
    assert "is read after task.sleep" in text


METHOD = """\
        self.task.sleep(1)
        self.blink(1)
        self.spare.fade(self.task)
        yield self.blink(1)
        yield self.task.sleep()
"""


@pytest.mark.parametrize("line", METHOD.splitlines())
def test_a_mistake_of_an_object_that_keeps_the_frame_is_named(folder: Path, line: str) -> None:
    head, main = HEAD.split("        yield self.task.sleep(count)\n")
    body = "        yield from light.blink(1)\n        yield task.recv()\n"
    right = "        yield from self.spare.fade(self.task)\n        yield self.task.sleep(count)\n"
    assert len(wrong(folder, body, head=f"{head}{line}  {MARK}\n{right}{main}")) == 1


def test_an_async_service_that_forgets_await_is_named(folder: Path) -> None:
    head = HEAD.replace("def main", "async def main").replace(
        "def helper(task, value):\n    yield ", "async def helper(task, value):\n    await "
    )
    (text,) = wrong(
        folder, f"        task.sleep(5)  {MARK}\n        await task.recv()\n", head=head
    )
    assert "the await is missing" in text


def test_what_is_right_is_not_named(folder: Path) -> None:
    body = """\
        operation = yield task.recv(1000 if led else None)
        if operation == TIMEOUT:
            yield from helper(task, 5)
            yield from light.blink(2)
            yield from lamp.fade(task) if led else ask(task, led, TOGGLE)
            status = yield task.call(led, SET, 1)
            if status == OK and (yield task.call(led, STATE)) == OK:
                yield task.send(logger, INFO, "it is %d" % task.arg)
        while (yield task.call(led, TOGGLE)) != OK:
            pass
        time.sleep_us(10)
"""
    assert wrong(folder, body) == []


@pytest.mark.parametrize(
    ("module", "call", "least_ms"), [("dht", "measure", 275), ("onewire", "scan", 22)]
)
def test_a_driver_that_takes_longer_than_its_step_is_named(
    tmp_path: Path, module: str, call: str, least_ms: int
) -> None:
    (tmp_path / "reader").mkdir()
    (tmp_path / "system.toml").write_text(
        '[system]\nname = "demo"\nboard = "pico"\n'
        'start = ["supervisor", "logger", "console", "reader"]\n'
    )
    (tmp_path / "reader" / "service.py").write_text(
        f"import {module}\n\n\ndef main(task):\n    {module}.made().{call}()\n"
        "    yield task.recv()\n    task.exit()\n"
    )
    for budget_ms, count in ((least_ms, 1), (least_ms + 1, 0)):
        (tmp_path / "reader" / "service.toml").write_text(
            f'[service]\nname = "reader"\npriority = 5\nbudget_ms = {budget_ms}\n'
            f'modules = ["{module}"]\n'
        )
        found = [one for one in check(tmp_path).problems if "or more" in one.text]
        assert [one.line for one in found] == [5] * count


def test_what_is_called_irq_and_is_no_callback_is_not_named(folder: Path) -> None:
    body = "        if led.irq() or led.irq is None:\n            yield task.sleep(1)\n"
    assert wrong(folder, body) == []


def test_memory_is_not_had_with_machine_alone(folder: Path) -> None:
    for line in ("import machine as chip\nX = chip.mem32\n", "from machine import mem32\n"):
        text = line + HEAD + "        yield task.recv()\n"
        files = {
            "system.toml": SYSTEM,
            "till/service.toml": manifest("till", 'modules = ["machine"]'),
            "till/service.py": text,
        }
        (problem,) = [one for one in check(write(folder, files)).problems if "mem32" in one.text]
        assert problem.text == "import of 'machine.mem32' is not in its service.toml"
        assert problem.next_step == 'modules = ["machine.mem32"]'


EXAMPLES = sorted(
    one.parent.name for one in (source_root() / "services/examples").glob("*/system.toml")
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_said_of_the_examples(name: str) -> None:
    found = check(source_root() / "services" / "examples" / name)
    assert [problem for problem in found.problems if problem.is_mistake] == []


@pytest.mark.parametrize(("keeps", "count"), [("driver", 0), ("other", 1)])
def test_a_driver_whose_time_is_kept_may_sleep(tmp_path: Path, keeps: str, count: int) -> None:
    (tmp_path / "reader").mkdir()
    (tmp_path / "system.toml").write_text(
        '[system]\nname = "app"\nboard = "pico"\n'
        'start = ["supervisor", "logger", "console", "i2c", "reader"]\n'
    )
    (tmp_path / "reader" / "service.toml").write_text(
        '[service]\nname = "reader"\npriority = 5\n\n[uses]\ni2c = ["call"]\n'
    )
    (tmp_path / "reader" / "driver.py").write_text(
        "import time\n\n\ndef read(bus):\n    time.sleep(1)\n    return bus.readfrom(8, 1)\n"
    )
    (tmp_path / "reader" / "service.py").write_text(
        "from services.i2c.api import Bus\nfrom services.reader import driver as driver\n\n\n"
        "def main(task):\n    bus = Bus(task, task.cap('i2c'))\n"
        f"    other = driver\n    bus.keep_time({keeps})\n"
        "    yield from bus.run(other.read, bus)\n    yield task.recv()\n"
    )
    found = [one for one in check(tmp_path).problems if "holds the processor" in one.text]
    assert len(found) == count
