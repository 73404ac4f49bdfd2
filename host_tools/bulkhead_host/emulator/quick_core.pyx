# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, freethreading_compatible=True
"""The loop over a program's instructions, without Python for those that it consists of.

rp2040py's own loop asks Python objects three times for each instruction, and its loads and stores
look first whether somebody has overridden them. Here the common case is C alone: `thumb.h` goes on
until the next alarm, or to an instruction that is not of memory and registers alone. A few of the
chip's registers are reached without Python too (`quick_registers.pxi`). The rest is left to
rp2040py's own handlers, and the result is the same to the cycle, which
`tests/host/test_emulator_core.py` compares.

rp2040py calls `core.bl_taken` at each BL and BLX. Nothing sets that hook, so this loop does not.

A batch with a `FlashCache` waits for the flash as a chip does; without one flash is as RAM.
"""

import time

from libc.math cimport ceil

from rp2040py.native._cortex_m0_core cimport CortexM0Core
from rp2040py.native._rp2040 cimport RP2040
from rp2040py.native._simulation_clock cimport SimulationClock

cdef double CYCLE_NANOS = 1e9 / 125_000_000
cdef double YIELD_SECONDS = 0.005
cdef unsigned int LOOK_EVERY = 16384  # cycles between two looks at the host's clock
cdef long ROUNDS_MAX = 1_000_000

cdef unsigned int FLASH = 0x10000000
cdef unsigned int WORD = 4
cdef int PC = 15

cdef extern from "thumb.h":
    struct thumb:
        unsigned int *r
        const unsigned char *rom
        const unsigned char *flash
        unsigned char *ram
        unsigned int rom_size
        unsigned int flash_size
        unsigned int ram_size
        int n
        int z
        int c
        int v
        int masked

    unsigned int thumb_run(thumb *state, unsigned int limit) nogil
    unsigned int thumb_half(const unsigned char *place) nogil
    const unsigned char *thumb_readable(
        const thumb *state, unsigned int address, unsigned int size
    ) nogil
    unsigned int thumb_ones(unsigned int bits) nogil

include "flash_cache.pxi"
include "quick_registers.pxi"


cdef class Batch:
    """What `execute_batch` runs: a chip by its clock. `stopped` ends it after an instruction."""

    cdef public SimulationClock clock
    cdef public RP2040 rp2040
    cdef public FlashCache cache
    cdef public bint stopped

    def __init__(self, *, SimulationClock clock, RP2040 rp2040) -> None:
        self.clock = clock
        self.rp2040 = rp2040
        self.stopped = True


def execute_batch(Batch batch) -> None:
    """Execute instructions, and let the clock go on by them, until something stops it.

    That is `batch.stopped`, a million rounds of this loop, or 5 ms of the host's time.
    """
    cdef RP2040 mcu = batch.rp2040
    cdef CortexM0Core core = mcu.core
    cdef SimulationClock clock = batch.clock
    cdef FlashCache cache = batch.cache
    cdef list pios = mcu.pio
    cdef double until = time.monotonic() + YIELD_SECONDS
    cdef double nanos, target
    cdef long long cycles
    cdef long long looked = core.cycles
    cdef long count
    cdef thumb state
    if mcu.run_pin_low:
        return
    describe(&state, mcu)
    for count in range(ROUNDS_MAX):
        if batch.stopped:
            return
        if count & 0xFF == 0xFF or <long long> core.cycles - looked > LOOK_EVERY:
            looked = core.cycles
            if time.monotonic() > until:
                return
        if core.waiting:
            nanos = clock.nanos_to_next_alarm
            clock.tick(nanos)
            cycles = <long long> (nanos / CYCLE_NANOS) or 1
        else:
            cycles = execute(core, &state, cache, 1 if any_runs(pios) else until_alarm(clock))
            nanos = cycles * CYCLE_NANOS
            target = clock._nanos_counter + nanos
            if clock._next_alarm is not None and clock._next_alarm.nanos <= target:
                clock.tick(nanos)
            else:
                clock._nanos_counter = target
        if pios:
            for pio in pios:
                if not pio.stopped:
                    pio.advance(cycles)


cdef void describe(thumb *state, RP2040 mcu):
    """Fill in what does not change while a batch runs: where registers and memories are."""
    state.r = &mcu.core.registers[0]
    state.rom = <const unsigned char *> &mcu._bootrom[0]
    state.rom_size = mcu.bootrom_byte_size
    state.flash = &mcu._flash[0]
    state.flash_size = mcu.flash_byte_size
    state.ram = &mcu._sram[0]
    state.ram_size = mcu.ram_byte_size


cdef inline bint any_runs(list pios):
    """Tell whether a PIO runs; one that only drives pins needs no turn for each instruction."""
    for pio in pios:
        if not pio.stopped:
            return True
    return False


cdef inline unsigned int until_alarm(SimulationClock clock):
    """Return how many cycles may pass before somebody must be asked again, 1 at least."""
    cdef double cycles
    if clock._next_alarm is None:
        return LOOK_EVERY
    cycles = ceil((clock._next_alarm.nanos - clock._nanos_counter) / CYCLE_NANOS)
    return <unsigned int> min(max(cycles, 1.0), <double> LOOK_EVERY)


cdef int execute(
    CortexM0Core core, thumb *state, FlashCache cache, unsigned int limit
) except -1:
    """Execute instructions for `limit` cycles, or a single one; return the cycles they took.

    An interrupt that is due comes first. What may ask for one ends the instructions that are
    executed together.
    """
    cdef unsigned int cycles, stall = 0
    if core.interrupts_updated and core.check_for_interrupts():
        core.waiting = False
    if cache is not None:
        limit = 1
        stall = instruction_stall(cache, state)
    state.n, state.z, state.c, state.v = core.n, core.z, core.c, core.v
    state.masked = core.pm
    cycles = thumb_run(state, limit)
    if cycles:
        core.n, core.z, core.c, core.v = state.n, state.z, state.c, state.v
        core.pm = state.masked
    else:
        cycles = quick_register(core, state)
        if not cycles:
            return core.execute_instruction() + stall
    core.cycles += cycles + stall
    return cycles + stall
