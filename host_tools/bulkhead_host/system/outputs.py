"""Outputs: what is safe for each pin that a service drives, and the stores that make it so.

A manifest says it under `[safe]`, by a pin's name or `"*"` for each: `low`, `high`, `input` with a
pull or without, `keep`. What the kernel does about it when a service ends is made here, as data.

Registers are those of the RP2040 datasheet: SIO's output level and output enable, of which each
bit is set or cleared by itself (2.3.1.7); of each pin its pad (2.19.6.3) and its control word
(2.19.6.1). The control word gives the pin to SIO, off PWM, PIO or a bus, and overrides level and
output enable: so nothing that a dead service has left behind, a timer's callback or a state
machine, moves the pin. FUNCSEL alone of the control word lifts that, and leaves the level.
"""

import struct
from collections.abc import Mapping

from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import KEEP, SAFE_STATES, Service

CHIPS = ("rp2040",)
"""Those whose registers are known here."""

BY_PIN = ("esp32", "unix", "sim")
"""Ports that set pins by their own means: they get the pins, and not stores."""

_OUT_SET, _OUT_CLR = 0xD0000014, 0xD0000018
_OE_SET, _OE_CLR = 0xD0000024, 0xD0000028
_CTRL, _PAD = 0x40014004, 0x4001C004  # of GPIO 0; the next one's are 8 and 4 bytes on
_SIO = 5  # FUNCSEL
_OUT_LOW, _OUT_HIGH = 2 << 8, 3 << 8  # OUTOVER
_OE_OFF, _OE_ON = 2 << 12, 3 << 12  # OEOVER
_PAD_ON = 0x52  # input enable, 4 mA, Schmitt trigger
_PULLS = {"input up": 0x08, "input down": 0x04}
_HEADER_WORDS = 2


def safe_states(service: Service, board: Board) -> dict[int, str]:
    """Return what is safe for each pin of the chip that a service drives, but what it may keep."""
    found = {}
    for name in service.driven_pins:
        place, state = board.place(name), service.safe_state(name)
        if isinstance(place, int) and state not in ("", KEEP):
            found[place] = state
    return found


def outputs_of(states: Mapping[int, str], board: Board) -> bytes | tuple[int, ...]:
    """Return what the board's port makes of safe states: `Port.outputs` says what that is."""
    if board.port in BY_PIN:
        return tuple(
            word for gpio in sorted(states) for word in (gpio, SAFE_STATES.index(states[gpio]))
        )
    return stores(states) if states and board.chip in CHIPS else b""


def stores(states: Mapping[int, str]) -> bytes:
    """Return the stores as 32-bit words, little endian: two ends, then addresses and values.

    The first end is that of the stores that are made as they are, the second that of the control
    words. Level and direction are stored first, so that a pin does not glitch as SIO gets it.
    """
    low, high, inputs = (
        sum(1 << gpio for gpio, state in states.items() if state.split()[0] == kind)
        for kind in ("low", "high", "input")
    )
    plain = [(_OUT_CLR, low), (_OUT_SET, high), (_OE_SET, low | high), (_OE_CLR, inputs)]
    plain = [(address, bits) for address, bits in plain if bits]
    plain += [(_PAD + 4 * gpio, _PAD_ON | _PULLS.get(states[gpio], 0)) for gpio in sorted(states)]
    controls = [(_CTRL + 8 * gpio, _control(states[gpio])) for gpio in sorted(states)]
    pairs = plain + controls
    words = [_HEADER_WORDS + 2 * len(plain), _HEADER_WORDS + 2 * len(pairs)]
    words += [word for pair in pairs for word in pair]
    return struct.pack(f"<{len(words)}I", *words)


def _control(state: str) -> int:
    if state == "low":
        return _SIO | _OUT_LOW | _OE_ON
    return _SIO | _OUT_HIGH | _OE_ON if state == "high" else _SIO | _OE_OFF
