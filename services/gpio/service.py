"""Driver of plain pins: levels in and out, and edges, of pins whose manifest has a line for them.

Edges are told as they come, bounces and all: `button` is for contacts.
"""

from bulkhead import DEAD, NOTIFIED, NoCapability, OK, REFUSED, TIMEOUT
from bulkhead_system import PINS, SERVICES
from machine import Pin
from micropython import const

from services.gpio.api import (
    EDGES,
    MODE,
    NO_LINE,
    NO_PIN,
    NO_RIGHT,
    NO_ROOM,
    READ,
    SUBSCRIBE,
    SUBSCRIBERS_MAX,
    TOGGLE,
    WRITE,
)
from services.gpio.edges import Edges

# In the order of the api's modes.
_MODES = (
    (Pin.IN, None),
    (Pin.IN, Pin.PULL_UP),
    (Pin.IN, Pin.PULL_DOWN),
    (Pin.OUT, None),
    (Pin.OPEN_DRAIN, None),
)
_INPUTS = const(3)  # that they begin with
_PULLS = {"none": None, "up": Pin.PULL_UP, "down": Pin.PULL_DOWN}
_BITS_MAX = const(0x3FFFFFF)
_STASH_MAX = const(256)

# Fields of a row of SERVICES, and of a line.
_LINES = const(6)
_ARGUMENT = const(2)
_TRIGGER = const(3)


class Pins:
    """The pins, and the edges of those that have a line, in the order of the lines."""

    def __init__(self, task, lines):
        places = dict(PINS)[task.name()]
        self.pins = [Pin(place) for place in places]
        self.modes = bytearray(len(places))  # of the api, plus 1; 0 while no client has set one
        self.pulls = {}
        self.edges = []
        for line in lines:
            if line[_ARGUMENT] in places:
                index = places.index(line[_ARGUMENT])
                self.edges.append(Edges(index, task.cap(line[0])))
                self.pulls[index] = _PULLS[line[_TRIGGER].split()[1]]

    def begin(self):
        """Make every pin an input."""
        for index, pin in enumerate(self.pins):
            pin.init(Pin.IN, self.pulls.get(index))
            self.modes[index] = 0

    def take_up(self):
        """Have every pin be what it was, at its level: code that failed may have lain between."""
        for index, pin in enumerate(self.pins):
            mode = self.modes[index]
            if mode > _INPUTS:
                pin.init(_MODES[mode - 1][0], None, value=pin.value())
            elif mode:
                pin.init(*_MODES[mode - 1])
            else:
                pin.init(Pin.IN, self.pulls.get(index))

    def of(self, index):
        """Return the edges of a pin, None if it has no line."""
        for edges in self.edges:
            if edges.index == index:
                return edges
        return None

    def export_state(self):
        """Return what a restart, or an update, hands over; levels are in the chip."""
        return b"".join([edges.packed() for edges in self.edges]) + bytes(self.modes)

    def import_state(self, _version, state):
        """Go on with what another incarnation, or version, had."""
        at = 0
        for edges in self.edges:
            at = edges.unpack(state, at)
        for index, mode in enumerate(state[at : at + len(self.modes)]):
            self.modes[index] = mode

    def pause_ms(self):
        """Return the milliseconds until a line's window is to end, None if there is none."""
        pauses = [edges.left_ms() for edges in self.edges if edges.in_window]
        return min(pauses) if pauses else None


def main(task):
    """Serve `api`."""
    pins = Pins(task, lines_of(task.name()))
    is_handed_over = task.carry_over(pins)
    if is_handed_over:
        pins.take_up()
    else:
        pins.begin()
        if (yield task.unstash()) == OK:
            yield from resume(task, pins, task.arg)
    for edges in pins.edges:
        if not edges.rests:
            yield task.acknowledge(edges.line)
    while True:
        pause_ms = pins.pause_ms()
        operation = TIMEOUT if pause_ms == 0 else (yield task.recv(pause_ms))
        if operation == NOTIFIED:
            yield from take_edges(task, pins, task.bits())
        elif operation == TIMEOUT:
            yield from wake_lines(task, pins)
        elif operation == SUBSCRIBE and are_ints(task.arg, 2):
            yield from subscribe(task, pins, *task.arg)
        elif task.caller():
            status, value = answer(pins, operation, task.arg)
            yield task.reply(status, value)


