"""The place in an image that holds the device key: built as zeros, filled when it is installed.

So the same sources give the same image for everybody, and no key is ever in a file that may be
passed on. The place is known by a mark before it, in a UF2, in a flash memory and in a `.mpy`.
"""

from bulkhead_host.image.uf2 import BLOCK_BYTES, PAYLOAD_BYTES
from bulkhead_host.link.key import KEY_BYTES

MODULE = "bulkhead_key.py"
"""The module's path on the board; its `KEY` is zeros where none was put in."""

_MARK = b"bulkhead device key:"
_UF2_HEAD_BYTES = 32


def key_source() -> str:
    """Return the source of `bulkhead_key`."""
    empty = _MARK.decode() + "\\0" * KEY_BYTES
    return (
        '"""The device key, put here when the image is installed; zeros stand for none."""\n\n'
        f'KEY = b"{empty}"[{len(_MARK)}:]\n'
    )


def with_key(data: bytes, key: bytes) -> bytes:
    """Return `data`, an image's bytes in the order of their addresses, with the key put in.

    What has no place for a key, such as MicroPython as it comes, is returned as it is.
    """
    start = 0
    while (found := data.find(_MARK, start)) >= 0:
        start = found + len(_MARK)
        data = data[:start] + key + data[start + KEY_BYTES :]
    return data


def uf2_with_key(content: bytes, key: bytes) -> bytes:
    """Return a UF2 file, which `read_uf2` has found right, with the key put in."""
    heads = range(_UF2_HEAD_BYTES, len(content), BLOCK_BYTES)
    data = with_key(b"".join(content[head : head + PAYLOAD_BYTES] for head in heads), key)
    whole = bytearray(content)
    for number, head in enumerate(heads):
        payload = data[number * PAYLOAD_BYTES : (number + 1) * PAYLOAD_BYTES]
        whole[head : head + PAYLOAD_BYTES] = payload
    return bytes(whole)
