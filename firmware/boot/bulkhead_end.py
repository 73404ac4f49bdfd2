"""What MicroPython runs as a soft reset begins, while interrupts are still served.

Outputs are safe from here on: whoever would serve them is about to go. The image's `main.c` calls
it (`host_tools/bulkhead_host/image/hardening.py`); where that is MicroPython's own, `boot.py`
makes them safe some milliseconds later.
"""

from port.rp2_outputs import hold_all

hold_all()
