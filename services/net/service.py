"""Own the network: an interface, and sockets that clients use by call and lease.

No step waits for the network. What has come is looked at when the line tells, and as often as the
interface asks for: more often while something moves. Clients are notified, or answered where they
wait. Nobody else of the application has a socket: a
client may do what its manifest says under [net].
"""

import time
from struct import calcsize, pack, unpack_from

from bulkhead import DEAD, NOTIFIED, OK, REFUSED, TIMEOUT, NoCapability
from bulkhead_system import CONFIG, SERVICES
from micropython import const

from services.logger import api as logger_api
from services.net import api
from services.net.api import (
    COUNT_MAX,
    DOWN,
    EMPTY,
    GONE,
    NO_ANSWER,
    NO_ROOM,
    NOT_ALLOWED,
    READ,
    READABLE,
    TCP,
    UDP,
    WAITERS_MAX,
    WRITABLE,
    WRITE,
)
from services.net.questions import ask_name, ask_time, is_address
from services.net.rules import TLS, Rules
from services.net.sockets import Table

_REAP_MS = const(500)
_BUSY_MS = const(500)  # after something has moved more is to be expected
_TELL_MS = const(1000)
_BITS_MAX = const(0x3FFFFFF)
_PORT_MAX = const(65535)
_HOST_BYTES_MAX = const(64)
_HEAD = "<BH"  # waiters, lost
_WAITER = "<BI"  # badge, token


class Net:
    """The interface, the sockets, the questions that are asked, and who waits for an address."""

    def __init__(self, name):
        self.config = dict(dict(CONFIG)[name])
        self.interface = make_interface(self.config, name)
        self.rules = Rules()
        self.table = Table(self.config["ca"])
        self.waiters = {}  # tokens by badge: who asks again waits once
        self.questions = []  # pairs of a question and the token of who waits for it
        self.told = {}  # when a refusal was logged last, by badge
        self.reap_ms = self.moved_ms = self.looked_ms = time.ticks_ms()
        self.asked = 0
        self.buffer = bytearray(COUNT_MAX)
        self.view = memoryview(self.buffer)

    def export_state(self):
        """Return the sockets and who waits for an address; the link is not touched."""
        waiters = [pack(_WAITER, *pair) for pair in self.waiters.items()]
        head = pack(_HEAD, len(waiters), self.table.lost)
        return b"".join((head, b"".join(waiters), self.table.pack()))

    def import_state(self, _version, state):
        """Go on with them."""
        count, self.table.lost = unpack_from(_HEAD, state)
        at = calcsize(_HEAD)
        for _ in range(count):
            badge, self.waiters[badge] = unpack_from(_WAITER, state, at)
            at += calcsize(_WAITER)
        self.table.unpack(state[at:])

    def is_up(self):
        """Tell whether the board has an address."""
        return self.interface.state == api.CONNECTED

    def wait_ms(self):
        """Return the milliseconds until it is time to look, None if there is no need."""
        wait_ms = self.interface.wait_ms()
        if self.table.rows or self.questions:
            interface = self.interface
            look_ms = interface.look_ms if self.is_busy() else interface.look_idle_ms
            return look_ms if wait_ms is None else min(look_ms, wait_ms)
        return wait_ms

    def is_busy(self):
        """Tell whether something has moved lately."""
        return time.ticks_diff(time.ticks_ms(), self.moved_ms) < _BUSY_MS

    def moved(self):
        """Take note that something has come, or is asked for."""
        self.moved_ms = time.ticks_ms()

    def is_due(self):
        """Tell whether to look at everything: not where no byte has come to an idle board."""
        if self.interface.has_come():
            self.moved()
        elif not self.is_busy() and not self.questions and self.is_up():
            looked_ms = time.ticks_diff(time.ticks_ms(), self.looked_ms)
            return looked_ms >= self.interface.look_all_ms
        return True

    def may_tell(self, badge):
        """Tell whether a refusal is to be logged: of a client that tries on, one a second."""
        now = time.ticks_ms()
        if badge in self.told and time.ticks_diff(now, self.told[badge]) < _TELL_MS:
            return False
        self.told[badge] = now
        return True

    def ask(self, question, token):
        """Wait for an answer, for a caller."""
        self.questions.append((question, token))

    def next_question(self):
        """Return a number that no question on its way has."""
        self.asked = self.asked % _PORT_MAX + 1
        return self.asked


