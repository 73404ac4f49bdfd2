"""A stand-in for MicroPython's `network`, for the unix port: networks that come and go.

`home` is there at the third look, and the first time lost after two more; `office` refuses the
first try; `cabin` stays once it is there at the third look; there is no other.
"""

STA_IF = 0

_FOUND_AT = 3
_LOST_AFTER = 5


_made: "list[_Station]" = []


def WLAN(interface: int) -> "_Station":
    """Return the chip's interface, of which there is one."""
    if not _made:
        _made.append(_Station(interface))
    return _made[0]


class _Station:
    """What the services wifi and net use of a station."""

    def __init__(self, interface: int) -> None:
        self.is_active = False
        self.name = ""
        self.looks = 0
        assert interface == STA_IF
        self.tries = {"home": 0, "office": 0, "cabin": 0}

    def active(self, is_active: bool | None = None) -> bool:
        if is_active is not None:
            self.is_active = is_active
        return self.is_active

    def connect(self, name: str, password: str) -> None:
        if not self.is_active:
            raise RuntimeError("connect before active")
        self.name = name if password == "secret" else ""
        self.looks = 0
        if self.name:
            self.tries[self.name] += 1
        if name == "office" and self.tries[name] == 1:
            self.name = ""
            raise OSError("busy")

    def disconnect(self) -> None:
        self.name = ""

    def isconnected(self) -> bool:
        self.looks += 1
        is_there = self.looks >= _FOUND_AT and bool(self.name)
        return is_there and not (self.tries["home"] == 1 and self.looks > _LOST_AFTER)

    def ifconfig(self) -> tuple[str, str, str, str]:
        return ("192.168.1.7", "255.255.255.0", "192.168.1.1", "192.168.1.1")
