"""Operations of the prober: what it asks of net is the test's."""

from micropython import const

# arg: (operation of net, is its argument a tuple, what it is made of...) -> OK, arg: (status, the
# same of its value)
RELAY = const(1)
NOTES = const(2)  # -> OK, arg: the bits that came since
FETCH = const(3)  # arg: (host, port, data) -> OK, arg: (status, the last 160 bytes that came)
CRASH = const(4)
HOARD = const(5)  # arg: how many KB of the heap it leaves, or 0: it gives all back