def make_interface(config, name):
    """Return the interface that the manifest names."""
    if config["interface"] == "ppp":
        from services.net.ppp import Ppp

        return Ppp(config, name)
    if config["interface"] == "wlan":
        from services.net.wlan import Wlan

        return Wlan(config)
    from services.net.host import Host

    return Host(config)


def main(task):
    """Serve `api`."""
    net = Net(task.name())
    task.carry_over(net)
    net.table.close_strangers()
    interface = net.interface
    interface.begin()
    line = task.cap(interface.line) if interface.line else 0
    if line:
        yield task.acknowledge(line)
    while True:
        operation = yield task.recv(net.wait_ms())
        if operation not in (TIMEOUT, READ):  # what was read is seen there
            net.moved()
        elif operation == TIMEOUT and not net.is_due():
            continue
        if operation not in (TIMEOUT, NOTIFIED) and task.caller():
            yield from serve(task, net, operation)
        yield from look(task, net)
        if operation == NOTIFIED and line:
            yield task.acknowledge(line)


def look(task, net):
    """See what has come, and tell whom it is for."""
    net.looked_ms = time.ticks_ms()
    if net.interface.look():
        yield from change(task, net)
    if net.questions:
        yield from answer_questions(task, net)
    if not net.table.rows:
        return
    yield from resolve(task, net)
    net.table.look()
    for one in list(net.table.rows.values()):
        if one.waiter and one.ready & one.wanted:
            net.moved()
            token, one.waiter = one.waiter, 0
            yield task.reply_to(token, api.ENDED if one.is_lost else OK)
        if one.bits and one.news():
            net.moved()
            yield task.notify(task.cap(SERVICES[one.badge - 1][0]), one.bits)
    if time.ticks_diff(time.ticks_ms(), net.reap_ms) >= 0:
        net.reap_ms = time.ticks_add(time.ticks_ms(), _REAP_MS)
        for badge in {one.badge for one in net.table.rows.values()}:
            yield from reap(task, net, badge)


def change(task, net):
    """Take it that the board has an address now, or none any more."""
    if not net.is_up():
        net.table.lose_all()
        yield from log(task, logger_api.WARNING, "the network is lost")
        return
    address = net.interface.address()
    yield from log(task, logger_api.INFO, "the board is " + address)
    waiters, net.waiters = net.waiters, {}
    for token in waiters.values():
        yield task.reply_to(token, OK, address)


def answer_questions(task, net):
    """Answer those whose questions are over."""
    for pair in list(net.questions):
        question, token = pair
        if question.look():
            net.questions.remove(pair)
            if question.answer in (None, ""):
                yield task.reply_to(token, NO_ANSWER)
            else:
                yield task.reply_to(token, OK, question.answer)


def resolve(task, net):
    """Connect the sockets whose hosts have an address now."""
    for one in list(net.table.rows.values()):
        if one.question is None or not one.question.look():
            continue
        address, one.question = one.question.answer, None
        if not address:
            one.is_lost = True
            name = SERVICES[one.badge - 1][0]
            yield from log(task, logger_api.WARNING, "no address for a host of " + name)
        else:
            connect(net, one, address)


def connect(net, one, address):
    """Begin a connection to an address."""
    try:
        one.make()
    except OSError:
        one.is_lost = True
        return
    one.connect(address)
    net.table.watch(one)


def reap(task, net, badge):
    """Close the sockets of a client that has died; its next incarnation knows none of them."""
    try:
        handle = task.cap(SERVICES[badge - 1][0])
    except NoCapability:
        return
    if (yield task.notify(handle, 0)) == DEAD:
        net.table.remove_all_of(badge)
        yield task.reopen(handle)


