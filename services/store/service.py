"""Keep values for clients, which it tells apart by their badges, on the board's file system.

What is put is written within a second, so that many puts are one write, and what is as it was is
not written at all: a sector of flash stands some 100,000 erasures. `drawer` says why a file is
never half of each.
"""

import time
from struct import calcsize, pack, unpack_from

from bulkhead import OK, REFUSED, TIMEOUT
from bulkhead_system import SERVICES
from micropython import const

from services.store.api import (
    BAD_VALUE,
    CLIENT_BYTES,
    DELETE,
    GET,
    KEY,
    KEY_BYTES_MAX,
    NO_KEY,
    NO_SPACE,
    NOT_WRITTEN,
    PUT,
    SAVE,
    USE,
)
from services.store.drawer import Drawer, decode, encode

_FOLDER = "/store"
_WRITE_AFTER_MS = const(1000)
# What an update hands over: a head, then each drawer that is not written, as in its file.
_STATE_BYTES = const(4096)
_HEAD = "<II"
_DRAWER = "<BH"
_DRAWER_BYTES = const(3)
_PUT_STATUSES = (OK, NO_SPACE, BAD_VALUE)


class Store:
    """The drawers that have been opened, by task number; files written; when to write next."""

    def __init__(self):
        self.drawers = {}
        self.written = 0
        self.due_ms = time.ticks_ms()

    def drawer(self, number):
        """Return the drawer of a client; None if there is no such client."""
        if number not in self.drawers:
            if not 0 < number <= len(SERVICES):
                return None
            self.drawers[number] = Drawer("%s/%s" % (_FOLDER, SERVICES[number - 1][0]))
        return self.drawers[number]

    def export_state(self):
        """Return what the flash does not have yet; what there is no room for is written."""
        state = pack(_HEAD, self.written, self.due_ms)
        for number, drawer in self.drawers.items():
            if drawer.is_dirty:
                data = encode(drawer.values)
                if len(state) + _DRAWER_BYTES + len(data) > _STATE_BYTES:
                    self.written += drawer.save()
                else:
                    state += pack(_DRAWER, number, len(data)) + data
        return state

    def import_state(self, _version, state):
        """Take over values that an earlier version has not written."""
        self.written, self.due_ms = unpack_from(_HEAD, state)
        at = calcsize(_HEAD)
        while at < len(state):
            number, size = unpack_from(_DRAWER, state, at)
            at += _DRAWER_BYTES
            drawer = self.drawer(number)
            drawer.values = decode(state[at : at + size])
            drawer.is_dirty = True
            at += size

    def save(self, drawer):
        """Write a drawer if it has changed; return whether the flash has it now."""
        try:
            self.written += drawer.save()
        except OSError:
            return False
        return True

    def pause_ms(self):
        """Return the milliseconds until there is something to write, None if there is nothing."""
        for drawer in self.drawers.values():
            if drawer.is_dirty:
                return max(0, time.ticks_diff(self.due_ms, time.ticks_ms()))
        return None


def main(task):
    """Serve `api`."""
    store = Store()
    task.carry_over(store)
    while True:
        pause_ms = store.pause_ms()
        operation = TIMEOUT if pause_ms == 0 else (yield task.recv(pause_ms))
        if operation == TIMEOUT:
            store.due_ms = time.ticks_add(time.ticks_ms(), _WRITE_AFTER_MS)
            for drawer in list(store.drawers.values()):
                if drawer.is_dirty:
                    store.save(drawer)
                    yield task.sleep(0)
        elif task.caller():
            drawer = store.drawer(task.badge())
            was_clean = store.pause_ms() is None
            status, value = (
                answer(store, drawer, operation, task.arg) if drawer else (REFUSED, None)
            )
            if was_clean:
                store.due_ms = time.ticks_add(time.ticks_ms(), _WRITE_AFTER_MS)
            yield task.reply(status, value)


def answer(store, drawer, operation, arg):
    """Do what one call asks; return the status and the value of the reply."""
    status, value = REFUSED, None
    if operation == GET and type(arg) is str:
        status = OK if arg in drawer.values else NO_KEY
        value = drawer.values.get(arg)
    elif operation == PUT and type(arg) is tuple and len(arg) % 2 == 0:
        status = _PUT_STATUSES[drawer.put(arg, KEY_BYTES_MAX, CLIENT_BYTES)]
    elif operation == DELETE and type(arg) is str:
        status = OK if drawer.delete(arg) else NO_KEY
    elif operation == SAVE:
        status = OK if store.save(drawer) else NOT_WRITTEN
    elif operation == KEY and type(arg) is int:
        keys = sorted(drawer.values)
        status = OK if 0 <= arg < len(keys) else NO_KEY
        value = keys[arg] if status == OK else None
    elif operation == USE:
        status = OK
        value = (len(encode(drawer.values)), CLIENT_BYTES, store.written)
    return status, value
