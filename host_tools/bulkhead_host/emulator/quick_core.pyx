# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, freethreading_compatible=True
"""The loop over a program's instructions, and those that a program consists of, without Python.

rp2040py's own loop asks Python objects three times for each instruction, and its loads and stores
look first whether somebody has overridden them. Here the common case is C alone: an instruction
from flash or RAM, a load or store of RAM or of a few registers, a branch. The rest is left to
rp2040py's own handlers, and the result is the same to the cycle, which
`tests/host/test_emulator_core.py` compares.

rp2040py calls `core.bl_taken` at each BL and BLX. Nothing sets that hook, so this loop does not.

A batch with a `FlashCache` waits for the flash as a chip does; without one flash is as RAM.
"""

import time

from libc.string cimport memcpy

from rp2040py.native._cortex_m0_core cimport DISPATCH_TABLE, CortexM0Core, OpHandler, resolve_wide
from rp2040py.native._rp2040 cimport RP2040
from rp2040py.native._simulation_clock cimport SimulationClock

cdef double CYCLE_NANOS = 1e9 / 125_000_000
cdef double YIELD_SECONDS = 0.005
cdef int LOOK_EVERY = 256  # instructions between two looks at the host's clock
cdef long INSTRUCTIONS_MAX = 1_000_000

cdef unsigned int FLASH = 0x10000000
cdef unsigned int RAM = 0x20000000
cdef unsigned int WORD = 4
cdef int SP = 13
cdef int LR = 14
cdef int PC = 15

# rp2040py's own handlers, for what the quick ones below leave to them.
cdef OpHandler SLOW[0x10000]

# Handlers by an opcode's first ten bits, NULL where these do not say it: the table by all sixteen
# does not fit into the nearest cache of a processor.
cdef OpHandler BY_FIRST[0x400]

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
    """Execute instructions, and let the clock go on by each, until something stops it.

    That is `batch.stopped`, a million instructions, or 5 ms of the host's time.
    """
    cdef RP2040 mcu = batch.rp2040
    cdef CortexM0Core core = mcu.core
    cdef SimulationClock clock = batch.clock
    cdef FlashCache cache = batch.cache
    cdef list pios = mcu.pio
    cdef double until = time.monotonic() + YIELD_SECONDS
    cdef double nanos, target
    cdef long long cycles
    cdef long count
    cdef int look = LOOK_EVERY
    if mcu.run_pin_low:
        return
    for count in range(INSTRUCTIONS_MAX):
        if batch.stopped:
            return
        look -= 1
        if look == 0:
            look = LOOK_EVERY
            if time.monotonic() > until:
                return
        if core.waiting:
            nanos = clock.nanos_to_next_alarm
            clock.tick(nanos)
            cycles = <long long> (nanos / CYCLE_NANOS) or 1
        else:
            cycles = execute(core, cache)
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


cdef int execute(CortexM0Core core, FlashCache cache) except -1:
    """Execute one instruction; return its cycles."""
    cdef unsigned int *registers = &core.registers[0]
    cdef unsigned int at, opcode, opcode2 = 0
    cdef OpHandler handler
    cdef int cycles, stall = 0
    if core.interrupts_updated and core.check_for_interrupts():
        core.waiting = False
    at = registers[PC] & 0xFFFFFFFEU
    opcode = fetch(core.rp2040, at)
    handler = BY_FIRST[opcode >> 6]
    if handler == NULL:
        handler = DISPATCH_TABLE[opcode]
    if opcode >> 11 >= 0b11101:  # of two halves
        opcode2 = fetch(core.rp2040, at + 2)
        if opcode >> 11 == 0b11110:
            if opcode2 >> 14 == 0b11 and opcode2 & 0x1000:
                handler = bl
            else:
                handler = resolve_wide(opcode, opcode2)
    if handler == NULL:
        return core.execute_instruction()  # says what it does not know
    if cache is not None:
        stall = fetch_stall(cache, at) + load_stall(cache, core, opcode, at)
        if opcode >> 11 >= 0b11101:
            stall += fetch_stall(cache, at + 2)
    registers[PC] += 2
    cycles = handler(core, opcode, opcode2, at) + stall
    core.cycles += cycles
    return cycles