def serve(task, net, operation):
    """Answer one call, or keep it."""
    arg, token, badge = task.arg, task.caller(), task.badge()
    status, value = REFUSED, None
    if not 0 < badge <= len(SERVICES):
        pass
    elif operation in (READ, WRITE):
        status, value = yield from move(task, net, operation, badge, arg)
    elif operation in (api.OPEN, api.LISTEN):
        yield from reap(task, net, badge)
        status, value = (open_one if operation == api.OPEN else listen)(net, badge, arg)
        if status == NOT_ALLOWED and net.may_tell(badge):
            text = "%s may not use %s: its [net] does not name it"
            what = "%s:%s" % arg[1:3] if operation == api.OPEN else "port %s" % arg[0]
            yield from log(task, logger_api.WARNING, text % (SERVICES[badge - 1][0], what))
    elif operation in _KEPT:
        status = _KEPT[operation](net, badge, token, arg)
        if status == OK:
            return
        if status < 0:
            status, value = OK, net.interface.address()
    elif operation in _AT_ONCE:
        status, value = _AT_ONCE[operation](net, badge, arg)
    yield task.reply_to(token, status, value)


def move(task, net, operation, badge, arg):
    """Move bytes between a socket and what the caller lent."""
    if not are_numbers(arg, 2) or not 0 < arg[1] <= COUNT_MAX:
        return REFUSED, None
    one = net.table.of(badge, arg[0])
    if one is None:
        return GONE, None
    count = arg[1]
    if operation == WRITE:
        status = yield task.lease_read(0, net.view[:count])
        count = min(count, task.count())
        if status != OK or not count:
            return REFUSED, None
        return one.write(net.view[:count])
    status, count = one.read(net.view[:count])
    if status != OK:
        return status, 0
    net.moved()
    yield task.lease_write(0, net.view[:count])
    return OK, task.count()


def open_one(net, badge, arg):
    """Begin a connection; return the status and the socket's number."""
    if not is_opening(arg):
        return REFUSED, None
    kind, host, port, bits = arg
    server = net.interface.name_server()
    is_asked = not (is_address(host) or net.interface.resolves)
    why_not = OK
    found = net.rules.kind_of(badge, kind, host, port)
    if not found:
        why_not = NOT_ALLOWED
    elif not net.is_up():
        why_not = DOWN
    elif not net.table.has_room(badge):
        why_not = NO_ROOM
    elif is_asked and not server:
        why_not = NO_ANSWER
    if why_not != OK:
        return why_not, None
    question = None
    if is_asked:
        try:
            question = ask_name(server, host, net.next_question())
        except OSError:
            return NO_ROOM, None
    one = net.table.add(badge, kind, bits)
    one.port = port
    one.tls_host = host if found == TLS else ""
    one.question = question
    if question is None:
        connect(net, one, host)
    return OK, one.number


def is_opening(arg):
    """Tell whether a value is what OPEN takes."""
    if type(arg) is not tuple or len(arg) != 4:
        return False
    kind, host, port, bits = arg
    if not are_numbers((kind, port, bits), 3) or bits > _BITS_MAX:
        return False
    return kind in (TCP, UDP) and is_host(host)


def listen(net, badge, arg):
    """Take connections at a port; return the status and the socket's number."""
    if not are_numbers(arg, 2) or arg[1] > _BITS_MAX:
        return REFUSED, None
    if not net.rules.may_listen(badge, arg[0]):
        return NOT_ALLOWED, None
    if not net.table.has_room(badge, to_listen=True):
        return NO_ROOM, None
    one = net.table.add(badge, TCP, arg[1])
    try:
        one.make()
        one.listen(arg[0])
    except OSError:
        net.table.remove(one)
        return NO_ROOM, None
    net.table.watch(one)
    return OK, one.number


