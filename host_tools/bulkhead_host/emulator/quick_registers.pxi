# The registers that MicroPython uses a million times in a second of its own, without Python:
# the SIO's divider, its spin locks and which core this is, and the timer's microseconds.
#
# rp2040py asks a Python object for each, which takes a microsecond or two. Values and cycles are
# the same here. `sio.py` gives the SIO of a chip these registers instead of its own, so that both
# ways to one are to one state, and a snapshot has it.

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
    SPINLOCK0 = 0xD0000100
    SPINLOCK31 = 0xD000017C
    TIMERAWH = 0x40054024  # (4.6.5)
    TIMERAWL = 0x40054028
    SIO_CYCLES = 1
    APB_READ_CYCLES = 4
    DIVISION_CYCLES = 8

cdef double MICRO_NANOS = 1000
cdef double HIGH_WORD = 4294967296.0


cdef class SioRegisters:
    """Registers as 32 bits each: the divider's, its `csr` with ready and dirty; taken locks."""

    cdef public unsigned int dividend
    cdef public unsigned int divisor
    cdef public unsigned int quotient
    cdef public unsigned int remainder
    cdef public unsigned int csr
    cdef public unsigned int spin_lock


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
    elif opcode >> 9 == 0b0101011 and by_register(state, opcode) == CPUID:  # LDRSB
        is_load = True
        address = CPUID
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
    cdef SioRegisters registers
    cdef unsigned int lock
    cdef double micros
    if address == CPUID:
        core.registers[rt] = 0
        return SIO_CYCLES
    if address == TIMERAWL or address == TIMERAWH:
        micros = (core.rp2040.clock._nanos_counter - core.rp2040.timer._epoch_nanos) / MICRO_NANOS
        if address == TIMERAWH:
            micros /= HIGH_WORD
        core.registers[rt] = <unsigned int> (<unsigned long long> micros)
        return APB_READ_CYCLES
    registers = registers_with(core, address)
    if registers is None:
        return 0
    if address >= SPINLOCK0:
        lock = 1U << ((address - SPINLOCK0) >> 2)
        core.registers[rt] = 0 if registers.spin_lock & lock else lock
        registers.spin_lock |= lock
    else:
        core.registers[rt] = divider_read(registers, address - DIVIDER)
    return SIO_CYCLES


cdef int store_register(CortexM0Core core, unsigned int address, unsigned int word) except -1:
    """Store a word to one of these registers; return the cycles, 0 for any other."""
    cdef SioRegisters registers = registers_with(core, address)
    if registers is None or address == DIVIDER + CSR:
        return 0
    if address >= SPINLOCK0:
        registers.spin_lock &= ~(1U << ((address - SPINLOCK0) >> 2))
    else:
        divider_write(core, registers, address - DIVIDER, word)
    return SIO_CYCLES


cdef inline SioRegisters registers_with(CortexM0Core core, unsigned int address):
    """Return the chip's registers where a word at an address is one of them, else None."""
    if address & 3 or not (
        DIVIDER <= address <= DIVIDER + CSR or SPINLOCK0 <= address <= SPINLOCK31
    ):
        return None
    return getattr(core.rp2040, "sio_registers", None)


cdef unsigned int divider_read(SioRegisters divider, unsigned int register) noexcept:
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
    CortexM0Core core, SioRegisters divider, unsigned int register, unsigned int word
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


cdef void divide(SioRegisters divider, bint is_signed) noexcept:
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