cdef inline unsigned int fetch(RP2040 mcu, unsigned int at) except? 0xFFFF:
    cdef unsigned short half
    cdef const unsigned char *place = readable(mcu, at)
    if place == NULL:
        return mcu.read_uint16(at)
    memcpy(&half, place, 2)
    return half


cdef inline unsigned char *writable(RP2040 mcu, unsigned int address) noexcept:
    """Return where the host has a byte of the chip's RAM, NULL for an address of anything else."""
    return &mcu._sram[address - RAM] if address - RAM < mcu.ram_byte_size else NULL


cdef inline const unsigned char *readable(RP2040 mcu, unsigned int address) noexcept:
    """Return where the host has a byte of flash or RAM, NULL for an address of anything else."""
    if address - FLASH < mcu.flash_byte_size:
        return &mcu._flash[address - FLASH]
    return writable(mcu, address)


# Loads and stores. A register's low bits of an address are those of its size, or Python warns.

cdef inline int load(
    CortexM0Core core, unsigned int address, int size, unsigned int rt, bint is_signed,
    unsigned int opcode, unsigned int at
) except -1:
    cdef unsigned int word = 0
    cdef const unsigned char *place = readable(core.rp2040, address)
    cdef int cycles
    if place == NULL or address & (size - 1):
        cycles = load_register(core, address, rt) if size == WORD else 0
        return cycles or SLOW[opcode](core, opcode, 0, at)
    memcpy(&word, place, size)
    if is_signed:
        word = <unsigned int> (<signed char> word if size == 1 else <short> word)
    core.registers[rt] = word
    return 2


cdef inline int store(
    CortexM0Core core, unsigned int address, int size, unsigned int rt,
    unsigned int opcode, unsigned int at
) except -1:
    cdef unsigned char *place = writable(core.rp2040, address)
    cdef int cycles
    if place == NULL or address & (size - 1):
        cycles = store_register(core, address, core.registers[rt]) if size == WORD else 0
        return cycles or SLOW[opcode](core, opcode, 0, at)
    memcpy(place, &core.registers[rt], size)
    return 2


cdef inline unsigned int by_immediate(CortexM0Core core, unsigned int opcode, int shift) noexcept:
    return core.registers[(opcode >> 3) & 7] + (((opcode >> 6) & 0x1F) << shift)


cdef inline unsigned int by_register(CortexM0Core core, unsigned int opcode) noexcept:
    return core.registers[(opcode >> 3) & 7] + core.registers[(opcode >> 6) & 7]


cdef inline unsigned int by_sp(CortexM0Core core, unsigned int opcode) noexcept:
    return core.registers[SP] + ((opcode & 0xFF) << 2)


