"""Operations of the stranger, whose manifest has no [net]."""

from micropython import const

# arg: (operation of net, is its argument a tuple, what it is made of...) -> OK, arg: (status, the
# same of its value)
RELAY = const(1)
