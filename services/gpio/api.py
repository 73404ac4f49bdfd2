"""Operations of the gpio service. A pin is its place, from 0, among the manifest's `pins`."""

from micropython import const

READ = const(1)  # arg: pin -> OK, arg: its level, 0 or 1
WRITE = const(2)  # arg: (pin, level) -> OK; what it drives, or will as an output
TOGGLE = const(3)  # arg: pin -> OK, arg: its new level
MODE = const(4)  # arg: (pin, mode) -> OK
NO_PIN = const(1)  # the manifest lists fewer

# Modes. A pin starts as INPUT.
INPUT = const(0)
PULL_UP = const(1)
PULL_DOWN = const(2)
OUTPUT = const(3)
OPEN_DRAIN = const(4)
