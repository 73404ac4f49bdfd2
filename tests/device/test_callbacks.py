"""Soft callbacks of programs: services run on top of them, however long they take."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from guests import GUEST_PIN, LED, edges

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import wait_for_prompt
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport

BEGIN = """\
import machine, micropython, time
from machine import Pin, Timer

pin = Pin(2, Pin.OUT)


def spin(_=None):
    pin.toggle()
    while True:
        pass


def spin_and_catch(_):
    pin.toggle()
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def toggle(_):
    pin.toggle()


def ten_seconds(_):
    pin.toggle()
    time.sleep(10)
    print("over")


def a_tenth(_):
    time.sleep_ms(100)
    pin.toggle()


"""
NONE = "pass\n"
GO_ON = "while True:\n    time.sleep_ms(100)\n"
ONE_SHOT = "Timer(mode=Timer.ONE_SHOT, period=50, callback={})\n"
PERIODIC = "timer = Timer(period={}, callback={})\n"

ENDLESS = {
    "one shot timer": ONE_SHOT.format("spin"),
    "periodic timer": PERIODIC.format(100, "ten_seconds"),
    "timers without end": "timers = [Timer(period=3 + n, callback=spin) for n in range(4)]\n",
    "schedule": "micropython.schedule(spin, 0)\n",
    "asleep": "micropython.schedule(lambda _: time.sleep(3600), pin.on())\n",
    "pin": "button = Pin(3)\nbutton.irq(spin, Pin.IRQ_RISING)\nbutton.init(Pin.OUT, value=1)\n",
    "catches": ONE_SHOT.format("spin_and_catch"),
    "beside a hard timer": "hard = Timer(period=7, hard=True, callback=lambda _: None)\n"
    + ONE_SHOT.format("spin"),
}
AFTER_ITS_END = ("one shot timer", "timers without end", "asleep", "catches")
LONG = PERIODIC.format(150, "a_tenth")
OFTEN = PERIODIC.format(5, "toggle")

PROGRAMS = tuple(
    begin + end for begin in (*ENDLESS.values(), LONG, OFTEN, NONE) for end in ("", GO_ON)
)
"""The guest runs that whose number is at the pins from CHOICE on."""
CHOICE, CHOICES = 6, 5
CHOOSE = f"""
exec({PROGRAMS!r}[sum(Pin({CHOICE} + n, Pin.IN).value() << n for n in range({CHOICES}))])
"""

SPIN_AT_THE_PROMPT = (
    b"import machine\r"
    b"exec('def spin(_):\\n while True: pass')\r"
    b"timer = machine.Timer(mode=0, period=300, callback=spin)\r"
)

Boot = Callable[[str], EmulatedBoard]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the application that ships, with the guest."""
    folder = tmp_path_factory.mktemp("callbacks")
    guest = folder / "callbacks.py"
    guest.write_text(BEGIN + CHOOSE)
    return build(BuildOptions(guest=guest, output=folder / "guest.uf2")).path


@pytest.fixture
def boot(image: Path) -> Iterator[Boot]:
    """Yield a function that boots a board whose guest is one of PROGRAMS."""
    with ExitStack() as boards:

        def boot(program: str) -> EmulatedBoard:
            number = PROGRAMS.index(program)
            board = boards.enter_context(EmulatedBoard(image=image))
            for bit in range(CHOICES):
                board.pin(CHOICE + bit).drive(number >> bit & 1)
            board.run_for(ms=500)
            return board

        yield boot


def all_go_on(board: EmulatedBoard) -> bool:
    """Tell whether the LED blinks, and the link answers that nobody has failed."""
    blinks = edges(board, LED, ms=1100) >= 2
    table = Client(BoardTransport(board)).table()
    return blinks and {service.generation for service in table.services} == {1}


@pytest.mark.parametrize(
    ("case", "ends"),
    [*((case, False) for case in ENDLESS), *((case, True) for case in AFTER_ITS_END)],
)
def test_services_run_on_top_of_a_callback_that_never_returns(
    boot: Boot, case: str, ends: bool
) -> None:
    board = boot(ENDLESS[case] + ("" if ends else GO_ON))
    board.run_for(ms=100)  # the slowest timer's period: how long the boot takes is another's test
    assert board.pin(GUEST_PIN).edges
    resets = board.chip.reset_count
    assert all_go_on(board)
    assert board.chip.reset_count == resets


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "has ended"])
def test_long_callback_is_left_alone_and_the_next_one_waits_for_its_end(
    boot: Boot, ends: bool
) -> None:
    board = boot(LONG + ("" if ends else GO_ON))
    assert 6 <= edges(board, GUEST_PIN, ms=1000) <= 7
    assert all_go_on(board)
    assert b"Traceback" not in board.read()


def test_callbacks_of_a_program_that_has_ended_run_as_often_as_before(boot: Boot) -> None:
    board = boot(OFTEN)
    assert 199 <= edges(board, GUEST_PIN, ms=1000) <= 201
    assert all_go_on(board)


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "has ended"])
def test_ctrl_c_ends_the_callback_and_the_program(boot: Boot, ends: bool) -> None:
    board = boot(ENDLESS["one shot timer"] + ("" if ends else GO_ON))
    board.write(b"\x03")
    wait_for_prompt(board)
    board.write(b"print('at', 'the prompt')\r")
    board.run_until(b"at the prompt", timeout_ms=3000)
    assert edges(board, LED, ms=1100) >= 2


def test_ctrl_c_ends_a_callback_behind_which_the_prompt_waits(boot: Boot) -> None:
    board = boot(NONE)
    board.write(b"\x03")
    wait_for_prompt(board)
    board.write(SPIN_AT_THE_PROMPT)
    board.run_for(ms=1000)
    assert edges(board, LED, ms=1100) >= 2
    board.write(b"\x03print('at', 'the prompt')\r")
    board.run_until(b"at the prompt", timeout_ms=2000)


def test_closing_the_port_leaves_a_prompt_that_waits_behind_a_callback(boot: Boot) -> None:
    board = boot(NONE)
    board.write(b"\x03")
    wait_for_prompt(board)
    board.write(SPIN_AT_THE_PROMPT)
    board.run_for(ms=1000)
    board.console.set_terminal_attached(False)
    board.run_for(ms=2000)
    board.console.set_terminal_attached(True)
    assert all_go_on(board)
