"""The prompt: typing at it, and leaving it by itself once the host has closed the serial port.

A host that closes the port says so with SET_CONTROL_LINE_STATE, DTR off (USB CDC PSTN 1.2,
6.3.14). Python is not told, but the controller keeps the last SETUP packet it received at the
start of its memory (RP2040 datasheet 4.1.2.5.1). A prompt is taken from nobody who never says
whether the port is open, or never closes it. One that opens as its port is closed is left, too:
the port was open when input came a moment ago, or nobody types for seconds.
"""

import io
import os
import time

import machine
import micropython
from micropython import const
from port.rp2_chip import WATCHDOG_CTRL

_SETUP_REQUEST = const(0x50100000)  # bmRequestType and bRequest
_SETUP_VALUE = const(0x50100002)
_SET_CONTROL_LINE_STATE = const(0x2221)
_DTR = const(1)
# Of the watchdog's control register, at the address that clears bits, 2.1.2.
_CLEAR = const(0x3000)
_ENABLE = const(0x40000000)
_LOOK_MS = const(25)
# A port that was open so short a time before its prompt was the typist's.
_OPEN_MS = const(2000)
# Looks at a closed port at which nobody types: then nobody does.
_SILENT = const(200)
_PUT = const(8)  # where in the ring of console input the next byte is put: see `rp2_input`
# Not in this run: the prompt keeps its alarm, of which the chip's pool has 16 for all.
_FAR_MS = const(0x15A4C36B)
# Looks after which what was typed has had no effect.
_PATIENCE = const(80)

_INTERRUPT = b"\x03"
_SOFT_RESET = b"\x04"
_LEAVE_RAW_REPL = b"\x02"


def stop_watchdog():
    """Let the hardware watchdog fire no more, which `machine.WDT` cannot be told."""
    machine.mem32[WATCHDOG_CTRL + _CLEAR] = _ENABLE


def typist(keyboard, dupterm, notify):
    """Return `Keyboard.type`: among the names of `os` each takes 3 us to find."""

    @micropython.viper
    def type_keys(keys):
        keyboard.keys = keys
        keyboard.next = 0
        dupterm(keyboard)
        notify(None)
        dupterm(None)

    return type_keys


@micropython.native
def is_open():
    """Return whether a host has the port open, or has never said."""
    if machine.mem16[_SETUP_REQUEST] != _SET_CONTROL_LINE_STATE:
        return True
    return machine.mem16[_SETUP_VALUE] & _DTR != 0


class Keyboard(io.IOBase):
    """A second console that never shows anything and on which the port types.

    `type` puts keys behind the console input that waits, in any context. The interrupt character
    ends them, and raises KeyboardInterrupt at the next branch of bytecode. Compiled code
    throughout: it reaches no branch, and allocates nothing.
    """

    def __init__(self):
        self.keys = b""
        self.next = 0
        self.type = typist(self, os.dupterm, os.dupterm_notify)

    @micropython.native
    def readinto(self, buffer):
        """Give MicroPython the next key, None when there is no other."""
        at = self.next
        if at >= len(self.keys):
            return None
        buffer[0] = self.keys[at]
        self.next = at + 1
        return 1


class Prompt:
    """MicroPython's REPL, as somebody who types there sees it.

    `port` is the port once Bulkhead runs. A program that its host leaves running is a guest
    program from then on: the console answers, a Ctrl-C leads to the prompt, and the end of the
    program away from it.
    """

    def __init__(self):
        self.port = None
        self.keyboard = Keyboard()
        self.timer = machine.Timer(-1)
        self.look_handler = self.look
        self.line = _SOFT_RESET
        self.was_open = False
        self.open_ms = time.ticks_add(time.ticks_ms(), -_OPEN_MS)
        self.typed = 0
        self.silent = 0
        self.watches = False
        self.patience = 0

    def see(self):
        """Take note that input comes now, of a port that is open or not; allocates nothing."""
        if is_open():
            self.open_ms = time.ticks_ms()

    def leave_by(self, line):
        """Type `line` at the prompt once the host has closed the port; allocates nothing.

        Where that has no effect the board is reset softly.
        """
        self.line = line
        self.watches = True
        self.was_open = 0 <= time.ticks_diff(time.ticks_ms(), self.open_ms) < _OPEN_MS
        self.silent = self.patience = 0
        self.timer.init(period=_LOOK_MS, callback=self.look_handler)

    def stay(self):
        """Type nothing any more."""
        self.watches = False  # a look may be on its way
        self.timer.init(period=_FAR_MS, callback=self.look_handler)  # holds its alarm

    @micropython.native
    def look(self, _timer):
        """See whether the port has been closed, and leave the prompt if so.

        MicroPython may take a Ctrl-C from USB just before this callback, and would raise it at
        the callback's first branch of bytecode: the callback would end, and the program at the
        prompt go on. Compiled code has no such branch, so the program meets the Ctrl-C.
        """
        if not self.watches:
            return
        port = self.port
        if port is not None and port.is_left:
            if port.has_ended():
                self._leave()
            return
        if port is not None and port.interrupt_program():
            return
        if is_open():
            self.was_open = True
            self.patience = 0
        elif self.patience:
            self.patience -= 1
        elif self.was_open or self.is_silent(port):
            if self.cancels_line():
                self._leave()
            elif port is not None:
                port.leave_program()

    @micropython.native
    def is_silent(self, port):
        """Return whether nobody has typed for long; called at each look at a closed port."""
        if port is None or port.waiting is None:
            return False
        typed = machine.mem16[port.waiting.at + _PUT]
        self.silent = self.silent + 1 if typed == self.typed else 0
        self.typed = typed
        return self.silent >= _SILENT

    def _leave(self):
        self.keyboard.type(_LEAVE_RAW_REPL + self.line)
        self.line = _SOFT_RESET
        self.patience = _PATIENCE

    def cancels_line(self):
        """Type Ctrl-C and return whether the prompt reads it.

        If a program runs the character is turned into an exception, here and at once: the program
        is not harmed.
        """
        try:
            self.keyboard.type(_INTERRUPT)
            for _ in range(2):
                pass
        except KeyboardInterrupt:
            return False
        return True
