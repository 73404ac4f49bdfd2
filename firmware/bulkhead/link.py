"""The link: frames of the host tools on the serial line that also carries the REPL and output.

A frame is one line of printable ASCII behind the control byte RS (0x1E), which MicroPython's
REPL ignores:

    RS base64( kind u8, sequence u8, payload, crc32 of all before it u32 ) LF

Numbers are little endian. A reader may join anywhere: what does not start with RS is program
output, what fails its CRC is dropped. An answer carries the sequence of its request.

What changes anything is taken only in an ORDER of a session (`bulkhead.session`), which holds the
kind and the payload of the request; it is answered in ANSWERs. What is in READING is taken as it
is, unless the application has closed reading; HELLO and CHALLENGE always.
"""

import struct
from binascii import a2b_base64, b2a_base64, crc32

from micropython import const

MARK = b"\x1e"
PAYLOAD_BYTES_MAX = const(360)
LINE_BYTES_MAX = const(496)

# Requests.
HELLO = const(0x01)  # -> HELLO_IS
TABLE = const(0x02)  # -> SERVICE ..., all tasks in their order, then END
INJECT = const(0x03)  # in an order: injection u8 (terms.CRASH ...), service name -> STATUS
FAULT_TEXT = const(0x04)  # offset u16, service name (empty: the board) -> TEXT, or STATUS
WATCH = const(0x05)  # interval_ms u16, for_ms u16 -> SERVICE ..., END now and every interval
CONTROL = const(0x06)  # in an order: verb u8 (HOLD ... RESET), service name -> STATUS
FAULT = const(0x07)  # service name (empty: the board) -> TEXT of terms.FAULT_FORMAT, or STATUS
TRACE = const(0x08)  # position u32 -> TEXT of READ_TRACE's answer, fewer than 31 when caught up
CAPABILITIES = const(0x09)  # service name -> TEXT of terms.CAPABILITY_FORMAT for each, or STATUS
CHALLENGE = const(0x0A)  # nonce of 16 bytes -> CHALLENGE_IS
UPDATE = const(0x0D)  # in an order: operation u8 of services/updater, data -> TEXT, or STATUS, why
ORDER = const(0x0B)  # session u8, number u32, MAC of 16 bytes, kind u8, payload -> as the kind's
CALL = const(0x0C)  # in an order: CALL_FORMAT, service, NUL, `bulkhead.value` -> RESULT
LOG = const(
    0x11
)  # number u32 -> TEXT: of the first record kept after it its number u32 and its line
ROOM = const(0x10)  # -> TEXT in ROOM_FORMAT

READING = (TABLE, FAULT_TEXT, WATCH, FAULT, TRACE, CAPABILITIES, ROOM, LOG)

# Answers.

HELLO_IS = const(0x81)  # HELLO_FORMAT, then version, board and application, each ended by NUL
SERVICE = const(0x82)  # rows of the table, as the supervisor's ROWS answers them
END = const(0x83)  # END_FORMAT: number of rows before it, uptime_ms, losses
STATUS = const(0x84)  # abi status u8; one that refuses an order has its MAC of 16 bytes behind it
TEXT = const(0x85)  # a piece of UTF-8, empty after the end
CHALLENGE_IS = const(0x86)  # session.CHALLENGE_FORMAT
RESULT = const(0x87)  # status of the call u8, `bulkhead.value` that came with it
ANSWER = const(0x88)  # to an order: session.ANSWER_FORMAT, kind u8 and payload of another answer

# Verbs of CONTROL.
HOLD = const(0)  # stop it, and do not start it again
RELEASE = const(1)  # start what is held, or degraded
RESTART = const(2)  # stop it and start it again, and what shares its fate: no fault
RESET = const(3)  # without a name: reset the board, once STATUS has gone out
CONTROL_NAMES = ("hold", "release", "restart", "reset")

HELLO_FORMAT = "<BBIB4s"  # abi, services, uptime_ms; access, and the key's mark, of `session`
# Rows, uptime_ms; since the console began, each modulo 2**16: frames that came damaged, orders
# refused, orders that came again or of an ended session, and bytes that the host did not take.
END_FORMAT = "<BIHHHH"
CALL_FORMAT = "<HB"  # timeout_ms, operation
# Bytes of the heap that are free after a collection, and all; of the file system, 0 and 0 without
# one; why the chip was reset, in the numbers of `machine.reset_cause`, 0 where nobody knows.
ROOM_FORMAT = "<IIIIB"


def encode(kind, sequence, payload):
    """Return the frame as bytes, the line feed included."""
    body = bytes((kind, sequence)) + payload
    return MARK + b2a_base64(body + struct.pack("<I", crc32(body)))


def decode(line):
    """Return (kind, sequence, payload) of what stands behind the mark, None if it is damaged."""
    try:
        body = a2b_base64(line)
    except ValueError:
        return None
    if len(body) < 6 or struct.unpack("<I", body[-4:])[0] != crc32(body[:-4]):
        return None
    return body[0], body[1], body[2:-4]
