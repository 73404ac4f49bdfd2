"""Operations of the spi service. A chip is the place, from 0, of its select pin."""

from micropython import const

TRANSFER = const(1)  # arg: (chip, data, at most 200 bytes) -> OK, arg: as many bytes that came
SET_UP = const(2)  # arg: (chip, Hz from 2,000, mode from 0 to 3) -> OK; first 1 MHz, mode 0
NO_CHIP = const(1)  # the manifest lists fewer select pins
