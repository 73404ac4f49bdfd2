"""Operations of the adc service. A pin is its place, from 0, among the manifest's `pins`."""

from micropython import const

READ = const(1)  # arg: pin -> OK, arg: 0 to 65535 for 0 V to the reference, 3.3 V
MEAN = const(2)  # arg: (pin, readings from 1 to 100) -> OK, arg: their mean
MILLIVOLTS = const(3)  # arg: (pin, readings from 1 to 100), or pin -> OK, arg: their mean in mV
NO_PIN = const(1)  # the manifest lists fewer