cdef int ldr_literal(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    cdef unsigned int address = ((c.registers[PC] + 2) & 0xFFFFFFFCU) + ((o & 0xFF) << 2)
    return load(c, address, 4, (o >> 8) & 7, False, o, at)


cdef int ldr_sp(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_sp(c, o), 4, (o >> 8) & 7, False, o, at)


cdef int ldr_immediate(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_immediate(c, o, 2), 4, o & 7, False, o, at)


cdef int ldrh_immediate(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_immediate(c, o, 1), 2, o & 7, False, o, at)


cdef int ldrb_immediate(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_immediate(c, o, 0), 1, o & 7, False, o, at)


cdef int ldr_register(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_register(c, o), 4, o & 7, False, o, at)


cdef int ldrh_register(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_register(c, o), 2, o & 7, False, o, at)


cdef int ldrb_register(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_register(c, o), 1, o & 7, False, o, at)


cdef int ldrsh(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_register(c, o), 2, o & 7, True, o, at)


cdef int ldrsb(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return load(c, by_register(c, o), 1, o & 7, True, o, at)


cdef int str_sp(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return store(c, by_sp(c, o), 4, (o >> 8) & 7, o, at)


cdef int str_immediate(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return store(c, by_immediate(c, o, 2), 4, o & 7, o, at)


cdef int strh_immediate(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return store(c, by_immediate(c, o, 1), 2, o & 7, o, at)


cdef int strb_immediate(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return store(c, by_immediate(c, o, 0), 1, o & 7, o, at)


cdef int str_register(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return store(c, by_register(c, o), 4, o & 7, o, at)


cdef int strh_register(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return store(c, by_register(c, o), 2, o & 7, o, at)


cdef int strb_register(CortexM0Core c, unsigned int o, unsigned int o2, unsigned int at) except -1:
    return store(c, by_register(c, o), 1, o & 7, o, at)


# Several registers at once. All of their words are in RAM, or the slow handler has them.

cdef inline unsigned char *block(
    CortexM0Core core, unsigned int address, unsigned int registers
) noexcept:
    cdef unsigned int offset = address - RAM
    cdef unsigned int size = core.rp2040.ram_byte_size
    if address & 3 or offset >= size or size - offset < WORD * registers:
        return NULL
    return &core.rp2040._sram[offset]


cdef inline unsigned int ones(unsigned int bits) noexcept:
    cdef unsigned int count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


cdef int ldmia(CortexM0Core core, unsigned int o, unsigned int o2, unsigned int at) except -1:
    cdef unsigned int rn = (o >> 8) & 7
    cdef unsigned int count = ones(o & 0xFF)
    cdef unsigned int address = core.registers[rn]
    cdef unsigned char *place = block(core, address, count)
    cdef unsigned int i
    if place == NULL:
        return SLOW[o](core, o, o2, at)
    for i in range(8):
        if o & (1 << i):
            memcpy(&core.registers[i], place, WORD)
            place += WORD
    if not o & (1 << rn):
        core.registers[rn] = address + WORD * count
    return 1 + count


cdef int stmia(CortexM0Core core, unsigned int o, unsigned int o2, unsigned int at) except -1:
    cdef unsigned int rn = (o >> 8) & 7
    cdef unsigned int count = ones(o & 0xFF)
    cdef unsigned int address = core.registers[rn]
    cdef unsigned char *place = block(core, address, count)
    cdef unsigned int i
    if place == NULL:
        return SLOW[o](core, o, o2, at)
    for i in range(8):
        if o & (1 << i):
            memcpy(place, &core.registers[i], WORD)
            place += WORD
    if not o & (1 << rn):
        core.registers[rn] = address + WORD * count
    return 1 + count


cdef int push(CortexM0Core core, unsigned int o, unsigned int o2, unsigned int at) except -1:
    cdef unsigned int count = ones(o & 0x1FF)
    cdef unsigned int address = core.registers[SP] - WORD * count
    cdef unsigned char *place = block(core, address, count)
    cdef unsigned int i
    if place == NULL:
        return SLOW[o](core, o, o2, at)
    for i in range(8):
        if o & (1 << i):
            memcpy(place, &core.registers[i], WORD)
            place += WORD
    if o & 0x100:
        memcpy(place, &core.registers[LR], WORD)
    core.registers[SP] = address & 0xFFFFFFFCU
    return 1 + ones(o & 0xFF)


cdef int pop(CortexM0Core core, unsigned int o, unsigned int o2, unsigned int at) except -1:
    cdef unsigned int count = ones(o & 0xFF)
    cdef unsigned int address = core.registers[SP]
    cdef bint has_pc = (o & 0x100) != 0
    cdef unsigned char *place = block(core, address, count + has_pc)
    cdef unsigned int target = 0
    cdef unsigned int i
    if place == NULL:
        return SLOW[o](core, o, o2, at)
    if has_pc:
        memcpy(&target, place + WORD * count, WORD)
        if target >> 28 == 0xF:  # the end of an exception
            return SLOW[o](core, o, o2, at)
    for i in range(8):
        if o & (1 << i):
            memcpy(&core.registers[i], place, WORD)
            place += WORD
    core.registers[SP] = (address + WORD * (count + has_pc)) & 0xFFFFFFFCU
    if has_pc:
        core.registers[PC] = target & 0xFFFFFFFEU
    return 1 + count + 2 * has_pc


# Branches.

cdef inline bint holds(CortexM0Core core, unsigned int condition) noexcept:
    cdef unsigned int kind = condition >> 1
    cdef bint result
    if kind == 0:
        result = core.z
    elif kind == 1:
        result = core.c
    elif kind == 2:
        result = core.n
    elif kind == 3:
        result = core.v
    elif kind == 4:
        result = core.c and not core.z
    elif kind == 5:
        result = core.n == core.v
    else:
        result = core.n == core.v and not core.z
    return result != (condition & 1)


cdef int b_conditional(CortexM0Core core, unsigned int o, unsigned int o2, unsigned int at) except -1:
    if not holds(core, (o >> 8) & 0xF):
        return 1
    core.registers[PC] += 2 + <unsigned int> (2 * <int> <signed char> (o & 0xFF))
    return 2


cdef int bl(CortexM0Core core, unsigned int o, unsigned int o2, unsigned int at) except -1:
    cdef unsigned int sign = (o >> 10) & 1
    cdef unsigned int i1 = 1 - (sign ^ ((o2 >> 13) & 1))
    cdef unsigned int i2 = 1 - (sign ^ ((o2 >> 11) & 1))
    cdef unsigned int offset = (
        (0xFF000000U if sign else 0) | (i1 << 23) | (i2 << 22)
        | ((o & 0x3FF) << 12) | ((o2 & 0x7FF) << 1)
    )
    core.registers[LR] = (core.registers[PC] + 2) | 1
    core.registers[PC] += 2 + offset
    return 3


cdef int blx(CortexM0Core core, unsigned int o, unsigned int o2, unsigned int at) except -1:
    core.registers[LR] = core.registers[PC] | 1
    core.registers[PC] = core.registers[(o >> 3) & 0xF] & 0xFFFFFFFEU
    return 2


cdef void replace(unsigned int first, unsigned int bits, OpHandler handler) noexcept:
    """Have a handler for the opcodes that begin with the bits of `first` above `bits`."""
    cdef unsigned int opcode
    for opcode in range(first << bits, (first + 1) << bits):
        SLOW[opcode] = DISPATCH_TABLE[opcode]
        DISPATCH_TABLE[opcode] = handler


replace(0b01001, 11, ldr_literal)
replace(0b10011, 11, ldr_sp)
replace(0b01101, 11, ldr_immediate)
replace(0b10001, 11, ldrh_immediate)
replace(0b01111, 11, ldrb_immediate)
replace(0b0101100, 9, ldr_register)
replace(0b0101101, 9, ldrh_register)
replace(0b0101110, 9, ldrb_register)
replace(0b0101111, 9, ldrsh)
replace(0b0101011, 9, ldrsb)
replace(0b10010, 11, str_sp)
replace(0b01100, 11, str_immediate)
replace(0b10000, 11, strh_immediate)
replace(0b01110, 11, strb_immediate)
replace(0b0101000, 9, str_register)
replace(0b0101001, 9, strh_register)
replace(0b0101010, 9, strb_register)
replace(0b11001, 11, ldmia)
replace(0b11000, 11, stmia)
replace(0b1011010, 9, push)
replace(0b1011110, 9, pop)
for _register in range(16):
    replace(0b0100011110000000 | _register << 3, 0, blx)
for _condition in range(14):
    replace(0b11010000 | _condition, 8, b_conditional)


cdef void sum_up() noexcept:
    """Fill the handlers by first bits from those by all."""
    cdef unsigned int opcode
    for opcode in range(0x10000):
        if opcode & 0x3F == 0:
            BY_FIRST[opcode >> 6] = DISPATCH_TABLE[opcode]
        elif BY_FIRST[opcode >> 6] != DISPATCH_TABLE[opcode]:
            BY_FIRST[opcode >> 6] = NULL


sum_up()
