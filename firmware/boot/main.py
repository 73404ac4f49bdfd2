"""Run Bulkhead. Frozen into the image; MicroPython runs it after boot.

A Ctrl-C leads to the REPL, with the services going on at the interrupt level; `resume()` typed
there gives them the main level back.
"""

from kernel.boot import build
from kernel.levels import main_level
from bulkhead_system import SERVICES
from port.rp2 import Port

kernel = build(SERVICES, Port())


def resume():
    """Run the services at the main level until a Ctrl-C."""
    main_level(kernel)


resume()
