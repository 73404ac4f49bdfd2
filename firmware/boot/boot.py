"""What MicroPython runs before `main.py`, also when a tool has reset it softly into the raw REPL.

Outputs are made safe before anything else is done. In the raw REPL `main.py` is left out: so once
the tool has closed the port the board is reset once more.
The hardware watchdog outlives a soft reset, and nobody would feed it: it is stopped. The
watchdog service starts it again.
"""

from port.rp2_outputs import hold_all

hold_all()

from port.rp2_prompt import Prompt, stop_watchdog  # noqa: E402  (after the outputs)

stop_watchdog()
prompt = Prompt()
prompt.leave_by(b"\x04")
