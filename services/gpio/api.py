"""Operations of the gpio service. A pin is its place, from 0, among the manifest's `pins`."""

from micropython import const

READ = const(1)  # arg: pin -> OK, arg: its level, 0 or 1
WRITE = const(2)  # arg: (pin, level) -> OK; what it drives, or will as an output
TOGGLE = const(3)  # arg: pin -> OK, arg: its new level
MODE = const(4)  # arg: (pin, mode) -> OK
EDGES = const(5)  # arg: pin -> OK, arg: (edges so far, level, storms so far); NO_LINE
# arg: (pin, bits) -> OK: each edge notifies the caller of `bits`, 0 ends that; NO_LINE, NO_ROOM,
SUBSCRIBE = const(6)  # NO_RIGHT
NO_PIN = const(1)  # the manifest lists fewer
NO_LINE = const(2)  # it has no [[line]] on this pin
NO_RIGHT = const(3)  # it does not let gpio notify the caller: caller = ["notify"] under [uses]
NO_ROOM = const(4)  # SUBSCRIBERS_MAX are told of this pin's edges

# Modes. A pin starts as INPUT, with the pull of its line if it has one.
INPUT = const(0)
PULL_UP = const(1)
PULL_DOWN = const(2)
OUTPUT = const(3)
OPEN_DRAIN = const(4)

SUBSCRIBERS_MAX = const(4)  # of one pin

# After so many edges of one pin within STORM_MS its line rests for the remainder, uncounted; then
# its subscribers are told once more.
STORM_EDGES = const(50)
STORM_MS = const(100)
