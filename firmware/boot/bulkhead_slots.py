"""Updated services on the file system: their slots, and one record of which are in use.

    /update/NAME.a/   the modules of one version, and its head; the same in NAME.b and NAME.c
    /update/record    CRC-32, image, then a line for each service: name, slot, previous slot

There is a slot for the code in use, one for that before it, and one for what is being tried.

A head is what the host has signed: what the code is, for which board and image, and the SHA-256
of its files. Nothing is used whose head or files are not as signed. The record is written whole
beside the one there is and takes its place by a rename, which littlefs does in one commit: a
power failure leaves the old one or the new. A record of another image counts for nothing.
"""

import hashlib
import os
import sys
from binascii import crc32, hexlify

from bulkhead.session import is_same, keyed_hash

FOLDER = "/update"
RECORD = FOLDER + "/record"
HEAD = "head"
SHIPPED = "-"  # the slot that stands for the code in the image
SLOTS = "abc"
FORMAT = "bulkhead-update 1"
MAC_BYTES = 32
_PIECE = 512


class BadHead(Exception):
    """A head or a slot that cannot be used; the text says why."""


class Head:
    """What is known of one version of one service: the text that was signed, in its parts."""

    def __init__(self, signed, key):
        """Take a head apart. Raises BadHead if this key has not signed it."""
        text, mac = signed[:-MAC_BYTES], signed[-MAC_BYTES:]
        if not any(key):
            raise BadHead("the board has no key: flash it with one")
        if not is_same(keyed_hash(key, text), mac):
            raise BadHead("the signature is wrong: it was made with another key, or changed")
        lines = text.decode().split("\n")
        if lines[0] != FORMAT or len(lines) < 5:
            raise BadHead("the update is of another format")
        self.board, self.application, self.interface = lines[1].split(" ")
        self.name, version, self.code, self.manifest = lines[2].split(" ")
        self.version = int(version)
        self.digest = lines[3]
        self.files = [(line.split(" ")[0], int(line.split(" ")[1])) for line in lines[4:]]
        self.size = sum([size for _, size in self.files])


def folder(name, slot):
    """Return where the modules of a service are, None for those in the image."""
    return None if slot == SHIPPED else "%s/%s.%s" % (FOLDER, name, slot)


def read_record(image):
    """Return {service: (slot, previous slot)}; nothing of one that is damaged or of another."""
    data = read_file(RECORD)
    lines = data[8:].decode().split("\n") if hexlify(_crc(data[8:])) == data[:8] else [""]
    if lines[0] != image:
        return {}
    rows = [line.split(" ") for line in lines[1:] if line]
    return {name: (slot, previous) for name, slot, previous in rows}


def write_record(image, record):
    """Have the flash hold the record: the one atomic step of an update. Raises OSError."""
    lines = [image]
    lines += ["%s %s %s" % (name, slot, previous) for name, (slot, previous) in record.items()]
    text = "\n".join(lines).encode()
    with open(RECORD + ".new", "wb") as file:
        file.write(hexlify(_crc(text)) + text)
    os.rename(RECORD + ".new", RECORD)


def read_file(path):
    """Return the contents of a file, none if there is no file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def read_head(name, slot, key):
    """Return the head of a slot. Raises BadHead; says nothing of the files."""
    signed = read_file("%s/%s" % (folder(name, slot), HEAD))
    head = Head(signed, key) if len(signed) > MAC_BYTES else None
    if head is None or head.name != name:
        raise BadHead("slot %s of %s is empty" % (slot, name))
    return head


def check_slot(name, slot, key):
    """Return the head of a slot whose files are all as they were signed. Raises BadHead."""
    head = read_head(name, slot, key)
    state = hashlib.sha256()
    piece = bytearray(_PIECE)
    for module, size in head.files:
        left = size
        try:
            with open("%s/%s" % (folder(name, slot), module), "rb") as file:
                while left > 0:
                    count = file.readinto(piece)
                    if not count:
                        break
                    state.update(memoryview(piece)[:count])
                    left -= count
        except OSError:
            left = -1
        if left:
            raise BadHead("%s of %s is not whole" % (module, name))
    if hexlify(state.digest()).decode() != head.digest:
        raise BadHead("the files of %s are not as signed" % name)
    return head


def use_slots(image, interface, key):
    """Have services be imported from their slots, before any is; return what cannot be used."""
    refused = []
    for name, (slot, _) in read_record(image).items():
        if slot == SHIPPED:
            continue
        try:
            if check_slot(name, slot, key).interface != interface:
                raise BadHead("the update is for another image")
            package = "services." + name
            __import__(package)
            sys.modules[package].__path__ = folder(name, slot)
        except (BadHead, ImportError) as error:
            refused.append("%s: %s" % (name, error))
    return refused


def _crc(data):
    return crc32(data).to_bytes(4, "big")
