"""How the supervisor's events look as plain text; `logger.api` has how log records do."""

from kernel.abi import FAULT_NAMES

from services.supervisor.api import GIVEN_UP, LOST, STARVED


def event_text(event, services):
    """Return the text of an event: (ms, name, fault kind, generation, delay_ms).

    `services` is the system's table.
    """
    _, name, kind, generation, delay_ms = event
    if kind == LOST:
        return "%d events before this were lost: more came than are kept" % delay_ms
    if kind == STARVED:
        number, percent = generation >> 7, generation & 0x7F
        busy = services[number - 1][0]
        return "%s has not run for %d ms: %s has %d %% of the processor" % (
            name, delay_ms, busy, percent,
        )  # fmt: skip
    if delay_ms == GIVEN_UP:
        then = "given up"
    elif delay_ms < 0:
        then = "not started again"
    elif delay_ms:
        then = "again in %d ms" % delay_ms
    else:
        then = "again at once"
    return "%s faulted: %s, generation %d, %s" % (name, FAULT_NAMES[kind], generation, then)
