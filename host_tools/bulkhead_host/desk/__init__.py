"""What stands around an emulated board: chips on its buses, and things on its pins.

A desk is a file with one function, `furnish(desk)`, that puts things around the board:

    from bulkhead_host.desk import Sht31, Ssd1306

    def furnish(desk):
        air = desk.i2c(0).add(Sht31(celsius=22.0))
        desk.i2c(0).add(Ssd1306(), name="display")
        desk.set_volts(26, 1.7)
        desk.at(5_000, lambda: air.set(celsius=31.0))
        return air

`bulkhead run`, `bulkhead sim` and a campaign's file take it, and the fixture `desk` of the pytest
plugin is what `furnish` has returned.
"""

from bulkhead_host.desk.bme280 import Bme280
from bulkhead_host.desk.buses import I2cDevice, SpiDevice
from bulkhead_host.desk.desk import Desk
from bulkhead_host.desk.dht import Dht11, Dht22
from bulkhead_host.desk.hx711 import Hx711
from bulkhead_host.desk.knob import RotaryEncoder
from bulkhead_host.desk.onewire import Ds18b20, OneWireDevice
from bulkhead_host.desk.registers import Registers
from bulkhead_host.desk.sht31 import Sht31
from bulkhead_host.desk.ssd1306 import Ssd1306
from bulkhead_host.desk.stepper import CoilStepper, Stepper
from bulkhead_host.desk.ws2812 import Ws2812

__all__ = [
    "Bme280",
    "CoilStepper",
    "Desk",
    "Dht11",
    "Dht22",
    "Ds18b20",
    "Hx711",
    "I2cDevice",
    "OneWireDevice",
    "Registers",
    "RotaryEncoder",
    "Sht31",
    "SpiDevice",
    "Ssd1306",
    "Stepper",
    "Ws2812",
]
