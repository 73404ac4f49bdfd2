"""What makes the pins of benchmarks' tasks safe, as the port has them: pins and safe states."""

_LOW = 0  # of SAFE_STATES in `bulkhead_host/system/manifest.py`
_FIRST = 2
_PINS = 8


def eight_pins():
    """Return eight pins from 2 on, each with its safe state: low."""
    pairs = []
    for number in range(_FIRST, _FIRST + _PINS):
        pairs += [number, _LOW]
    return tuple(pairs)
