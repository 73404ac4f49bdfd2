"""Watch the network come, go and come back, and log what the calls give."""

from services.logger.api import INFO
from services.wifi.api import CONNECT, CONNECTED, DISCONNECT, PAUSING, STATUS, WAIT

_LONG_MS = 20_000


def main(task):
    """Go through what may happen to a network."""
    wifi = task.cap("wifi")
    yield from say(task, "came", (yield task.call(wifi, WAIT, None, _LONG_MS)))
    yield from say(task, "status", (yield task.call(wifi, STATUS)))
    yield from until(task, wifi, lambda state: state != CONNECTED)
    yield from say(task, "back", (yield task.call(wifi, WAIT, None, _LONG_MS)))
    yield from say(task, "nonsense", (yield task.call(wifi, CONNECT, ("home",))))
    yield from say(task, "long", (yield task.call(wifi, CONNECT, ("n" * 33, ""))))
    yield from say(task, "longer", (yield task.call(wifi, CONNECT, ("home", "p" * 65))))
    yield from say(task, "elsewhere", (yield task.call(wifi, CONNECT, ("nowhere", ""))))
    yield from until(task, wifi, lambda state: state == PAUSING)
    yield from say(task, "no network", (yield task.call(wifi, WAIT, None, 100)), "")
    yield from say(task, "late", (yield task.call(wifi, CONNECT, ("office", "secret"))))
    yield from say(task, "at last", (yield task.call(wifi, WAIT, None, _LONG_MS)))
    yield from say(task, "leave", (yield task.call(wifi, DISCONNECT)))
    yield from say(task, "off", (yield task.call(wifi, STATUS)))
    yield task.send(task.cap("logger"), INFO, "all done")
    yield task.recv()


def until(task, wifi, is_so):
    """Wait for a state."""
    while True:
        yield task.call(wifi, STATUS)
        if is_so(task.arg[0]):
            return
        yield task.sleep(20)


def say(task, step, status, value=None):
    """Log one step."""
    text = "%s: %d %r" % (step, status, task.arg if value is None else value)
    yield task.send(task.cap("logger"), INFO, text)
