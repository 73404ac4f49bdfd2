"""The port under attack: strikes at bad moments. Each program is a kernel of its own.

Judged by the board's clock.
"""

import pytest

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute

RIG = """
from cases.ports import CasePort, Port
from cases.rig import Rig, burn_us
from bulkhead.terms import FAULT_NAMES
from kernel.layout import ARMED, STRUCK
from kernel import main_level
import micropython

def new_rig():
    global rig, port
    rig = Rig(CasePort())
    port = rig.port
    rig.add("other", other, priority=1)

def other(task):
    while True:
        yield task.sleep(5)
        rig.count += 1

def told(*names):
    return [FAULT_NAMES[rig.fault(name)] for name in names]
"""


@pytest.fixture(scope="module")
def rig_board(case_board: EmulatedBoard) -> EmulatedBoard:
    execute(case_board, RIG)
    return case_board


def test_a_strike_as_the_look_for_console_input_begins_ends_the_step(
    rig_board: EmulatedBoard,
) -> None:
    """What the tick does when a budget ends, just as the interpreter has called `look`."""
    source = """
new_rig()

@micropython.native
def strike_and_look(_):
    port.callbacks.hold(True)
    rig.kernel.words[STRUCK] += 1
    port.strike()
    port.look(None)

def spinner(task):
    yield task.sleep(5)
    port.callbacks.hold(False)  # it is to run in the midst of this step, as the port's own do
    micropython.schedule(strike_and_look, None)
    burn_us(rig, 400_000)
    yield task.recv()

rig.add("spinner", spinner, priority=5)
rig.add("console", other, priority=6, lines=("console",))
rig.run(40)
print(told("other", "spinner", "console"), rig.count >= 6)
"""
    assert execute(rig_board, source) == "['', 'BUDGET', ''] True\n"


def test_a_ctrl_c_as_the_look_begins_reaches_the_program(rig_board: EmulatedBoard) -> None:
    source = """
new_rig()
rig.add("console", other, priority=6, lines=("console",))
rig.run(10)
port.start_tick()

@micropython.native
def type_and_look(_):
    port.strike()  # as a Ctrl-C: no budget is over
    port.look(None)

caught = False
try:
    micropython.schedule(type_and_look, None)
    for _ in range(1000):
        pass
except KeyboardInterrupt:
    caught = True
before = rig.count
burn_us(rig, 25_000)
print(caught, rig.kernel.words[ARMED], rig.count - before >= 4)
port.close()
"""
    assert execute(rig_board, source) == "True 1 True\n"


def test_a_ctrl_c_as_the_look_for_a_closed_port_begins_reaches_the_program(
    rig_board: EmulatedBoard,
) -> None:
    """In one go the interpreter may take a Ctrl-C from USB and call the look back."""
    source = """
from port.rp2_prompt import Prompt
prompt = Prompt()
prompt.watches = True

@micropython.native
def type_and_look(_):
    prompt.keyboard.type(b"\\x03")
    prompt.look(None)

caught = False
try:
    micropython.schedule(type_and_look, None)
    for _ in range(1000):
        pass
except KeyboardInterrupt:
    caught = True
prompt.watches = False
print(caught)
"""
    assert execute(rig_board, source) == "True\n"


def test_all_of_the_chips_alarms_taken_leave_the_kernel_its_own(rig_board: EmulatedBoard) -> None:
    """A service's timers and a guest's are the chip's, too: what spins is killed as before."""
    source = """
from machine import Timer
new_rig()
kept = []

def greedy(task):
    yield task.sleep(5)
    try:
        while True:
            kept.append(Timer(-1))
            kept[-1].init(period=100_000, callback=print)
    except OSError:
        pass
    while True:
        yield task.sleep(10)  # the tick stops, and starts again

def spinner(task):
    yield task.sleep(31)
    burn_us(rig, 400_000)
    yield task.recv()

rig.add("greedy", greedy, priority=4)
rig.add("spinner", spinner, priority=5, budget_ms=7)
rig.run(60)
print(len(kept) > 10, told("other", "greedy", "spinner"), rig.count >= 9)
for timer in kept:
    timer.deinit()
"""
    assert execute(rig_board, source) == "True ['', '', 'BUDGET'] True\n"


