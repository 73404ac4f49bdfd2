# The registers that MicroPython uses a million times in a second of its own, without Python:
# the divider of the SIO, which core this is, and the timer's microseconds.
#
# rp2040py asks a Python object for each, which takes a microsecond or two. Values and cycles are
# the same here. `sio.py` gives the SIO of a chip this divider instead of its own, so that both
# ways to a register are to one state, and a snapshot has it.

cdef enum:
    CPUID = 0xD0000000  # SIO (RP2040 datasheet, 2.3.1.7)
    DIVIDER = 0xD0000060  # SIO's DIV_UDIVIDEND, the first of these:
    UDIVIDEND = 0x00
    UDIVISOR = 0x04
    SDIVIDEND = 0x08
    SDIVISOR = 0x0C
    QUOTIENT = 0x10
    REMAINDER = 0x14
    CSR = 0x18
    READY = 1
    DIRTY = 2
    TIMERAWH = 0x40054024  # (4.6.5)
    TIMERAWL = 0x40054028
    SIO_CYCLES = 1
    APB_READ_CYCLES = 4
    DIVISION_CYCLES = 8

cdef double MICRO_NANOS = 1000
cdef double HIGH_WORD = 4294967296.0


cdef class Divider:
    """The registers of a divider, as 32 bits each; `csr` as the chip has it: ready, dirty."""

    cdef public unsigned int dividend
    cdef public unsigned int divisor
    cdef public unsigned int quotient
    cdef public unsigned int remainder
    cdef public unsigned int csr


cdef int quick_register(CortexM0Core core, const thumb *state) except -1:
    """Load or store a word of one of these registers; return the cycles, 0 for all else."""
    cdef unsigned int at = state.r[PC] & 0xFFFFFFFEU
    cdef const unsigned char *place = thumb_readable(state, at, 2)
    cdef unsigned int opcode, address
    cdef bint is_load
    cdef int cycles
    if place == NULL:
        return 0
    opcode = thumb_half(place)
    if opcode >> 12 == 0b0110:
        is_load = (opcode >> 11) & 1
        address = by_immediate(state, opcode, 2)
    elif opcode >> 9 == 0b0101000 or opcode >> 9 == 0b0101100:
        is_load = (opcode >> 11) & 1
        address = by_register(state, opcode)
    else:
        return 0
    if is_load:
        cycles = load_register(core, address, opcode & 7)
    else:
        cycles = store_register(core, address, state.r[opcode & 7])
    if cycles:
        state.r[PC] = at + 2
    return cycles


cdef int load_register(CortexM0Core core, unsigned int address, unsigned int rt) except -1:
    """Load a word that is one of these registers; return the cycles, 0 for any other."""
    cdef Divider divider
    cdef double micros
    if address == CPUID:
        core.registers[rt] = 0
        return SIO_CYCLES
    if address - <unsigned int> DIVIDER <= CSR and not address & 3:
        divider = getattr(core.rp2040, "divider", None)
        if divider is None:
            return 0
        core.registers[rt] = divider_read(divider, address - DIVIDER)
        return SIO_CYCLES
    if address == TIMERAWL or address == TIMERAWH:
        micros = (core.rp2040.clock._nanos_counter - core.rp2040.timer._epoch_nanos) / MICRO_NANOS
        if address == TIMERAWH:
            micros /= HIGH_WORD
        core.registers[rt] = <unsigned int> (<unsigned long long> micros)
        return APB_READ_CYCLES
    return 0


cdef int store_register(CortexM0Core core, unsigned int address, unsigned int word) except -1:
    """Store a word to one of these registers; return the cycles, 0 for any other."""
    cdef Divider divider
    if address - <unsigned int> DIVIDER >= CSR or address & 3:
        return 0
    divider = getattr(core.rp2040, "divider", None)
    if divider is None:
        return 0
    divider_write(core, divider, address - DIVIDER, word)
    return SIO_CYCLES


cdef unsigned int divider_read(Divider divider, unsigned int register) noexcept:
    if register == QUOTIENT:
        divider.csr &= ~<unsigned int> DIRTY
        return divider.quotient
    if register == REMAINDER:
        return divider.remainder
    if register == CSR:
        return divider.csr
    return divider.dividend if register in (UDIVIDEND, SDIVIDEND) else divider.divisor


# What the divider computes is `RPSIO.update_hardware_divider` of rp2040py, division by 0 too.

cdef void divider_write(
    CortexM0Core core, Divider divider, unsigned int register, unsigned int word
) noexcept:
    if register == QUOTIENT:
        divider.quotient = word
    elif register == REMAINDER:
        divider.remainder = word
    elif register in (UDIVIDEND, SDIVIDEND):
        divider.dividend = word
        divide(divider, register == SDIVIDEND)
        core.cycles += DIVISION_CYCLES
    else:
        divider.divisor = word
        divide(divider, register == SDIVISOR)
        core.cycles += DIVISION_CYCLES
    divider.csr = READY | DIRTY


cdef void divide(Divider divider, bint is_signed) noexcept:
    cdef long long dividend = divider.dividend
    cdef long long divisor = divider.divisor
    if divisor == 0:
        divider.quotient = <unsigned int> (-1 if dividend > 0 else 1)
        divider.remainder = divider.dividend
        return
    if is_signed:
        dividend = <int> divider.dividend
        divisor = <int> divider.divisor
    divider.quotient = <unsigned int> (dividend // divisor)
    divider.remainder = <unsigned int> (dividend % divisor)
