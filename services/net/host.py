"""An interface that is there by itself: MicroPython's port has a network, as the unix port."""

from services.net.api import CONNECTED

_ADDRESS = "127.0.0.1"


class Host:
    """See `Ppp`, whose place it takes."""

    state = CONNECTED
    line = ""
    look_ms = 5
    look_idle_ms = 100
    look_all_ms = 0  # nothing tells that something has come
    resolves = True  # names too

    def __init__(self, config):
        self.config = config

    def begin(self):
        """Do nothing: it is there."""

    def look(self):
        """Return whether it has come up, or gone, since the last look: never."""
        return False

    def has_come(self):
        """Return whether bytes wait: the sockets tell."""
        return False

    def wait_ms(self):
        """Return when to look again: there is no need."""

    def address(self):
        """Return the board's address."""
        return _ADDRESS

    def name_server(self):
        """Return the address of the server that is asked for names, an empty str without one."""
        return self.config["name_server"]
