"""Run Bulkhead. Frozen into the image; MicroPython runs it after boot.

The main level is the guest program's, if there is one, until it ends; then the kernel's own
loop has it. A Ctrl-C leads to the prompt, with the services going on at the interrupt level;
`resume()`, which the port types when the host closes the serial port, leads back.
"""

import sys

from kernel.authority import Authority
from kernel.boot import build
from kernel.guard import install
from kernel.layout import PROGRAM, PROMPT
from kernel.levels import lend_main_level, main_level, run
from bulkhead_key import KEY
from bulkhead_slots import use_slots
from bulkhead_system import COMMON, GUEST, IMAGE, INTERFACE, MODULES, SERVICES
from kernel.records import crash_text
from bulkhead_port import Port

for refusal in use_slots(IMAGE, INTERFACE, KEY):
    print("bulkhead: an update is not used:", refusal)
port = Port(globals().get("prompt"))  # boot.py's, where the port has one
kernel = build(SERVICES, port)
authority = Authority(SERVICES, COMMON, MODULES)
authority.acting = kernel.acting
install(kernel.words, authority, port.outlet)
del build
for once in ("boot", "window"):  # they take 2 KB, and have run
    delattr(sys.modules["kernel"], once)
    del sys.modules["kernel." + once]
for name in tuple(sys.modules):
    authority.settle(name)
if not authority.seals:
    print("bulkhead: services can change what they share: this MicroPython keeps it otherwise")
if kernel.crash:
    print("bulkhead: the board was reset:", crash_text(kernel))


def guest_program():
    """Return the name and the source of the guest program, None if there is none.

    `guest.py` on the file system goes before the one built into the image.
    """
    try:
        with open("guest.py") as file:
            return "guest.py", file.read()
    except OSError:
        return GUEST


def run_guest(name, source):
    """Run a program as MicroPython runs a main.py, with the services above it."""
    kernel.port.start_tick()
    run(kernel)  # services load what they import: their stack would come on top of the program's
    lend_main_level(kernel, PROGRAM)
    try:
        exec(compile(source, name, "exec"), {"__name__": "__main__"})
    except Exception as error:
        sys.print_exception(error)


def resume():
    """Run the guest program, from its beginning, until it ends; then the kernel's own loop.

    However it is left, the prompt is the guest afterwards.
    """
    try:
        if guests[0]:
            run_guest(*guests[0])
            guests[0] = None
        main_level(kernel)
    except KeyboardInterrupt:
        lend_main_level(kernel, PROMPT)
        raise
    kernel.port.let_interrupt()


guests = [guest_program()]
resume()
