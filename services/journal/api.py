"""Operations of the journal service, which keeps the log in the flash."""

from micropython import const

SAVE = const(1)  # -> OK: the flash has every record that the logger had; NOT_WRITTEN
NOT_WRITTEN = const(1)  # the file system has failed; it is tried again
