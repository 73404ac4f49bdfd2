"""Operations of the recorder service. Records are numbered from 0 on, over all boots."""

from micropython import const

RECORDS = const(1)  # -> OK, arg: (number of the oldest record in the flash, of the next to come)
RECORD = const(2)  # arg: number -> OK, arg: the reading, 0 to 65535; NO_RECORD; NOT_READ
NO_RECORD = const(1)
NOT_READ = const(2)  # the flash could not be read
