"""Operations of the wifi service, on boards that have the chip."""

from micropython import const

STATUS = const(1)  # -> OK, arg: (state, address, or an empty str)
WAIT = const(2)  # -> once the board has an address: OK, arg: the address; BUSY
CONNECT = const(3)  # arg: (name of the network, password) -> OK: it tries, until told otherwise
DISCONNECT = const(4)  # -> OK
BUSY = const(1)  # as many clients wait as may

# States.
OFF = const(0)  # there is no network to connect to
CONNECTING = const(1)
CONNECTED = const(2)
PAUSING = const(3)  # the last try has failed, the next one comes

WAITERS_MAX = const(8)  # clients

# IEEE 802.11, 9.4.2.2 and J.4.1: what is longer is REFUSED.
NAME_BYTES_MAX = const(32)
PASSWORD_BYTES_MAX = const(64)
