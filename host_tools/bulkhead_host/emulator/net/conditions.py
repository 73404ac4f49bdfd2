"""What an emulated board's network is like, and how that is written on a command line."""

from dataclasses import dataclass, field

from bulkhead_host.errors import UsageError

_MOST = 1e9
_PORT_MAX = 65_535
_PAIR = 2


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How bad the network behind the link is: of each packet, both ways.

    `loss` is the share that is lost. `delay_ms` is how long each takes, and up to `jitter_ms`
    more, so that some overtake others. `cuts` are times at which the line itself is dead:
    milliseconds of the board's, from and for.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    cuts: tuple[tuple[float, float], ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A network that is asked for; `forwards` are ports of the gateway and those of the host."""

    conditions: Conditions = field(default_factory=Conditions)
    forwards: tuple[tuple[int, int], ...] = ()


def parse_forward(text: str) -> tuple[int, int]:
    """Read `1883:18831`, a port of the gateway and one of this machine; raise `UsageError`."""
    ports = [int(part) if part.isdecimal() else 0 for part in text.split(":")]
    if len(ports) != _PAIR or not all(0 < port <= _PORT_MAX for port in ports):
        raise UsageError(f"{text!r} is no pair of ports", "write 1883:18831")
    return ports[0], ports[1]


def parse_conditions(text: str) -> Conditions:
    """Read `loss=0.05,delay_ms=80,jitter_ms=40,cut=5000:2000,seed=1`; `cut` may come again.

    Raises `UsageError` for what cannot be read.
    """
    values: dict[str, float] = {}
    cuts: list[tuple[float, float]] = []
    for part in text.split(","):
        key, _, value = part.strip().partition("=")
        if key == "cut":
            at_ms, _, for_ms = value.partition(":")
            cuts.append((_number(part, at_ms), _number(part, for_ms)))
        elif key in ("loss", "delay_ms", "jitter_ms", "seed"):
            values[key] = _number(part, value)
        else:
            raise _unknown(part)
    if values.get("loss", 0) > 1:
        raise UsageError("more packets than all cannot be lost", "write loss=0.05 for 5 %")
    seed = int(values.pop("seed", 0))
    return Conditions(cuts=tuple(cuts), seed=seed, **values)


def _number(part: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise _unknown(part) from None
    if not 0 <= number < _MOST:
        raise _unknown(part)
    return number


def _unknown(part: str) -> UsageError:
    return UsageError(
        f"{part.strip()!r} is no condition of a network",
        "write loss=0.05,delay_ms=80,jitter_ms=40,cut=5000:2000,seed=1",
    )
