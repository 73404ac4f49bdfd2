"""Operations of the button service."""

from micropython import const

PRESSES = const(1)  # -> OK, arg: presses since the service started
