"""A line that an agent has of a network, where anybody may read, write, drop and repeat.

So nothing is done there but what an order of a session asks for, reading included, and sessions
are bound to the board's name, by which the host asks for it, as well as to its id. What was not
permitted costs whoever sent it time: the line is read no further for a while, and the agent keeps
little for it.

What a board says of itself where it cannot be asked is JSON that has a MAC of the device key.
"""

import json
import time
from binascii import hexlify
from os import urandom
from struct import unpack_from

from bulkhead import DEAD, OK
from bulkhead import link
from bulkhead.session import MAC_BYTES, keyed_hash
from bulkhead.uptime import Uptime
from bulkhead_key import KEY
from bulkhead_system import APPLICATION, BOARD, CONFIG, IMAGE, SERVICES, VERSION
from kernel.abi import READABLE, WRITABLE
from micropython import const

from services.console.api import (
    COUNT_MAX,
    INPUT_BIT,
    READ,
    SAY,
    SAY_BYTES_MAX,
    STATUS_BIT,
    WRITE,
    board_name,
)
from services.console.line import Line, unique_id
from services.console.requests import answer
from services.supervisor import api as supervisor_api

_WRITE_MS = const(1000)
_PENALTY_MS = const(50)
_LINE_FEED = b"\n"
_LIST = const(6)  # of the updater, which an application may be without: `updater.api`
_MARK_BYTES = const(4)
_MAC_TEXT_BYTES = const(43)  # ,"mac":"..."}


class Remote(Line):
    """One line of an agent."""

    is_remote = True
    farewell_ms = 500

    def __init__(self, agent):
        self.agent = agent
        self.name = board_name(dict(dict(CONFIG)[agent]), unique_id())
        super().__init__(self.name.encode() + b"\0" + unique_id(), True)
        self.boot = Boot()
        self.buffer = bytearray(COUNT_MAX)
        self.arrived = b""
        self.has_more = True  # the agent may have something already
        self.due_ms = time.ticks_ms()

    def begin(self, task):
        """Find out which boot this is."""
        yield from self.boot.begin(task)

    def pause_ms(self):
        """Return the milliseconds until there is something to do, None if never."""
        pause_ms = self.watch.pause_ms()
        if self.has_more:
            left_ms = max(0, time.ticks_diff(self.due_ms, time.ticks_ms()))
            return left_ms if pause_ms is None else min(pause_ms, left_ms)
        return pause_ms

    def attend(self, task, bits):
        """Do one thing that there is to do: tell how the board is, or answer a frame."""
        if bits & INPUT_BIT:
            self.has_more = True
        if bits & STATUS_BIT:
            text = yield from status_text(task, self.name, self.boot)
            yield from self._call(task, SAY, text, READABLE)
        if not self.has_more or time.ticks_diff(self.due_ms, time.ticks_ms()) > 0:
            return
        frame = self._next()
        if frame is None:
            yield from self._read(task)
        elif frame:
            gate = self.gate
            before = gate.refused + gate.replayed
            yield from answer(task, self, frame)
            if gate.refused + gate.replayed > before or frame[0] == link.CHALLENGE:
                self.due_ms = time.ticks_add(time.ticks_ms(), _PENALTY_MS)

    def write(self, task, data):
        """Write an answer; what the network does not take is lost."""
        status = yield from self._call(task, WRITE, data, READABLE)
        if status != OK:
            self.lost += len(data)

    def handed_over(self):
        """Return what an update hands over."""
        return self.boot.mark + self.pack(self.arrived)

    def take_over(self, state, at):
        """Go on with that; return where the next line's state begins."""
        at = self.boot.take_over(state, at)
        half, at = self.unpack(state, at)
        self.arrived = bytes(half)
        return at

    def _read(self, task):
        status = yield from self._call(task, READ, self.buffer, WRITABLE)
        if status == OK and type(task.arg) is int:
            self.arrived += bytes(self.buffer[: task.arg])
        else:
            self.has_more = False

    def _next(self):
        """Return the next frame that has come whole, False for a damaged one, None for none."""
        data = self.arrived
        end = data.find(_LINE_FEED)
        if end < 0:
            if len(data) > link.LINE_BYTES_MAX:
                self.arrived = b""
                self.damaged += 1
            return None
        self.arrived = data[end + 1 :]
        frame = link.decode(data[data.rfind(link.MARK, 0, end) + 1 : end])
        if frame is None:
            self.damaged += 1
            return False
        return frame

    def _call(self, task, operation, data, rights):
        """Call the agent, which may have been started anew."""
        agent = task.cap(self.agent)
        status = yield task.call_lending(agent, operation, data, rights, len(data), _WRITE_MS)
        if status == DEAD and (yield task.reopen(agent)) == OK:
            status = yield task.call_lending(agent, operation, data, rights, len(data), _WRITE_MS)
        return status


class Boot:
    """Which boot this is, for incarnations of the console too: a mark, and how long it is."""

    def __init__(self):
        self.mark = b""
        self.uptime = Uptime()

    def begin(self, task):
        """Take the mark that another incarnation has left, or make one."""
        if not self.mark:
            status = yield task.unstash()
            self.mark = task.arg if status == OK else urandom(_MARK_BYTES)
            yield task.stash(self.mark)

    def take_over(self, state, at):
        """Take the mark that an update hands over; return what is behind it."""
        self.mark = bytes(state[at : at + _MARK_BYTES])
        return at + _MARK_BYTES


def status_text(task, name, boot):
    """Return the text, its MAC over all before it."""
    faults = 0
    versions = {}
    number = 1
    while (yield task.call(task.cap("supervisor"), supervisor_api.ROWS, number)) == OK:
        for at in supervisor_api.row_places(task.arg):
            faults += unpack_from("<H", task.arg, at + supervisor_api.RESTARTS_AT)[0]
            number += 1
    for row in SERVICES:
        version = yield from version_of(task, row[0])
        if version:
            versions[row[0]] = version
    said = {
        "board": name,
        "kind": BOARD,
        "application": APPLICATION,
        "version": VERSION,
        "image": IMAGE,
        "boot": hexlify(boot.mark).decode(),
        "uptime_s": boot.uptime.now() // 1000,
        "faults": faults,
        "services": versions,
    }
    text = json.dumps(said).encode()
    if len(text) > SAY_BYTES_MAX - _MAC_TEXT_BYTES:
        said["services"] = {}
        text = json.dumps(said).encode()
    mac = keyed_hash(KEY, b"status" + text[:-1])[:MAC_BYTES]
    return text[:-1] + b',"mac":"' + hexlify(mac) + b'"}'


def version_of(task, name):
    """Return the version of the code that a service has now, 0 where nobody knows."""
    updater = task.handles.get("updater")
    if updater is None or name == "updater":
        return 0
    data = name.encode()
    status = yield task.call_lending(updater, _LIST, data, READABLE, len(data))
    if status != OK or type(task.arg) is not bytes:
        return 0
    return int(task.arg.split(b" ", 1)[0])
