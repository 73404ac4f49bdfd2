"""How events and log records look as plain text: seconds, level, service, text."""

from kernel.abi import FAULT_NAMES

from services.logger.api import LEVELS


def event_line(event):
    """Return the line of a supervisor's event: (ms, name, fault kind, generation, delay_ms)."""
    ms, name, kind, generation, delay_ms = event
    if delay_ms < 0:
        then = "not started again"
    elif delay_ms:
        then = "again in %d ms" % delay_ms
    else:
        then = "again at once"
    text = "%s faulted: %s, generation %d, %s" % (name, FAULT_NAMES[kind], generation, then)
    return line(ms, "W", "supervisor", text)


def log_line(record, services):
    """Return the line of a logger's record: (ms, level, task number, text)."""
    ms, level, number, text = record
    name = services[number - 1][0] if 0 < number <= len(services) else "logger"
    return line(ms, LEVELS[level], name, text)


def line(ms, level, name, text):
    """Return one line of output as bytes."""
    return ("%5d.%03d %s %s: %s\r\n" % (ms // 1000, ms % 1000, level, name, text)).encode()
