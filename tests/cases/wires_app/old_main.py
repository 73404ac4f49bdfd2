# As the documentation of MicroPython shows it: no word of Bulkhead.
import time

import dht
import ds18x20
import machine
import neopixel
import onewire

dat = machine.Pin(6)
ds = ds18x20.DS18X20(onewire.OneWire(dat))
roms = ds.scan()
ds.convert_temp()
time.sleep_ms(750)
d = dht.DHT11(machine.Pin(7))
d.measure()
np = neopixel.NeoPixel(machine.Pin(8), 2)
np[0] = (255, 0, 0)
np.write()
print("guest:", [ds.read_temp(rom) for rom in roms], d.temperature(), d.humidity())
