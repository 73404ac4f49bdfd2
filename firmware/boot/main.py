"""Run Bulkhead. Frozen into the image; MicroPython runs it after boot.

A Ctrl-C leads to the REPL, with the services going on at the interrupt level.
"""

from kernel.boot import build
from kernel.levels import main_level
from bulkhead_system import SERVICES
from port.rp2 import Port

kernel = build(SERVICES, Port())
main_level(kernel)
