"""Run Bulkhead. Frozen into the image; MicroPython runs it after boot.

The main level is the guest program's, if there is one, until it ends; then the kernel's own
loop has it. A Ctrl-C leads to the prompt, with the services going on at the interrupt level;
`resume()` leads back. The port types it when the host closes the serial port, in a form that no
name assigned at the prompt can break.
"""

# ruff: noqa: E402  (the path is set among the imports)

import sys

from kernel.levels import lend_main_level, main_level, run

# MicroPython looks for each module on the file system first, its own too, which takes 1.4 ms every
# time. In an image nothing is there of what is imported here.
path = sys.path[:]
if str(sys.modules["kernel"].__path__).startswith(".frozen"):
    sys.path[:] = [".frozen"]

from guard.audit import Audit
from guard.authority import Authority
from guard.guards import install
from kernel.boot import build
from kernel.layout import PROGRAM, PROMPT
from bulkhead_boot import COMMON, WORDS
from bulkhead_key import KEY
from bulkhead_slots import use_slots
from bulkhead_system import GUEST, IMAGE, INTERFACE, MODULES, SERVICES
from bulkhead_port import Port

prompt = globals().get("prompt")  # boot.py's, where the port has one
try:
    for refusal in use_slots(IMAGE, INTERFACE, KEY):
        print("bulkhead: an update is not used:", refusal)
    port = Port(prompt)
    kernel = build(SERVICES, port, WORDS)
    kernel.look = Audit(kernel).look
    sys.path[:] = path
    authority = Authority(SERVICES, COMMON, MODULES)
    authority.acting = kernel.acting
    install(kernel.words, authority, port.outlet, port.shares)
    del build, COMMON, WORDS, sys.modules["bulkhead_boot"]
    for package, once in (("kernel", "boot"), ("port", "places")):  # they have run: 2 KB
        delattr(sys.modules[package], once)
        del sys.modules[package + "." + once]
    for name in tuple(sys.modules):
        authority.settle(name)
    if not authority.seals:
        print("bulkhead: services can change what they share: this MicroPython keeps it otherwise")
    if kernel.crash:
        from bulkhead.crashes import crash_text

        print("bulkhead: the board was reset:", crash_text(kernel.crash, SERVICES))
except BaseException:
    if prompt is not None:
        prompt.leave_by(b"\x04")  # which the port has ended
    raise


def guest_program():
    """Return the name and the source of the guest program, None if there is none.

    `guest.py` on the file system goes before the one built into the image.
    """
    try:
        with open("guest.py") as file:
            return "guest.py", file.read()
    except OSError:
        return GUEST


def way_back(kernel, program):
    """Return `resume`, a closure: no name that is assigned at the prompt is in its way."""
    port = kernel.port
    enter, lend, loop, show = run, lend_main_level, main_level, sys.print_exception
    translate, execute = compile, exec
    interrupt, end, any_other = KeyboardInterrupt, SystemExit, BaseException
    programs = [program]

    def run_guest(name, source):
        """Run a program as MicroPython runs a main.py, with the services above it."""
        port.callbacks.hold(True)
        port.start_tick()
        enter(kernel)  # services load what they import: first, while nothing else is to be done
        lend(kernel, PROGRAM)
        try:
            execute(translate(source, name, "exec"), {"__name__": "__main__"})
        except interrupt:
            raise
        except end:  # by sys.exit(): it has ended
            pass
        except any_other as error:
            show(error)

    def resume():
        """Run the guest program, from its beginning, until it ends; then the kernel's own loop.

        However it is left, the prompt is the guest afterwards.
        """
        try:
            if programs[0]:
                run_guest(*programs[0])
                programs[0] = None
            loop(kernel)
        except interrupt:
            lend(kernel, PROMPT)
            raise
        port.let_interrupt()

    return resume


class WayBack:
    """Stands for a module, which is found whatever names are assigned."""

    resume = way_back(kernel, guest_program())


resume = WayBack.resume
sys.modules["bulkhead_resume"] = WayBack  # type: ignore[assignment]
resume()
