"""The ports that cases run on, with what cases need beyond the contract."""

import sys

LOW, HIGH, INPUT_UP = 0, 1, 3  # of SAFE_STATES in `bulkhead_host/system/manifest.py`

if sys.implementation.name == "cpython":
    from port.sim import SimPort

    class CasePort(SimPort):
        """Simulated time."""

        def run_cases(self, kernel, _main_level, milliseconds):
            """Run for simulated milliseconds."""
            self.run(milliseconds)

        def close(self):
            """Nothing to end."""
else:
    from kernel.layout import STOPPED
    from kernel.limits import TIME_MASK
    from port.soft import SoftLine

    if any(folder.endswith("esp32_fake") for folder in sys.path):
        from esp32_on_unix import Port
    elif sys.platform == "linux":
        from port.unix import Port
    elif sys.platform == "qemu":
        from port.qemu import Port
    else:
        from cases.pins import Pins
        from port.rp2 import Port

    class CasePort(Port):
        """A board's or a process's own time; planned events are fired while the kernel idles."""

        def __init__(self):
            super().__init__()
            if sys.platform == "rp2":
                self.pins = Pins()
            self.events = []
            self.start_us = 0
            self.length_us = 0

        def at(self, milliseconds, function):
            """Call `function` that long after the run has begun."""
            self.events.append((milliseconds, function))

        def fire(self, line):
            """Be the interrupt of `line`."""
            line.fire()

        def line(self, kernel, offset, source, argument, trigger, on_trap=None):
            """Return a line that the case fires, or the port's own console."""
            if source == "console":
                return super().line(kernel, offset, source, argument, trigger)
            return SoftLine(kernel, offset, on_trap)

        def mask(self, line):
            """Let `line` fire no more."""
            line.mask()

        def unmask(self, line):
            """Let `line` fire again."""
            line.unmask()

        def idle(self, limit_us):
            """Sleep in pieces, to play events and to notice the end of the run."""
            elapsed_us = (self.now() - self.start_us) & TIME_MASK
            if elapsed_us >= self.length_us:
                self.kernel.words[STOPPED] = 1
                return
            for event in list(self.events):
                if elapsed_us >= event[0] * 1000:
                    self.events.remove(event)
                    event[1]()
                    return
            piece = 1000 if limit_us < 0 or limit_us > 1000 else limit_us
            super().idle(piece)

        def run_cases(self, kernel, main_level, milliseconds):
            """Run for real milliseconds, and until the system idles after that."""
            self.start_us = self.now()
            self.length_us = milliseconds * 1000
            main_level(kernel)
            self.stop_tick()

        def outputs(self, pairs):
            """Return what `hold` takes; on a board of stores that the cases make themselves."""
            return super().outputs(self.pins.stores(pairs) if sys.platform == "rp2" else pairs)

        def close(self):
            """End the tick."""
            self.stop_tick()
