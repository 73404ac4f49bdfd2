"""What MicroPython runs before `main.py`, also when a tool has reset it softly into the raw REPL.

There `main.py` is left out: so once the tool has closed the port the board is reset once more.
"""

from port.rp2_prompt import Prompt

prompt = Prompt()
prompt.leave_by(b"\x04")
