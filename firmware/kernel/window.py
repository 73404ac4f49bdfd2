"""Where MicroPython keeps what a frame holds, for those who cannot afford to ask it.

Those are the functions of messages, for `arg`, and for a lease's `buffer`.

An attribute costs compiled code 2.5 us to read or write, an item of a list as much, and telling a
value's type 3 us: together a third of a call and its reply. On 32-bit machines an instance is
`type, map's flags, map's size, map's table`, the table pairs of name and value, and a list ends in
the address of its items (`py/objtype.h`, `py/obj.h`, `py/objlist.h` of MicroPython 1.26). So
`boot` finds the pair once and checks at every use that it is still there: a frame that was given
attributes of its own has a table of another size: its values are moved as objects.

A value is one word. Its low two bits are 0 where it points to an object on the heap; any other,
small int, interned str, None or bool, may be a message's value without a further look. A bytearray
is `type, kind of items, length, address` and bytes are `type, hash, length, address`
(`py/objarray.h`, `py/objstr.h`).
"""

from micropython import const

# Words of an instance, and of a pair.
TABLE = const(3)
NAME = const(0)
ARG = const(1)

# Words of a bytearray, and of bytes.
KIND = const(0)
LENGTH = const(2)
DATA = const(3)

IMMEDIATE = const(3)
NOTHING = const(1)  # the small int 0
