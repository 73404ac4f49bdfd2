"""What goes over a link and is no frame: random bytes, damaged and cut frames."""

import random

from bulkhead_host import abi

NOISE_BYTES = 400
_CTRL_C = 3


def noise(drawn: random.Random) -> bytes:
    """Return what is to be sent: anything but Ctrl-C, which leads to the prompt.

    Random bytes, a frame with a wrong bit, one that was cut, one too long, one of no known kind.
    """
    inject = abi.encode(abi.INJECT, 1, bytes([1]) + b"blink")
    wrong = bytearray(inject)
    wrong[drawn.randrange(1, len(wrong) - 1)] ^= 1
    pieces = [
        drawn.randbytes(NOISE_BYTES // 2) + b"\n",
        bytes(wrong),
        inject[: drawn.randrange(2, len(inject) - 2)] + abi.MARK,
        abi.MARK + b"A" * (abi.LINE_BYTES_MAX + 20) + b"\n",
        abi.encode(0x7F, drawn.randrange(256), drawn.randbytes(8)),
        drawn.randbytes(NOISE_BYTES // 2) + b"\n",
    ]
    drawn.shuffle(pieces)
    sent = b"".join(pieces)
    return bytes(byte for byte in sent if byte != _CTRL_C) + b"\n"
