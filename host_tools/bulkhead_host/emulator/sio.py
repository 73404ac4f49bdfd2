"""The SIO of a chip whose core has the divider in C.

The compiled core reaches the divider's registers without Python (`quick_registers.pxi`). All other
ways to them, such as a load of a byte or a reset, are rp2040py's, to the same state.
"""

from typing import Any

from rp2040py.rp2040 import RP2040
from rp2040py.sio import RPSIO


def _register(name: str) -> Any:
    def read(sio: "Sio") -> int:
        return int(getattr(sio.rp2040.divider, name))  # type: ignore[attr-defined]

    def write(sio: "Sio", value: float) -> None:
        setattr(sio.rp2040.divider, name, int(value) & 0xFFFFFFFF)  # type: ignore[attr-defined]

    return property(read, write)


class Sio(RPSIO):
    """An SIO whose divider is `rp2040.divider`, with its registers as 32 bits each."""

    div_dividend = _register("dividend")
    div_divisor = _register("divisor")
    div_quotient = _register("quotient")
    div_remainder = _register("remainder")
    div_csr = _register("csr")


def divide_in_c(mcu: RP2040, divider: object) -> None:
    """Give a chip a `Divider` of the compiled core, and an SIO that has no other."""
    mcu.divider = divider  # type: ignore[attr-defined]
    mcu.sio = Sio(mcu)
