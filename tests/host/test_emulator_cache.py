"""The cache of the flash, counted: programs of a few instructions, on a chip that waits for it.

Each expected number of words is worked out by hand from 16 KB, two ways and lines of 8 bytes.
"""

import struct
from collections.abc import Sequence

import pytest

from bulkhead_host.emulator import chip as module
from bulkhead_host.emulator.chip import Chip, ResetCause
from bulkhead_host.errors import BulkheadError

MISS_CYCLES = 40
WAY_BYTES = 8 * 1024
HERE = 0xE7FE
"""A branch to itself."""


@pytest.fixture(autouse=True)
def _any_flash_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "can_boot", lambda _flash: True)


NOP = 0x46C0


def run(code: Sequence[int], *, counted: bool, r1: int = 0, r2: int = 0) -> Chip:
    """Run code from the start of flash for 100 us."""
    chip = Chip()
    chip.flash[: 2 * len(code)] = struct.pack(f"<{len(code)}H", *code)
    chip.reset(ResetCause.POWER_ON)
    if counted:
        chip.count_flash_cache()
    core = chip.mcu.core
    core.pc, core.registers[0], core.registers[1], core.registers[2] = 0x10000000, 0, r1, r2
    chip.advance(100_000)
    return chip


def words_read(code: Sequence[int], *, r1: int = 0, r2: int = 0) -> int:
    """Return how many words a program reads of the flash until it stays where it ends."""
    chip = run(code, counted=True, r1=r1, r2=r2)
    assert chip.mcu.core.pc == 0x10000000 + 2 * code.index(HERE)
    return int(chip.flash_cache.misses)


def test_code_costs_a_word_for_two_instructions_once() -> None:
    # movs r0, #9; subs r0, #1; bne back; stay
    loop = [0x2009, 0x3801, 0xD1FD, HERE]
    assert words_read(loop) == 2
    assert words_read([NOP] * 4 + loop) == 4


def test_a_word_that_the_cache_lacks_takes_forty_cycles() -> None:
    code = [*[NOP] * 64, 0x3001, 0xE7FD]  # adds r0, #1; b back: of 3 cycles, in the 33rd word
    kind, waits = (run(code, counted=counted) for counted in (False, True))
    counts = [int(chip.mcu.core.registers[0]) for chip in (kind, waits)]
    assert waits.flash_cache.misses == 33
    assert counts[0] - counts[1] == pytest.approx(33 * MISS_CYCLES / 3, abs=1)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (0x6808, 1),  # ldr r0, [r1]
        (0x8848, 1),  # ldrh r0, [r1, #2]
        (0x7948, 1),  # ldrb r0, [r1, #5]: the other half of the line
        (0x5888, 1),  # ldr r0, [r1, r2]
        (0x4803, 1),  # ldr r0, [pc, #12]
        (0xC978, 4),  # ldmia r1!, {r3-r6}
    ],
)
def test_each_kind_of_load_reads_the_flash(load: int, words: int) -> None:
    assert words_read([load, HERE], r1=0x10010000) == 1 + words
    if load != 0x4803:
        assert words_read([load, HERE], r1=0x20000000) == 1


def test_a_line_is_filled_by_the_word() -> None:
    # ldr r0, [r1]; ldr r0, [r1, #4]; and both again
    assert words_read([0x6808, 0x6848, 0x6808, 0x6848, HERE], r1=0x10010000) == 3 + 2


def test_two_places_that_share_lines_both_stay_and_a_third_drives_one_out() -> None:
    # ldr r0, [r1]; ldr r0, [r2]; ldr r0, [r1]; ldr r0, [r2]: of one set, which the code has not
    first, second = 0x10010100, 0x10010100 + WAY_BYTES
    assert words_read([0x6808, 0x6810] * 2 + [HERE], r1=first, r2=second) == 3 + 2
    # ldr r0, [r1]; add r1, r2: by a way each time; the same three twice, by r1 to r1 + 2 ways
    three = [0x6808, 0x4411, 0x6808, 0x4411, 0x6808, 0x1A89, 0x1A89]
    assert words_read(three * 2 + [HERE], r1=first, r2=WAY_BYTES) == 8 + 6


def test_a_flush_empties_it() -> None:
    # str r2, [r1, #4], to FLUSH of XIP_CTRL, or to STAT; stay, which is of the same word
    assert words_read([0x604A, HERE], r1=0x14000000, r2=1) == 2
    assert words_read([0x604A, HERE], r1=0x14000004, r2=1) == 1


def test_without_the_compiled_loop_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FlashCache", None)
    with pytest.raises(BulkheadError, match="by the compiled emulator alone"):
        Chip().count_flash_cache()
