"""The ports that cases run on, with what cases need beyond the contract."""

import sys
import time

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
    from kernel.layout import DEADLINES, NEXT_DEADLINE, STOPPED
    from kernel.limits import TIME_MASK

    if sys.platform == "linux":
        from port.unix import Port
    else:
        from port.rp2 import Port

    class CasePort(Port):
        """Real time; planned events are fired while the kernel idles."""

        def __init__(self):
            super().__init__()
            self.events = []
            self.end_ms = 0

        def at(self, milliseconds, function):
            """Call `function` that long after the run has begun."""
            self.events.append((milliseconds, function))

        def fire(self, line):
            """Be the interrupt of `line`."""
            line.fire()

        def idle(self, limit_us):
            """Sleep in pieces, to play events and to notice the end of the run."""
            now = time.ticks_ms()
            if time.ticks_diff(now, self.end_ms) >= 0:
                self.kernel.words[STOPPED] = 1
                return
            for event in list(self.events):
                if time.ticks_diff(now, time.ticks_add(self.start_ms, event[0])) >= 0:
                    self.events.remove(event)
                    event[1]()
                    return
            piece = 1000 if limit_us < 0 or limit_us > 1000 else limit_us
            super().idle(piece)

        def run_cases(self, kernel, main_level, milliseconds):
            """Run for real milliseconds, and until the system idles after that."""
            self.start_ms = time.ticks_ms()
            self.end_ms = time.ticks_add(self.start_ms, milliseconds)
            main_level(kernel)
            self.stop_tick()

        def close(self):
            """End the tick."""
            self.stop_tick()