def accept(net, badge, arg):
    """Take a connection that has come; return the status and what is known of it."""
    if not are_numbers(arg, 2) or arg[1] > _BITS_MAX:
        return REFUSED, None
    listener = net.table.of(badge, arg[0])
    if listener is None or not listener.listens:
        return GONE, None
    if not net.table.has_room(badge):
        return NO_ROOM, None
    status, raw, address = listener.accept()
    if status != OK:
        return EMPTY, None
    one = net.table.add(badge, TCP, arg[1])
    one.keep(raw)
    one.is_connected = True
    net.table.watch(one)
    return OK, (one.number,) + origin(address)


def origin(address):
    """Return host and port of what `accept` gives: on the unix port that is a packed sockaddr."""
    if type(address) is tuple:
        return address[:2]
    port = address[2] << 8 | address[3]
    return "%d.%d.%d.%d" % tuple(address[4:8]), port


def poll(net, badge, arg):
    """Return what a socket has, without waiting."""
    one = net.table.of(badge, arg) if type(arg) is int else None
    if one is None:
        return GONE, None
    net.table.look()
    return one.poll()


def close(net, badge, arg):
    """Close a socket, or all that a client has."""
    if arg is None:
        net.table.remove_all_of(badge)
        return OK, None
    one = net.table.of(badge, arg) if type(arg) is int else None
    if one is None:
        return GONE, None
    net.table.remove(one)
    return OK, None


def tell(net, _badge, _arg):
    """Return how the network is."""
    interface = net.interface
    table = net.table
    return OK, (interface.state, interface.address(), len(table.rows), table.lost)


def wait(net, badge, token, arg):
    """Keep a caller until its socket has something for it."""
    if not are_numbers(arg, 2) or not 0 < arg[1] <= READABLE | WRITABLE:
        return REFUSED
    one = net.table.of(badge, arg[0])
    if one is None:
        return GONE
    one.waiter, one.wanted = token, arg[1]
    return OK


def wait_for_address(net, badge, token, _arg):
    """Keep a caller until the board has an address; -1 where it has one."""
    if net.is_up():
        return -1
    if len(net.waiters) == WAITERS_MAX and badge not in net.waiters:
        return NO_ROOM
    net.waiters[badge] = token
    return OK


def find_address(net, badge, token, arg):
    """Ask for the address of a name."""
    if not is_host(arg):
        return REFUSED
    if not net.rules.names_host(badge, arg):
        return NOT_ALLOWED
    server = net.interface.name_server()
    return ask(net, token, server, lambda given, number: ask_name(given, arg, number))


def find_time(net, _badge, token, _arg):
    """Ask for the time."""
    return ask(net, token, net.config["time_server"], ask_time)


def ask(net, token, server, make):
    """Ask a server, for a caller that is kept; return the status."""
    if not net.is_up():
        return DOWN
    if not server:
        return NO_ANSWER
    if len(net.questions) == WAITERS_MAX:
        return NO_ROOM
    try:
        net.ask(make(server, net.next_question()), token)
    except OSError:
        return NO_ROOM
    return OK


_KEPT = {
    api.WAIT: wait,
    api.UP: wait_for_address,
    api.RESOLVE: find_address,
    api.TIME: find_time,
}
_AT_ONCE = {api.ACCEPT: accept, api.CLOSE: close, api.POLL: poll, api.STATUS: tell}


def are_numbers(values, count):
    """Tell whether a value is so many whole numbers, none below 0."""
    if type(values) is not tuple or len(values) != count:
        return False
    for value in values:
        if type(value) is not int or value < 0:
            return False
    return True


def is_host(value):
    """Tell whether a value is a host's name or address, as far as its size goes."""
    return type(value) is str and 0 < len(value.encode()) <= _HOST_BYTES_MAX


def log(task, level, words):
    """Log a line."""
    logger = task.cap("logger")
    if (yield task.send(logger, level, words)) == DEAD:
        yield task.reopen(logger)
        yield task.send(logger, level, words)
