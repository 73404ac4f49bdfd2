"""Count calls and mail, and hand the counts over to the next version."""

from bulkhead import OK
from services.counter.api import VERSION


class Counts:
    """Calls and mail so far, of all versions."""

    def __init__(self):
        self.calls = 0
        self.mail = 0
        self.came_from = 0

    def export_state(self):
        """Return the counts."""
        return (self.calls, self.mail)

    def import_state(self, version, state):
        """Take over the counts of another version."""
        self.came_from = version
        self.calls, self.mail = state


def main(task):
    """Answer with the version, that of the state, and the counts."""
    counts = Counts()
    task.carry_over(counts)
    yield task.recv()
    while True:
        if task.caller():
            counts.calls += 1
            yield task.reply_recv(OK, (VERSION, counts.came_from, counts.calls, counts.mail))
        else:
            counts.mail += 1
            yield task.recv()
