"""The chip itself: is what was flashed what its flash holds, and is its clock right.

The clock is held against the computer's: a full-speed host sends a frame each millisecond, to
500 ppm (USB 2.0, 7.1.11), and the chip keeps the number of the last one (SOF_RD, RP2040 datasheet
4.1.4; on the RP2350 it is at the same address).
"""

import binascii
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bulkhead_host.image.key_slot import with_key
from bulkhead_host.image.uf2 import read_uf2
from bulkhead_host.link.key import device_key
from bulkhead_host.link.raw_repl import RawRepl, numbers
from bulkhead_host.qualify.verdicts import Row, failed, judged, passed, skipped

PART = "chip"
CLOCK_PERCENT_MAX = 0.2
_SECTOR = 4096
_SHOWN = 4
_NAME = "the clock beside the computer's"

_SUMS = """
import binascii, uctypes
flash = uctypes.bytearray_at({address}, {size})
view = memoryview(flash)
for at in range(0, {size}, {sector}):
    print(binascii.crc32(view[at : at + {sector}]))
"""

_CLOCK = """
from machine import mem32
from time import sleep_ms, ticks_diff, ticks_us
def edge():
    before = mem32[0x50110048] & 0x7FF
    began = ticks_us()
    while ticks_diff(ticks_us(), began) < 20_000:
        now = mem32[0x50110048] & 0x7FF
        if now != before:
            return now, ticks_us()
    return None
first = edge()
sleep_ms(500)
last = edge()
if first and last:
    print((last[0] - first[0]) & 0x7FF, ticks_diff(last[1], first[1]))
else:
    print(0, 0)
"""


def look(repl: RawRepl, image: Path, *, limit_s: float) -> Iterator[Row]:
    """Yield what the chip's flash and clock are like."""
    yield _image(repl, image, limit_s)
    yield _clock(repl, limit_s)


def _image(repl: RawRepl, image: Path, limit_s: float) -> Row:
    """Compare the flash with the image, sector by sector, by CRC-32."""
    uf2 = read_uf2(image.read_bytes())
    data = with_key(uf2.data, device_key())
    source = _SUMS.format(address=uf2.address, size=len(data), sector=_SECTOR)
    starts = range(0, len(data), _SECTOR)
    told = numbers(repl.execute(source, timeout_s=limit_s), len(starts))
    wanted = [binascii.crc32(data[start : start + _SECTOR]) for start in starts]
    wrong = [
        f"0x{uf2.address + start:08x}"
        for start, want, got in zip(starts, wanted, told, strict=True)
        if want != got
    ]
    name = "the image in flash"
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        return failed(
            PART,
            name,
            f"the flash does not hold what was written: the sectors at "
            f"{', '.join(wrong[:_SHOWN])}{more}",
        )
    return passed(PART, name, f"{len(wanted)} sectors of {_SECTOR} bytes as they were written")


def _clock(repl: RawRepl, limit_s: float) -> Row:
    frames, took_us = numbers(repl.execute(_CLOCK, timeout_s=limit_s), 2)
    if not frames:
        return skipped(PART, _NAME, "no USB frames come: the board is not at a USB host")
    percent = 100 * (took_us / (1000 * frames) - 1)
    fast = "fast" if percent > 0 else "slow"
    is_good = abs(percent) <= CLOCK_PERCENT_MAX
    detail = f"{abs(percent):.3f} % {fast}, over {frames} USB frames"
    if not is_good:
        detail = f"the board's clock is {detail}: see its crystal"
    return replace(judged(PART, _NAME, is_good, detail), value=percent, unit="%")
