"""Watch the network come, go and come back, and log what the calls give."""

from services.logger.api import INFO
from services.wifi.api import CONNECT, CONNECTED, DISCONNECT, PAUSING, STATUS, WAIT

_LONG_MS = 20_000


def main(sys):
    """Go through what may happen to a network."""
    wifi = sys.cap("wifi")
    yield from say(sys, "came", (yield sys.call(wifi, WAIT, None, _LONG_MS)))
    yield from say(sys, "status", (yield sys.call(wifi, STATUS)))
    yield from until(sys, wifi, lambda state: state != CONNECTED)
    yield from say(sys, "back", (yield sys.call(wifi, WAIT, None, _LONG_MS)))
    yield from say(sys, "nonsense", (yield sys.call(wifi, CONNECT, ("home",))))
    yield from say(sys, "long", (yield sys.call(wifi, CONNECT, ("n" * 33, ""))))
    yield from say(sys, "longer", (yield sys.call(wifi, CONNECT, ("home", "p" * 65))))
    yield from say(sys, "elsewhere", (yield sys.call(wifi, CONNECT, ("nowhere", ""))))
    yield from until(sys, wifi, lambda state: state == PAUSING)
    yield from say(sys, "no network", (yield sys.call(wifi, WAIT, None, 100)), "")
    yield from say(sys, "late", (yield sys.call(wifi, CONNECT, ("office", "secret"))))
    yield from say(sys, "at last", (yield sys.call(wifi, WAIT, None, _LONG_MS)))
    yield from say(sys, "leave", (yield sys.call(wifi, DISCONNECT)))
    yield from say(sys, "off", (yield sys.call(wifi, STATUS)))
    yield sys.send(sys.cap("logger"), INFO, "all done")
    yield sys.recv()


def until(sys, wifi, is_so):
    """Wait for a state."""
    while True:
        yield sys.call(wifi, STATUS)
        if is_so(sys.arg[0]):
            return
        yield sys.sleep(20)


def say(sys, step, status, value=None):
    """Log one step."""
    text = "%s: %d %r" % (step, status, sys.arg if value is None else value)
    yield sys.send(sys.cap("logger"), INFO, text)
