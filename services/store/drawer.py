"""What one client keeps, and its file, which is always the old one or the new one.

A file is the CRC-32 of the rest, then the entries: length of the key, kind, length of the value,
key, value. It is written whole beside the one there is and takes its place by a rename: littlefs
has what was written in the flash when the file is closed, and renames in one commit. What a power
failure leaves of a new file is written over by the next.
"""

import os
import struct
from binascii import crc32

_HEAD = "<BBH"
_HEAD_BYTES = 4
_CRC = "<I"
_CRC_BYTES = 4
_EEXIST = 17
_KINDS = {type(None): b"N", bool: b"B", int: b"I", float: b"F", str: b"S", bytes: b"Y"}


class Drawer:
    """One client's values by key. `is_dirty` tells that the flash has others."""

    def __init__(self, path):
        self.path = path
        self.is_dirty = False
        self.values = decode(self.read())

    def put(self, pairs, key_bytes_max, bytes_max):
        """Take pairs of keys and values, all or none: 0, 1 for no space, 2 for a bad one."""
        values = self.values.copy()
        for index in range(0, len(pairs), 2):
            key, value = pairs[index], pairs[index + 1]
            if type(key) is not str or not 0 < len(key.encode()) <= key_bytes_max:
                return 2
            if type(value) not in _KINDS:
                return 2
            values[key] = value
        if len(encode(values)) > bytes_max:
            return 1
        for key in values:
            if key not in self.values or not is_same(values[key], self.values[key]):
                self.is_dirty = True
        self.values = values
        return 0

    def delete(self, key):
        """Forget a key; return whether it was there."""
        if key not in self.values:
            return False
        del self.values[key]
        self.is_dirty = True
        return True

    def save(self):
        """Have the flash hold the values; return whether that took a write. Raises OSError."""
        data = encode(self.values)
        writes = data != self.read()
        if writes:
            new = self.path + ".new"
            make_folder(self.path.rpartition("/")[0])
            try:
                with open(new, "wb") as file:
                    file.write(data)
                os.rename(new, self.path)
            except OSError:
                remove_if_there(new)  # what there was room for
                raise
        self.is_dirty = False
        return writes

    def read(self):
        """Return the contents of the file, none if there is no file."""
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except OSError:
            return b""


def is_same(value, other):
    """Tell whether two values are equal and of one type: 1, 1.0 and True are three."""
    return type(value) is type(other) and value == other


def encode(values):
    """Return the contents of a file."""
    parts = []
    for key, value in values.items():
        name = key.encode()
        data = _bytes_of(value)
        parts.append(struct.pack(_HEAD, len(name), ord(_KINDS[type(value)]), len(data)))
        parts.append(name)
        parts.append(data)
    entries = b"".join(parts)
    return struct.pack(_CRC, crc32(entries)) + entries


def decode(data):
    """Return the values in a file; none of one that is damaged, which no power failure leaves."""
    values = {}
    if len(data) < _CRC_BYTES or crc32(data[_CRC_BYTES:]) != struct.unpack(_CRC, data[:4])[0]:
        return values
    at = _CRC_BYTES
    while at < len(data):
        name_bytes, kind, size = struct.unpack_from(_HEAD, data, at)
        at += _HEAD_BYTES
        key = data[at : at + name_bytes].decode()
        at += name_bytes
        values[key] = _value_of(kind, data[at : at + size])
        at += size
    return values


def _bytes_of(value):
    if value is None or type(value) is bytes:
        return value or b""
    if type(value) is float:
        return struct.pack("<d", value)
    if type(value) is bool:
        return b"1" if value else b"0"
    return (value if type(value) is str else str(value)).encode()


def _value_of(kind, data):
    kind = chr(kind)
    if kind == "N":
        return None
    if kind == "B":
        return data == b"1"
    if kind == "I":
        return int(data)
    if kind == "F":
        return struct.unpack("<d", data)[0]
    return data.decode() if kind == "S" else data


def make_folder(path):
    """Make a folder, unless it is there. Raises OSError: a full flash has no room for one."""
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != _EEXIST:
            raise


def remove_if_there(path):
    """Remove a file; one that is not there, or cannot be removed, is left."""
    try:
        os.remove(path)
    except OSError:
        pass
