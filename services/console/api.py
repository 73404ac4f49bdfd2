"""What console and `far` ask of an agent, a service that has a line of the link by a network.

The agent judges no frame and has no key: what it passes on is for the console to refuse. The
console has no operations itself.
"""

from binascii import hexlify

from micropython import const

READ = const(1)  # lent: WRITABLE -> OK, arg: bytes read; EMPTY
WRITE = const(2)  # lent: READABLE, arg: bytes -> once there is room for more: OK; FULL, DOWN
SAY = const(3)  # lent: READABLE, arg: bytes -> OK: said where the board cannot be asked
STATUS = const(4)  # -> OK, arg: (state, connections so far, bytes lost)
PASS = const(5)  # lent: READABLE, arg: (board, bytes) -> OK: sent to another board; FULL, DOWN
TAKE = const(6)  # lent: WRITABLE -> OK, arg: (board, bytes) that has come of another; EMPTY
EMPTY = const(1)  # nothing has come
FULL = const(2)  # what was written before has not gone out yet
DOWN = const(3)  # nobody is connected

# States.
OFF = const(0)  # the manifest names no broker, and no port to listen at; or no name for the board
CONNECTING = const(1)
CONNECTED = const(2)
PAUSING = const(3)  # the last try has failed, or the connection was lost; the next try comes

# Notified to the console.
INPUT_BIT = const(8)  # READ may have something
STATUS_BIT = const(16)  # it is time to SAY how the board is

COUNT_MAX = const(512)  # bytes of one READ or WRITE
SAY_BYTES_MAX = const(1024)  # of one SAY
NAME_BYTES_MAX = const(32)  # of a board's name
_NAME_MARKS = "-_."


def board_name(config, unique_id):
    """Return the name that hosts know the board by: the manifest's, or the chip's id in digits.

    The empty str where there is none that fits a topic and a URL: letters, digits, `-_.`.
    """
    name = config["board"] or hexlify(unique_id).decode()
    for character in name:
        code = ord(character)
        is_letter = 97 <= code | 32 <= 122 and code < 128
        if not (is_letter or 48 <= code <= 57 or character in _NAME_MARKS):
            return ""
    return name if len(name) <= NAME_BYTES_MAX else ""
