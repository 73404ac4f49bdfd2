"""What MicroPython runs before `main.py`, also when a tool has reset it softly into the raw REPL.

There `main.py` is left out: so once the tool has closed the port the board is reset once more.
The hardware watchdog outlives a soft reset, and nobody would feed it: it is stopped. The
watchdog service starts it again.
"""

from port.rp2_prompt import Prompt, stop_watchdog

stop_watchdog()
prompt = Prompt()
prompt.leave_by(b"\x04")
