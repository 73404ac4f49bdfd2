"""Operations of the neopixel service. A colour is (red, green, blue), each from 0 to 255."""

from micropython import const

SET = const(1)  # arg: (light from 0 to 255, red, green, blue) -> OK; shown by SHOW
FILL = const(2)  # arg: (lights from 1 to 256, red, green, blue) -> OK: that many in one colour
SHOW = const(3)  # -> OK: the chain shows what was set
