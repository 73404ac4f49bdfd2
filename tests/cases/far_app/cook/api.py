"""Operations of the cook service."""

from micropython import const

ASK = const(1)  # arg: (operation, argument, ms) -> OK, arg: (status, answer) of the garden's soil
ASK_NOBODY = const(2)  # as ASK, of a service that the garden has not