def lines_of(name):
    """Return the lines of a service's row."""
    for row in SERVICES:
        if row[0] == name:
            return row[_LINES]
    return ()


def resume(task, pins, state):
    """Take over the subscribers of an incarnation that has failed; edges were missed since."""
    pins.import_state(0, state)
    pins.begin()  # nobody has set a mode of this incarnation
    for edges in pins.edges:
        edges.wake()
        for number in edges.subscribers:
            yield task.reopen(task.cap(SERVICES[number - 1][0]))
        yield from tell(task, edges)
    yield task.stash(state)


def take_edges(task, pins, bits):
    """Count an edge of each line whose bit is set, and tell who wants to know."""
    for index, edges in enumerate(pins.edges):
        if bits & 1 << index:
            if edges.take():
                yield task.acknowledge(edges.line)  # before the look: a later edge is not missed
            yield from tell(task, edges)


def wake_lines(task, pins):
    """Let lines fire again that have rested long enough."""
    for edges in pins.edges:
        if edges.left_ms() == 0 and edges.wake():
            yield task.acknowledge(edges.line)
            yield from tell(task, edges)


def tell(task, edges):
    """Notify the subscribers of a pin; forget those that have died."""
    for number, bits in list(edges.subscribers.items()):
        if (yield task.notify(task.cap(SERVICES[number - 1][0]), bits)) == DEAD:
            del edges.subscribers[number]


def subscribe(task, pins, index, bits):
    """Take the caller received last as a subscriber, or let it go, and answer it."""
    number, token = task.badge(), task.caller()
    edges = pins.of(index)
    if not 0 <= index < len(pins.pins) or edges is None or not 0 <= bits <= _BITS_MAX:
        status = REFUSED if edges else NO_LINE if 0 <= index < len(pins.pins) else NO_PIN
    elif bits == 0:
        edges.subscribers.pop(number, None)
        status = OK
    elif len(edges.subscribers) == SUBSCRIBERS_MAX and number not in edges.subscribers:
        status = NO_ROOM
    else:
        try:
            yield task.reopen(task.cap(SERVICES[number - 1][0]))  # names the incarnation that asks
            edges.subscribers[number] = bits
            status = OK
        except (NoCapability, IndexError):
            status = NO_RIGHT
    state = pins.export_state()
    if status == OK and len(state) <= _STASH_MAX:
        yield task.stash(state)
    yield task.reply_to(token, status)


def are_ints(arg, count):
    """Tell whether a value is a tuple of so many whole numbers."""
    if type(arg) is not tuple or len(arg) != count:
        return False
    for item in arg:
        if type(item) is not int:
            return False
    return True


def answer(pins, operation, arg):
    """Do what one call asks; return the status and the value of the reply."""
    index, value = arg if type(arg) is tuple and len(arg) == 2 else (arg, None)
    if type(index) is not int:
        return REFUSED, None
    if not 0 <= index < len(pins.pins):
        return NO_PIN, None
    pin = pins.pins[index]
    status, result = OK, None
    if operation == READ:
        result = pin.value()
    elif operation == EDGES:
        edges = pins.of(index)
        status = OK if edges else NO_LINE
        result = (edges.count, pin.value(), edges.storms) if edges else None
    elif operation == WRITE and type(value) in (int, bool) and value in (0, 1):
        pin.value(value)
    elif operation == TOGGLE:
        pin.toggle()
        result = pin.value()
    elif operation == MODE and type(value) is int and 0 <= value < len(_MODES):
        pin.init(*_MODES[value])
        pins.modes[index] = value + 1
    else:
        status = REFUSED
    return status, result
