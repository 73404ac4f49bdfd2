"""What the breaker and its callers agree on."""

from micropython import const

# Services that answer calls, by what is notified to a caller: its place here, with GO.
SERVERS = (
    "supervisor",
    "logger",
    "names",
    "store",
    "clock",
    "led",
    "button",
    "thermometer",
    "gpio",
    "pwm",
    "adc",
    "i2c",
    "spi",
    "neopixel",
    "uart",
    "crasher",
    "template",
    "files",
)
GO = const(32)

ANSWERED = const(1)  # send: arg is the status of the call that met the crash, and of the next
NO_OPERATION = const(190)  # that any service has