def test_an_interrupt_comes_through_while_the_next_wait_ends_within_a_millisecond(
    rig_board: EmulatedBoard,
) -> None:
    source = """
from kernel.layout import LINE_FIRED_AT, TASKS_END
rig = Rig(Port())
served = [0, 0]

def driver(task):
    words = rig.kernel.words
    fired_at = words[TASKS_END] + LINE_FIRED_AT
    yield task.acknowledge(task.cap("edge"))
    while True:
        yield task.recv()
        late_us = (rig.port.now() - words[fired_at]) & 0x3FFFFFFF
        served[late_us >= 256] += 1
        yield task.acknowledge(task.cap("edge"))

def sleeper(task):
    for _ in range(100):
        yield task.sleep(1)
    rig.finish()
    yield task.recv()

rig.add("driver", driver, priority=1, lines=("edge",))
rig.add("sleeper", sleeper, priority=5)
rig.rows[0] = rig.rows[0][:6] + ((("edge", "timer", 1_373, "", 100_000),),) + rig.rows[0][7:]
main_level(rig.start())
rig.port.stop_tick()
rig.line(0).timer.deinit()
print(served[0] >= 70, served[1])
"""
    assert execute(rig_board, source) == "True 0\n"


RECURSION = """
import micropython

def endless(depth):
    return endless(depth + 1)

def catching(task):
    yield task.sleep(5)
    while True:
        try:
            endless(0)
        except RuntimeError:
            pass

def deepest(depth, ms):
    try:
        return deepest(depth + 1, ms)
    except RuntimeError:
        burn_us(rig, ms * 1000)
        return depth
"""


def test_recursion_without_end_that_is_caught_is_killed(rig_board: EmulatedBoard) -> None:
    """MicroPython refuses no tick and no line for want of stack."""
    source = """
new_rig()
rig.add("catching", catching, priority=5)
rig.run(60)
print(told("other", "catching"), rig.count >= 9)
"""
    assert execute(rig_board, RECURSION + source) == "['', 'BUDGET'] True\n"


def test_services_run_on_top_of_what_has_used_its_stack_up(rig_board: EmulatedBoard) -> None:
    """Also one that recurses itself: it has as much above a deep guest as anywhere."""
    source = """
depths = []

def recursive(task):
    while True:
        yield task.sleep(10)
        depths.append(deepest(0, 0))

new_rig()
rig.add("recursive", recursive, priority=4)
rig.add("catching", catching, priority=5)
rig.run(4)
port.start_tick()
depth = deepest(0, 70)
print(depth >= 31, told("other", "recursive", "catching"), rig.count >= 12)
print(len(depths) >= 5, max(depths) - min(depths) <= 1, min(depths) >= 10)
port.close()
"""
    said = execute(rig_board, RECURSION + source)
    assert said == "True ['', '', 'BUDGET'] True\nTrue True True\n"


def test_what_an_earlier_kernel_of_the_boot_asks_for_is_not_run_instead(
    rig_board: EmulatedBoard,
) -> None:
    source = """
new_rig()
rig.run(10)
earlier = port
new_rig()
rig.run(10)
port.start_tick()
before = rig.count
port.request(); earlier.request()
burn_us(rig, 60_000)
print(rig.count - before >= 8)
port.close()
"""
    assert execute(rig_board, source) == "True\n"


def test_services_wait_while_a_program_has_locked_the_heap(rig_board: EmulatedBoard) -> None:
    source = """
new_rig()
rig.add("busy", other, priority=2)
rig.run(10)
port.start_tick()
before = rig.count
micropython.heap_lock()
burn_us(rig, 60_000)
locked = rig.count - before
micropython.heap_unlock()
burn_us(rig, 30_000)
print(locked, rig.count - before >= 10, told("other", "busy"))
port.close()
"""
    assert execute(rig_board, source) == "0 True ['', '']\n"


def test_a_program_at_a_full_heap_gets_its_own_exceptions(rig_board: EmulatedBoard) -> None:
    """No exception of an interrupt takes the place of one that is under way."""
    source = """
import gc
new_rig()
rig.run(10)
port.start_tick()
seen = set()
kept = []
try:
    while True:
        kept.append(bytearray(4_000))
except MemoryError:
    pass
start = port.now()
while (port.now() - start) & 0x3FFFFFFF < 60_000:
    try:
        kept = [kept]
    except BaseException as error:
        seen.add(type(error))
        kept = kept[0] if len(kept) == 1 else kept
kept = None
gc.collect()
print(seen, told("other"), rig.count > 8)
port.close()
"""
    said = execute(rig_board, source)
    assert said in ("{<class 'MemoryError'>} [''] True\n", "set() [''] True\n")
