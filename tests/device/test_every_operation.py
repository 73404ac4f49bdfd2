"""Whatever a client calls a service with, the client gets an answer, and the service goes on.

Every operation of every service that ships, as its `api.py` says, and one that it has not, with
values of wrong types, wrong shapes, and numbers on both sides of any limit.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.services import Service
from bulkhead_host.paths import source_root
from bulkhead_host.system.operations import load_interface

MANIFESTS = Path(__file__).parents[1] / "cases" / "every_app"
SHIPPED = source_root() / "services"
START = (
    *("supervisor", "logger", "console", "updater", "journal", "names", "store", "clock", "led"),
    *(
        "button",
        "thermometer",
        "gpio",
        "pwm",
        "adc",
        "i2c",
        "spi",
        "neopixel",
        "uart",
        "template",
        "files",
    ),
)
# The console has no operations. Those of the crasher fail on purpose, the watchdog takes none,
# and mqtt and wifi are for boards with a network.
CALLED = [name for name in START if name != "console" and (SHIPPED / name / "api.py").is_file()]
PLAIN = (
    *(None, True, 0, -1, 1, 255, 256, 1 << 31, 1 << 64, -(1 << 64), 1.5, float("nan")),
    *("", "../..", "\0\n", "x" * 256, b"", bytes(256), (), (1,), tuple(range(16))),
)
ITEMS = (None, -1, 1, 1 << 31, 2.5, "", b"abc")
TIMEOUT_MS = 20
"""A call that waits for an event, or asks to, is not waited for longer."""

_FUZZER = """\
from bulkhead import DEAD, TIMEOUT
from kernel.abi import READABLE, WRITABLE
from services.logger.api import INFO

nan = float("nan")
inf = float("inf")
CALLS = {calls!r}
PLAIN = {plain!r}
ITEMS = {items!r}


def values(shape):
    for value in PLAIN:
        yield value
    for item in ITEMS if shape else ():
        yield (item,) * shape
        yield (1,) * (shape - 1) + (item,)
        yield (item,) + ("x",) * (shape - 1)


def main(task):
    lent = bytearray(b"\\xff\\x00\\x81abc" * 8)
    asked = 0
    for name, operations in CALLS:
        handle = task.cap(name)
        for operation, shape in operations:
            for value in values(shape):
                status = yield task.call(handle, operation, value, {timeout_ms})
                if status == DEAD:
                    text = "DEAD: %s %d %r" % (name, operation, value)
                    yield task.send(task.cap("logger"), INFO, text[:200])
                    while (yield task.reopen(handle)) == DEAD:
                        yield task.sleep(20)
                asked += 1
            for rights in (READABLE, READABLE | WRITABLE):
                for value in (None, 5, (0, 1 << 31)):
                    yield task.call_lending(handle, operation, lent, rights, value, {timeout_ms})
    text = "asked %d times, all done" % asked
    yield task.send(task.cap("logger"), INFO, text)
    yield task.recv()
"""
_MANIFEST = '[service]\nname = "fuzzer"\npriority = 6\nbudget_ms = 200\n\n[uses]\n'


def shapes(name: str) -> list[tuple[int, int]]:
    """Return each operation of a service with the size of the tuple it takes, 0 for none."""
    found = load_interface(name, [SHIPPED]).operations
    sizes = [(one.number, len(one.parameters or ()) if one.is_tuple else 0) for one in found]
    unknown = next(number for number in range(1, 200) if number not in dict(sizes))
    return [*sizes, (unknown, 2)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Service]]]:
    """Yield what the board has said, and its services after that."""
    folder = tmp_path_factory.mktemp("every") / "fuzz"
    folder.mkdir()
    for name in ("clock", "gpio", "names"):
        text = (MANIFESTS / name / "service.toml").read_text()
        text = text.replace("patient", "fuzzer")
        (folder / name).mkdir()
        kept = [line for line in text.splitlines() if "caller_" not in line]
        (folder / name / "service.toml").write_text("\n".join(kept) + "\n")
    start = ", ".join(f'"{name}"' for name in (*START, "fuzzer"))
    system = f'[system]\nname = "fuzz"\nboard = "pico"\nstart = [{start}]\n'
    (folder / "system.toml").write_text(system)
    calls = [(name, shapes(name)) for name in CALLED]
    uses = "".join(f'{name} = ["call"]\n' for name in CALLED if name != "logger")
    (folder / "fuzzer").mkdir()
    (folder / "fuzzer" / "service.toml").write_text(
        f'{_MANIFEST}{uses}logger = ["call", "send"]\n'
    )
    code = _FUZZER.format(calls=calls, plain=PLAIN, items=ITEMS, timeout_ms=TIMEOUT_MS)
    (folder / "fuzzer" / "service.py").write_text(code)
    image = folder.parent / "fuzz.uf2"
    build(BuildOptions(application=folder, output=image))
    with EmulatedBoard(image=image) as board:
        said = board.run_until(b"all done", timeout_ms=120_000).decode(errors="replace")
        yield said, list(Client(BoardTransport(board)).table().services)


def test_no_value_faults_a_service(told: tuple[str, list[Service]]) -> None:
    said, services = told
    found = {one.name: one.fault for one in services if one.fault}
    assert not found, said[-4000:]
    assert "DEAD" not in said
    assert all(one.generation == 1 for one in services)
    assert {one.name for one in services} >= {*CALLED, "fuzzer"}
