"""The kernel's one state object.

`words` holds everything a hot path changes (see `layout`); the lists hold what cannot be a word:
frames, generators, mailbox values. Index 0 of a list that goes by task number is the kernel's own.
Nothing here grows after boot.
"""

from array import array

from kernel.layout import DRIVEN, FAULT_WORDS, RECORD_SHIFT, ROW_NAME
from kernel.limits import FAULTS_KEPT, RESERVE_BYTES


class Kernel:
    """All of the kernel's state."""

    def __init__(self, table, port, words):
        self.table = table
        self.port = port
        self.now = port.now  # bound once: among the port's attributes it is found last
        self.clock = port.clock
        self.words = array("i", words)
        self.window = memoryview(self.words)  # registers are slices of it
        self.frames = [None] * (len(table) + 1)
        self.generators = [None] * (len(table) + 1)
        self.handlers = ()
        self.parts = None  # what `dispatch` wants of all this: one look, not six
        self.entry = None  # and what the entry to the interrupt level wants
        self.line_sources = []
        self.attendants = []  # one for each line of a hard driver
        self.outputs = [None] * (len(table) + 1)  # what `Port.hold` takes, by task
        self.held_ms = array("i", [DRIVEN] * (len(table) + 1))  # since when they are safe
        # What `outputs` wants of all this: one look, not five.
        self.driving = (self.outputs, self.held_ms, port.hold, port.release, port.uptime_ms)
        self.stashes = [None] * (len(table) + 1)  # what each keeps for its next incarnation
        # See `records`; behind them what ended the last run of the board, all 0 if nothing did.
        self.faults = array("i", bytes(4 * FAULT_WORDS * (FAULTS_KEPT + 1)))
        self.fault_words = [None] * FAULTS_KEPT
        self.fault_next = 0
        self.is_unwritten = False
        self.acting = [0, 0]  # the task that loads modules, and the one whose they are: numbers
        self.loading = 0  # the number of the task that loads its module, 0 for none
        self.trials = {}  # new code on trial, by task: see `replace`
        self.reserve = None
        self.memory = None  # set by `boot`
        self.look = None  # what looks at the words before the board sleeps: see `guard.audit`
        self.crash = port.crash()
        if self.crash:
            for index, value in enumerate(self.crash):
                self.faults[FAULT_WORDS * FAULTS_KEPT + index] = value
        self.supervisor = self.number("supervisor") << RECORD_SHIFT
        self.supervisor_faults = 0  # in the window that began at supervisor_since (us)
        self.supervisor_since = 0
        self.supervisor_quarter = 0  # QUARTERS then
        # Kernel functions that modules below the one that defines them call, set by `boot`.
        self.overrun = None
        self.closed = None
        self.guard_supervisor = None
        self.replace = None  # loaded where somebody updates, and `revert` with it
        self.revert = None

    def make_reserve(self):
        """Have the heap's reserve again, if there is room for it."""
        try:
            self.reserve = bytes(RESERVE_BYTES)
        except MemoryError:
            pass

    def number(self, name):
        """Return the task number of a service, 0 if the table has none of that name."""
        for index, row in enumerate(self.table):
            if row[ROW_NAME] == name:
                return index + 1
        return 0
