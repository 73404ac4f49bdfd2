"""Who may do what: the destinations that manifests name under [net]."""

from bulkhead_system import NET, SERVICES  # type: ignore[attr-defined, unused-ignore]
from micropython import const

from services.net.api import TCP

_LISTEN = const(3)
TLS = const(4)  # a kind of destinations, not of sockets: TCP that net encrypts
_ANY = "*"


class Rules:
    """The destinations of each task, by its number, which is its badge."""

    def __init__(self):
        numbers = {row[0]: number for number, row in enumerate(SERVICES, 1)}
        self.rows = {numbers[name]: rows for name, rows in NET}

    def kind_of(self, badge, kind, host, port):
        """Return how a task may use a destination, named as its manifest names it: 0 if not.

        What is listed both ways is TLS.
        """
        found = 0
        for row in self.rows.get(badge, ()):
            if row[2] == port and row[1] in (_ANY, host):
                if row[0] == TLS and kind == TCP:
                    return TLS
                if row[0] == kind:
                    found = kind
        return found

    def may_listen(self, badge, port):
        """Tell whether a task may take connections at a port."""
        return (_LISTEN, "", port) in self.rows.get(badge, ())

    def names_host(self, badge, host):
        """Tell whether a task may reach anything at a host, and so ask for its address."""
        for row in self.rows.get(badge, ()):
            if row[0] != _LISTEN and row[1] in (_ANY, host):
                return True
        return False
