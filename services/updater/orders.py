"""One service of an update: is it for this board, and its files on their way to a slot."""

import hashlib
import os
from binascii import hexlify

from bulkhead import OK, REFUSED
from bulkhead_key import KEY
from bulkhead_slots import (
    FOLDER, HEAD, SHIPPED, SLOTS, BadHead, Head, check_slot, folder, read_head, read_record,
)  # fmt: skip
from bulkhead_system import (
    APPLICATION, BOARD, CODES, CONFIG, IMAGE, INTERFACE, MODULES, PINS, SERVICES, VERSIONS,
)  # fmt: skip
from micropython import const

from services.updater.api import REFUSED_BY

_BYTES_MAX = const(65536)  # of one service's code
_SELF = "updater"
_FEATURES = const(2)
_ARCHITECTURE_SHIFT = const(2)
# What a manifest lists whose service may have native code.
_COMPILERS = (
    "micropython", "micropython.native", "micropython.viper", "micropython.asm_thumb",
)  # fmt: skip
_EEXIST = const(17)
ENOSPC = const(28)  # of littlefs; the module errno has no name for it


class Order:
    """New code of one service, for a slot that is not in use."""

    def __init__(self, signed, key):
        """Judge a head before anything is written. Raises BadHead."""
        self.signed = signed
        self.head = head = Head(signed, key)
        self.name = head.name
        self.version = head.version
        self.number = number_of(head.name)
        if (head.board, head.application) != (BOARD, APPLICATION):
            text = "the update is for %s on %s" % (head.application, head.board)
            raise BadHead("%s, and this is %s on %s" % (text, APPLICATION, BOARD))
        if head.interface != INTERFACE:
            raise BadHead("the update is for another image: flash that first")
        if head.manifest != manifest_of(self.number):
            raise BadHead("only code is updated, and the manifest of %s differs" % head.name)
        if not 0 < head.size <= _BYTES_MAX:
            raise BadHead("the code of %s has %d bytes" % (head.name, head.size))
        self.old_slot, self.old_version = in_use(self.number)
        taken = read_record(IMAGE).get(self.name, ())
        self.slot = next(iter([slot for slot in SLOTS if slot not in taken]))
        self.position = 0
        self.file = None
        self.files = iter(head.files)
        self.left = 0
        self.begun = b""  # of a module
        self.state = hashlib.sha256()
        self.is_whole = False
        self.is_new = True
        self.was_down = False
        self.generation = 0

    def open(self):
        """Empty the slot. Raises OSError or, if there is no room, BadHead."""
        place = folder(self.name, self.slot)
        make_folder(FOLDER)
        make_folder(place)
        for name in sorted(os.listdir(place)):  # the head goes first
            os.remove("%s/%s" % (place, name))
        block, _, _, free = os.statvfs("/")[1:5]
        if self.head.size + block * (len(self.head.files) + 2) > block * free:
            raise BadHead("there is no room for %d bytes" % self.head.size)

    def take(self, offset, data):
        """Write a piece to the files; one that comes a second time is left alone."""
        if offset + len(data) == self.position:
            return
        if offset != self.position or offset + len(data) > self.head.size:
            raise BadHead("a piece of %s is missing" % self.name)
        self.position += len(data)
        self.state.update(data)
        while data:
            if not self.left:
                self.close()
                module, self.left = next(self.files)
                self.file = open("%s/%s" % (folder(self.name, self.slot), module), "wb")
                self.begun = b""
            self._look_at(data)
            self.file.write(data[: self.left])
            count = min(len(data), self.left)
            data = data[count:]
            self.left -= count

    def _look_at(self, data):
        """Refuse native code that the manifest does not name. Raises BadHead.

        The third byte of a `.mpy` says for what processor, 0 for none (`py/persistentcode.h`).
        """
        if len(self.begun) <= _FEATURES:
            self.begun += bytes(data[: min(self.left, _FEATURES + 1 - len(self.begun))])
            if len(self.begun) > _FEATURES and self.begun[_FEATURES] >> _ARCHITECTURE_SHIFT:
                if not [name for name in MODULES[self.number - 1] if name in _COMPILERS]:
                    raise BadHead(
                        "the code of %s is native, and its manifest names none" % self.name
                    )

    def close(self):
        """Have the flash hold what was written."""
        if self.file:
            self.file.close()
            self.file = None

    def check(self):
        """Make the slot valid, if all that was written is as signed. Raises BadHead or OSError."""
        self.close()
        if self.position != self.head.size:
            raise BadHead(
                "%d bytes of %s are missing" % (self.head.size - self.position, self.name)
            )
        if hexlify(self.state.digest()).decode() != self.head.digest:
            raise BadHead("the files of %s are not as signed" % self.name)
        if not self.is_whole:
            with open("%s/%s" % (folder(self.name, self.slot), HEAD), "wb") as file:
                file.write(self.signed)
            self.is_whole = True


def make_folder(path):
    """Make a folder, unless it is there. Raises OSError: a full flash has no room for one."""
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != _EEXIST:
            raise


class Present:
    """Code that is on the board: what a service has, or what it had before."""

    def __init__(self, name, key, is_previous):
        """Find it. Raises BadHead where there is none before, or it is damaged."""
        self.name = name
        self.number = number_of(name)
        self.old_slot, self.old_version = in_use(self.number)
        taken = read_record(IMAGE).get(name)
        if is_previous and taken is None:
            raise BadHead("%s has not been updated" % name)
        self.slot = taken[1] if is_previous else self.old_slot
        if self.slot == SHIPPED:
            self.version = VERSIONS[self.number - 1]
        else:
            self.version = check_slot(name, self.slot, key).version
        self.is_new = is_previous
        self.was_down = False
        self.generation = 0

    def close(self):
        """Do nothing: it has no file."""


def number_of(name):
    """Return the task number of a service that may be updated. Raises BadHead for another."""
    for number, row in enumerate(SERVICES, 1):
        if row[0] == name and name != _SELF:
            return number
    if name == _SELF:
        raise BadHead("the updater is replaced with the whole image: bulkhead flash")
    raise BadHead("there is no service %s" % name)


def manifest_of(number):
    """Return a digest of all that a service's manifest says but its version."""
    name = SERVICES[number - 1][0]
    pins = [row for row in PINS if row[0] == name]
    told = [pair for row in CONFIG if row[0] == name for pair in row[1]]
    told = [pair for pair in told if type(pair[1]) in (bool, int, str)]
    text = repr((SERVICES[number - 1], MODULES[number - 1], pins, told))
    return hexlify(hashlib.sha256(text.encode()).digest()[:8]).decode()


def in_use(number):
    """Return the slot and the version of the code that a service has."""
    name = SERVICES[number - 1][0]
    slot = read_record(IMAGE).get(name, (SHIPPED,))[0]
    if slot != SHIPPED:
        try:
            return slot, read_head(name, slot, KEY).version
        except BadHead:
            pass
    return SHIPPED, VERSIONS[number - 1]


def listed(data):
    """Return the status and what LIST says: version, code and slot in use, version before."""
    try:
        name = str(data, "utf-8")
        number = number_of(name)
    except UnicodeError:  # what is lent is no text
        return REFUSED, None
    except BadHead as error:
        return REFUSED_BY, str(error)
    slot, version = in_use(number)
    code = CODES[number - 1] if slot == SHIPPED else read_head(name, slot, KEY).code
    try:
        before = str(Present(name, KEY, True).version)
    except BadHead:
        before = "-"
    return OK, ("%d %s %s %s" % (version, code, slot, before)).encode()
