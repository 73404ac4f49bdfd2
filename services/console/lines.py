"""How the supervisor's events look as plain text; `logger.api` has how log records do."""

from kernel.abi import FAULT_NAMES

from services.supervisor.api import GIVEN_UP


def event_text(event):
    """Return the text of an event: (ms, name, fault kind, generation, delay_ms)."""
    _, name, kind, generation, delay_ms = event
    if delay_ms == GIVEN_UP:
        then = "given up"
    elif delay_ms < 0:
        then = "not started again"
    elif delay_ms:
        then = "again in %d ms" % delay_ms
    else:
        then = "again at once"
    return "%s faulted: %s, generation %d, %s" % (name, FAULT_NAMES[kind], generation, then)
