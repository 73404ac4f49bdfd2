"""Carry the frames of the link between the console and a network, and keep the board reachable.

This service is the first to come back and the last to matter: it holds little, judges nothing,
and waits for nobody but `net`. What comes is the console's to read, as it reads the serial port.
"""

import time
from struct import calcsize, pack, unpack_from

from bulkhead import DEAD, NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead_system import CONFIG, SERVICES

try:
    from bulkhead_system import FAR  # type: ignore[attr-defined, unused-ignore]
except ImportError:  # nobody calls another board
    FAR = ()

from services.agent.broker import Broker
from services.agent.listener import Listener
from services.console import api
from services.console.api import COUNT_MAX, INPUT_BIT, SAY_BYTES_MAX, STATUS_BIT, board_name
from services.logger import api as logger_api

try:
    from machine import unique_id
except ImportError:  # a process has no id
    unique_id = bytes  # type: ignore[assignment]

_CONSOLE = "services.console.service"
_FAR = "services.far.service"
_HEAD = (
    "<IIIIIHHH"  # sockets, token of a writer, connections, lost; bytes of the three that follow
)


class Agent:
    """A way into a network, and the console's call that waits until there is room for more."""

    def __init__(self, name, net):
        config = dict(dict(CONFIG)[name])
        self.board = board_name(config, unique_id())
        self.way = None
        if self.board and (config["broker"] or config["listen"]):
            make = Broker if config["broker"] else Listener
            self.way = make(config, self.board, net, {board for board, _ in FAR})
        self.status_ms = config["status_s"] * 1000
        self.told_ms = time.ticks_ms()
        self.was = api.PAUSING
        self.writer = 0
        self.has_told = False  # the console knows that something has come
        self.has_told_far = False
        self.buffer = memoryview(bytearray(SAY_BYTES_MAX))

    def export_state(self):
        """Return the connection, and what is half done in it."""
        way = self.way
        if way is None:
            return b""
        socket, other, arrived, data, out = way.handed_over()
        counts = (way.connections, way.lost, len(arrived), len(data), len(out))
        return pack(_HEAD, socket, other, self.writer, *counts) + arrived + data + out

    def import_state(self, _version, state):
        """Go on with that."""
        way = self.way
        if way is None or not state:
            return
        row = unpack_from(_HEAD, state)
        socket, other, self.writer, way.connections, way.lost = row[:5]
        parts, at = [], calcsize(_HEAD)
        for size in row[5:]:
            parts.append(bytes(state[at : at + size]))
            at += size
        way.take_over(socket, other, *parts)

    def wait_ms(self):
        """Return the milliseconds until there is something to do, None if never."""
        return self.way.wait_ms() if self.way else None


def main(task):
    """Serve `api`."""
    agent = Agent(task.name(), task.cap("net"))
    task.carry_over(agent)
    if agent.way is None:
        why = "no broker, and no port" if agent.board else "no name that a topic may have"
        yield from log(task, logger_api.WARNING, "off: the manifest has " + why)
    while True:
        operation = yield task.recv(agent.wait_ms())
        if operation not in (TIMEOUT, NOTIFIED) and task.caller():
            yield from serve(task, agent, operation)
        if agent.way is not None:
            yield from look(task, agent)


def look(task, agent):
    """Go on with the network; tell the console what there is for it."""
    way = agent.way
    yield from way.look(task)
    if way.state != agent.was and api.CONNECTED in (way.state, agent.was):
        text = "hosts reach %s" if way.state == api.CONNECTED else "no host reaches %s"
        yield from log(task, logger_api.INFO, text % agent.board)
    agent.was = way.state
    if agent.writer and way.has_room():
        token, agent.writer = agent.writer, 0
        yield task.reply_to(token, OK)
    bits = INPUT_BIT if way.arrived and not agent.has_told else 0
    now = time.ticks_ms()
    if way.wants_status or way.state == api.CONNECTED and is_past(now, agent):
        way.wants_status = False
        agent.told_ms = now
        bits |= STATUS_BIT
    if bits:
        agent.has_told = agent.has_told or bits & INPUT_BIT != 0
        yield from notify(task, "console", bits)
    if way.from_others and not agent.has_told_far:
        agent.has_told_far = True
        yield from notify(task, "far", INPUT_BIT)


def notify(task, name, bits):
    """Notify a service, which may have been started anew."""
    handle = task.cap(name)
    if (yield task.notify(handle, bits)) == DEAD:
        yield task.reopen(handle)
        yield task.notify(handle, bits)


def is_past(now, agent):
    """Tell whether it is time to say how the board is."""
    return agent.status_ms > 0 and time.ticks_diff(now, agent.told_ms) >= agent.status_ms


def serve(task, agent, operation):
    """Answer one call, or keep the caller."""
    arg, token, way = task.arg, task.caller(), agent.way
    badge = task.badge()
    module = SERVICES[badge - 1][1] if 0 < badge <= len(SERVICES) else ""
    status, value = REFUSED, None
    if operation == api.STATUS:
        status, value = OK, (way.state, way.connections, way.lost) if way else (api.OFF, 0, 0)
    elif way is None:
        pass
    elif module == _FAR and operation == api.TAKE:
        status, value = yield from take(task, agent)
    elif module == _FAR and operation == api.PASS and is_address(arg):
        status = api.FULL
        if way.has_room():
            status = yield from write(task, agent, operation, arg[1], arg[0])
    elif module != _CONSOLE:
        pass
    elif operation == api.READ:
        status, value = yield from read(task, agent)
    elif operation in (api.WRITE, api.SAY):
        status = yield from write(task, agent, operation, arg)
        if status == OK and not way.has_room():  # the console waits, and loses nothing
            agent.writer = token
            return
    yield task.reply_to(token, status, value)


def read(task, agent):
    """Give the console bytes that have come."""
    way = agent.way
    if not way.arrived:
        agent.has_told = False
        return api.EMPTY, None
    data = way.arrived[:COUNT_MAX]
    if (yield task.lease_write(0, data)) != OK or not task.count():
        return REFUSED, None
    way.arrived = way.arrived[task.count() :]
    return OK, task.count()


def take(task, agent):
    """Give who calls other boards a frame of one."""
    if not agent.way.from_others:
        agent.has_told_far = False
        return api.EMPTY, None
    board, data = agent.way.from_others.pop(0)
    yield task.lease_write(0, data)
    return OK, (board, task.count())


def is_address(arg):
    """Tell whether a value is what PASS takes, for a board that a manifest names."""
    if type(arg) is not tuple or len(arg) != 2:
        return False
    return arg[0] in [board for board, _ in FAR]


def write(task, agent, operation, count, board=""):
    """Take bytes of a caller."""
    count_max = SAY_BYTES_MAX if operation == api.SAY else COUNT_MAX
    if type(count) is not int or not 0 < count <= count_max:
        return REFUSED
    if agent.writer:
        return api.FULL
    status = yield task.lease_read(0, agent.buffer[:count])
    if status != OK or task.count() < count:
        return REFUSED
    if agent.way.state != api.CONNECTED:
        return api.DOWN
    data = bytes(agent.buffer[:count])
    if operation == api.WRITE:
        agent.way.write(data)
    elif operation == api.PASS:
        agent.way.write_to(board, data)
    else:
        agent.way.say(data)
    return OK


def log(task, level, words):
    """Log a line."""
    logger = task.cap("logger")
    if (yield task.send(logger, level, words)) == DEAD:
        yield task.reopen(logger)
        yield task.send(logger, level, words)
