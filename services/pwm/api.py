"""Operations of the pwm service. A pin is its place, from 0, among the manifest's `pins`."""

from micropython import const

SET = const(1)  # arg: (pin, Hz from 8 to 1,000,000, share of the time high in 1/65535) -> OK
OFF = const(2)  # arg: pin -> OK; it is low
PULSE = const(3)  # arg: (pin, Hz, microseconds high of each period) -> OK; for servos: 50 Hz
NO_PIN = const(1)  # the manifest lists fewer
