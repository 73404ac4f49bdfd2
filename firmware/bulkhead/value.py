"""Values of messages on the link: None, bool, int, float, str, bytes, or a tuple of these.

Each is a tag and what it takes, numbers little endian: `N`, `T` and `F` nothing; `i` an int of 4
bytes; `f` a double; `n`, `s` and `b` a length u16 and the digits of an int, UTF-8, or bytes. A
tuple is `t`, the number of its items u8, and the items.
"""

import struct

_FIXED = {b"N": 0, b"T": 0, b"F": 0, b"i": 4, b"f": 8}


def encode(value):
    """Return the bytes of a value; raise ValueError for what no message holds."""
    if type(value) is not tuple:
        return _encode_one(value)
    if len(value) > 255:
        raise ValueError("too many items")
    return b"t" + bytes((len(value),)) + b"".join([_encode_one(item) for item in value])


def decode(data):
    """Return the value that `data` is; raise ValueError when it is not one."""
    is_tuple = data[:1] == b"t"
    count = data[1] if is_tuple and len(data) > 1 else 1
    at = 2 if is_tuple else 0
    items = []
    for _ in range(count):
        item, at = _decode_one(data, at)
        items.append(item)
    if at != len(data):
        raise ValueError("not one value")
    return tuple(items) if is_tuple else items[0]


def _encode_one(value):
    kind = type(value)
    if value is None:
        return b"N"
    if kind is bool:
        return b"T" if value else b"F"
    if kind is float:
        return b"f" + struct.pack("<d", value)
    if kind is int and -0x80000000 <= value <= 0x7FFFFFFF:
        return b"i" + struct.pack("<i", value)
    if kind is int:
        tag, data = b"n", str(value).encode()
    elif kind is str:
        tag, data = b"s", value.encode()
    elif kind is bytes:
        tag, data = b"b", value
    else:
        raise ValueError("not a message value: %s" % kind)
    return tag + struct.pack("<H", len(data)) + data


def _decode_one(data, at):
    """Return the value at a place, no tuple, and where it ends."""
    tag = bytes(data[at : at + 1])
    at += 1
    size = _FIXED.get(tag, -1)
    if size < 0:
        if tag not in (b"n", b"s", b"b") or len(data) < at + 2:
            raise ValueError("no value")
        size = data[at] | data[at + 1] << 8
        at += 2
    piece = bytes(data[at : at + size])
    at += size
    if at > len(data):
        raise ValueError("it is cut off")
    if tag == b"i":
        return struct.unpack("<i", piece)[0], at
    if tag == b"f":
        return struct.unpack("<d", piece)[0], at
    if tag == b"n":
        return int(piece), at
    if tag == b"s":
        return str(piece, "utf-8"), at
    if tag == b"b":
        return piece, at
    return None if tag == b"N" else tag == b"T", at
