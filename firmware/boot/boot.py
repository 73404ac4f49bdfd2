"""What MicroPython runs before `main.py`, also when a tool has reset it softly into the raw REPL.

Outputs are made safe before anything else is done, and then left to whoever sets a pin up: in the
raw REPL `main.py` is left out, and so the kernel, which would hold them until a service starts.
There, once the tool has closed the port, the board is reset once more.
The hardware watchdog outlives a soft reset, and nobody would feed it: it is stopped. The
watchdog service starts it again.
"""

import sys

# MicroPython looks for each module on the file system first, its own too, which takes 1.4 ms every
# time. In an image nothing is there of what is imported here.
path = sys.path[:]
sys.path[:] = [".frozen"]
try:
    from port.rp2_outputs import hold_all, release
except ImportError:  # files were deployed
    sys.path[:] = path
    from port.rp2_outputs import hold_all, release

outputs = hold_all()
if outputs:
    release(outputs)
    del outputs

from port.rp2_prompt import Prompt, stop_watchdog  # noqa: E402  (after the outputs)

stop_watchdog()
sys.path[:] = path
prompt = Prompt()
prompt.leave_by(b"\x04")
