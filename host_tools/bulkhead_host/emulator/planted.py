"""Faults of a board that can be planted, for who has to find them: `bulkhead qualify`.

line:GP3         edges of the pin interrupt nobody; its level is read as ever
flash-page:23    every 23rd page that is programmed stays as it was erased
clock:+3%        the board's crystal is so much fast, or slow, beside the desk's clock
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bulkhead_host.emulator.pins import pin_number
from bulkhead_host.errors import UsageError

LOST_PAGE_EVERY = 23
CLOCK_ERROR_MAX = 0.2

FORMS = f"line:GP3, flash-page, flash-page:{LOST_PAGE_EVERY} or clock:+3%"
_PERCENT = re.compile(r"([+-]?\d+(?:\.\d+)?)%")


@dataclass(frozen=True, kw_only=True)
class Planted:
    """What is wrong with a board; nothing by default.

    `deaf_pins` latch no edge; of programmed pages each `lost_page_every`th is lost, none for 0;
    `clock_error` is the share by which its crystal is fast.
    """

    deaf_pins: frozenset[int] = frozenset()
    lost_page_every: int = 0
    clock_error: float = 0.0


def parse_faults(texts: Iterable[str]) -> Planted:
    """Read faults in the forms above; raise UsageError for another."""
    deaf: set[int] = set()
    every, error = 0, 0.0
    for text in texts:
        kind, _, argument = text.partition(":")
        if kind == "line" and argument:
            deaf.add(pin_number(argument))
        elif kind == "flash-page" and (not argument or _is_count(argument)):
            every = int(argument or LOST_PAGE_EVERY)
        elif kind == "clock":
            error = _share(argument, text)
        else:
            raise UsageError(f"{text!r} is no fault of a board", f"write {FORMS}")
    return Planted(deaf_pins=frozenset(deaf), lost_page_every=every, clock_error=error)


def _is_count(text: str) -> bool:
    return text.isdecimal() and int(text) > 0


def _share(argument: str, text: str) -> float:
    found = _PERCENT.fullmatch(argument)
    share = float(found[1]) / 100 if found else CLOCK_ERROR_MAX + 1
    if abs(share) > CLOCK_ERROR_MAX:
        raise UsageError(f"{text!r} is no error of a clock", "write clock:+3%, at most 20 %")
    return share
