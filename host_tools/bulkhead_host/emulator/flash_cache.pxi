# The cache between core and flash, counted: what `quick_core.pyx` waits for where a batch has one.
#
# 16 KB, two ways, 8 bytes a line, a hit without a wait (RP2040 datasheet, 2.6.3.1 and 2.6.3.2). A
# miss fills the word of 4 bytes that was asked for and not its line, as was measured on the chip
# (raspberrypi/pico-feedback, issue 307). The second stage has the SSI read one word: address and
# mode in 8 clocks, 4 clocks of waiting, the word in 8 (`boot2_w25q080.S`, datasheet 4.10), at half
# the system clock (`PICO_FLASH_SPI_CLKDIV` of the SDK's `pico.h`). So a miss takes 40 cycles, and
# a chip a few more for what lies around the SSI. Which of two ways is replaced the datasheet does
# not say: here the one that was not used last. What the core fetches ahead is not counted.

cdef enum:
    SETS = 1024
    WAYS = 2
    MISS_CYCLES = 2 * (8 + 4 + 8)


cdef class FlashCache:
    """The lines that a chip's cache holds, empty at first; `misses` counts words that were read."""

    cdef unsigned int tags[SETS * WAYS]
    cdef unsigned char filled[SETS * WAYS]
    cdef unsigned char used_last[SETS]
    cdef unsigned int fetched
    cdef public unsigned long long misses

    def __init__(self) -> None:
        self.misses = 0
        self.flush()

    def flush(self) -> None:
        """Empty every line."""
        cdef int i
        self.fetched = 0
        for i in range(SETS * WAYS):
            self.filled[i] = 0


cdef inline int fetch_stall(FlashCache cache, unsigned int address) noexcept:
    """Return the cycles that the core waits for an instruction: its fetches are of whole words."""
    if address >> 2 == cache.fetched:
        return 0
    cache.fetched = address >> 2
    return read_stall(cache, address)


cdef int read_stall(FlashCache cache, unsigned int address) noexcept:
    """Return the cycles that a read takes beyond those of one from RAM."""
    cdef unsigned int line = (address - FLASH) >> 3
    cdef unsigned int index = line % SETS
    cdef unsigned int tag = line // SETS
    cdef unsigned int way = cache.used_last[index]
    cdef unsigned char word = 1 << ((address >> 2) & 1)
    cdef unsigned int place = index * WAYS + way
    if address - FLASH >= 0x1000000:  # no flash, or one of the windows that are not cached
        return 0
    if cache.filled[place] == 0 or cache.tags[place] != tag:
        way ^= 1
        place ^= 1
        cache.used_last[index] = way
        if cache.filled[place] == 0 or cache.tags[place] != tag:
            cache.tags[place] = tag
            cache.filled[place] = 0
    if cache.filled[place] & word:
        return 0
    cache.filled[place] |= word
    cache.misses += 1
    return MISS_CYCLES


cdef unsigned int instruction_stall(FlashCache cache, const thumb *state) noexcept:
    """Return the cycles that the core will wait for the flash as it executes an instruction."""
    cdef unsigned int at = state.r[PC] & 0xFFFFFFFEU
    cdef const unsigned char *place = thumb_readable(state, at, 2)
    cdef unsigned int opcode, stall
    if place == NULL:
        return 0
    opcode = thumb_half(place)
    stall = fetch_stall(cache, at) + load_stall(cache, state, opcode, at)
    if opcode >> 11 >= 0b11101:  # of two halves
        stall += fetch_stall(cache, at + 2)
    return stall


cdef unsigned int load_stall(
    FlashCache cache, const thumb *state, unsigned int opcode, unsigned int at
) noexcept:
    """Return the cycles that it waits for what a load loads."""
    cdef unsigned int kind = opcode >> 11
    cdef unsigned int address, i
    cdef unsigned int cycles = 0
    if kind == 0b01001:
        address = ((at + 4) & 0xFFFFFFFCU) + ((opcode & 0xFF) << 2)
    elif kind == 0b01101:
        address = by_immediate(state, opcode, 2)
    elif kind == 0b10001:
        address = by_immediate(state, opcode, 1)
    elif kind == 0b01111:
        address = by_immediate(state, opcode, 0)
    elif 0b0101011 <= opcode >> 9 <= 0b0101111:
        address = by_register(state, opcode)
    elif kind == 0b11001:
        address = state.r[(opcode >> 8) & 7]
        for i in range(thumb_ones(opcode & 0xFF)):
            cycles += read_stall(cache, address + WORD * i)
        return cycles
    else:
        return 0
    return read_stall(cache, address)


cdef inline unsigned int by_immediate(
    const thumb *state, unsigned int opcode, int shift
) noexcept:
    return state.r[(opcode >> 3) & 7] + (((opcode >> 6) & 0x1F) << shift)


cdef inline unsigned int by_register(const thumb *state, unsigned int opcode) noexcept:
    return state.r[(opcode >> 3) & 7] + state.r[(opcode >> 6) & 7]
