"""Operations of the i2c service. Data are bytes, at most 200 at a time."""

from micropython import const

SCAN = const(1)  # -> OK, arg: the addresses that answer, as bytes
WRITE = const(2)  # arg: (address, data) -> OK
READ = const(3)  # arg: (address, count) -> OK, arg: data
WRITE_READ = const(4)  # arg: (address, data, count) -> OK, arg: data; no stop in between
NO_ANSWER = const(1)  # nobody has that address, or it did not take the data
STUCK = const(2)  # the bus does not become free
