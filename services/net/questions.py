"""Questions that one datagram asks and one answers: names (RFC 1035) and the time (RFC 5905).

MicroPython's `getaddrinfo` waits for the answer in one C call, and `ntptime` for its own: neither
is a step of a service.
"""

import socket  # type: ignore[import-not-found, unused-ignore]
import time
from struct import pack, unpack_from

from micropython import const

_DNS_PORT = const(53)
_NTP_PORT = const(123)
_ANSWER_BYTES_MAX = const(512)
_TRIES = const(3)
_TRY_MS = const(2000)
_A = const(1)
_NTP_TO_UNIX_S = const(2208988800)  # from 1900 to 1970
_NTP_BYTES = const(48)
_CLIENT = b"\x1b" + bytes(39)  # version 3, a client's


class Question:
    """One that is asked until there is an answer, at most three times.

    `answer` is what `read` makes of a datagram; `is_over` comes with it, or without one.
    """

    def __init__(self, server, port, data, read):
        self.data = data
        self.read = read
        self.answer = None
        self.is_over = False
        self.tries = 0
        self.asked_ms = time.ticks_ms()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        try:
            self.socket.connect(socket.getaddrinfo(server, port)[0][-1])  # an address: at once
        except OSError:
            self.end()

    def look(self):
        """Ask, ask again, or take the answer; return whether it is over."""
        now = time.ticks_ms()
        if self.is_over:
            return True
        try:
            if self.tries == 0 or time.ticks_diff(now, self.asked_ms) >= _TRY_MS:
                if self.tries == _TRIES:
                    self.end()
                    return True
                self.tries += 1
                self.asked_ms = now
                self.socket.send(self.data)
            data = self.socket.recv(_ANSWER_BYTES_MAX)
        except OSError:  # nothing yet, or nobody there, which the tries count
            return False
        self.answer = self.read(self.data, data)
        if self.answer is not None:
            self.end()
        return self.is_over

    def end(self):
        """Close the socket."""
        if not self.is_over:
            self.is_over = True
            self.socket.close()


def ask_name(server, name, number):
    """Return the question for a name's address: a str, empty for a name that there is none of."""
    labels = b"".join([bytes((len(label),)) + label for label in name.encode().split(b".")])
    data = pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\x01\0\x01"
    return Question(server, _DNS_PORT, data, _read_name)


def ask_time(server, number):
    """Return the question for the time: ms since 1970."""
    data = _CLIENT + pack(">II", number, time.ticks_us())  # which the answer gives back
    return Question(server, _NTP_PORT, data, _read_time)


def is_address(host):
    """Tell whether a text is an IPv4 address."""
    parts = host.split(".")
    return len(parts) == 4 and all([part.isdigit() and int(part) < 256 for part in parts])


def _read_name(asked, data):
    if len(data) < len(asked) or data[:2] != asked[:2] or not data[2] & 0x80:
        return None
    if data[12 : len(asked)].lower() != asked[12:].lower():
        return None
    at = len(asked)
    for _ in range(unpack_from(">H", data, 6)[0]):
        at = _skip_name(data, at)
        if at + 10 > len(data):
            return ""
        kind, _, _, size = unpack_from(">HHIH", data, at)
        at += 10
        if kind == _A and size == 4 and at + 4 <= len(data):
            return "%d.%d.%d.%d" % tuple(data[at : at + 4])
        at += size
    return ""


def _skip_name(data, at):
    """Return where the name that begins at `at` ends (4.1.4)."""
    while at < len(data) and data[at]:
        if data[at] & 0xC0:
            return at + 2
        at += data[at] + 1
    return at + 1


def _read_time(asked, data):
    is_answer = len(data) >= _NTP_BYTES and data[0] & 7 == 4 and data[24:32] == asked[40:48]
    if not is_answer or not 0 < data[1] < 16:  # of no stratum: it does not know itself
        return None
    seconds, part = unpack_from(">II", data, 40)
    return (seconds - _NTP_TO_UNIX_S) * 1000 + (part * 1000 >> 32)
