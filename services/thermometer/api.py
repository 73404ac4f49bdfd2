"""Operations of the thermometer service."""

from micropython import const

READ = const(1)  # -> OK, arg: temperature of the chip in hundredths of a degree Celsius
