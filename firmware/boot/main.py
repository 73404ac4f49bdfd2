"""Run Bulkhead. Frozen into the image; MicroPython runs it after boot.

A Ctrl-C leads to the REPL, with the services going on at the interrupt level; `resume()` typed
there gives them the main level back.
"""

from kernel.authority import Authority
from kernel.boot import build
from kernel.guard import install
from kernel.levels import main_level
from bulkhead_system import COMMON, MODULES, SERVICES
from kernel.records import crash_text
from port.rp2 import Port

port = Port()
kernel = build(SERVICES, port)
install(kernel.words, Authority(SERVICES, COMMON, MODULES))
if kernel.crash:
    print("bulkhead: the board was reset:", crash_text(kernel))


def resume():
    """Run the services at the main level until a Ctrl-C."""
    main_level(kernel)


resume()
