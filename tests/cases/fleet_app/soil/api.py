"""Operations of the soil service."""

from micropython import const

READ = const(1)  # -> OK, arg: how wet it is, in percent
COUNT = const(2)  # -> OK, arg: calls so far, over updates too
