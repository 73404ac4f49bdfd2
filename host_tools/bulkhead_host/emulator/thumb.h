/* The instructions that a program for a Cortex-M0+ consists of, in plain C.
 *
 * `thumb_run` goes on by itself for as long as a program computes, branches, and loads and stores
 * memory. It stops before whatever else there is: a register of the chip, an exception's end, the
 * interrupt mask lifted, sleep, an address that is none. What it does is the ARMv6-M Architecture
 * Reference Manual's, chapter A6, and where rp2040py differs from that, as rp2040py does it, with
 * its count of cycles: `tests/host/test_emulator_core.py` compares the two.
 */

#include <stdint.h>
#include <string.h>

#define FLASH_AT 0x10000000u
#define RAM_AT 0x20000000u
#define HIGHEST 0x80000000u
#define ALWAYS __attribute__((always_inline)) static inline

/* What a program sees of a core and its memories. `r` is the core's own, the rest are copies. */
struct thumb {
    uint32_t *r;
    const uint8_t *rom, *flash;
    uint8_t *ram;
    uint32_t rom_size, flash_size, ram_size;
    int n, z, c, v;
    int masked; /* PRIMASK */
};

/* Where the host has `size` bytes from an address, NULL where they are not all in one memory. */
static inline uint8_t *thumb_writable(const struct thumb *m, uint32_t address, uint32_t size)
{
    uint32_t offset = address - RAM_AT;
    return offset < m->ram_size && m->ram_size - offset >= size ? m->ram + offset : NULL;
}

static inline const uint8_t *thumb_readable(const struct thumb *m, uint32_t address, uint32_t size)
{
    uint32_t offset = address - FLASH_AT;
    if (offset < m->flash_size)
        return m->flash_size - offset >= size ? m->flash + offset : NULL;
    if (address < m->rom_size)
        return m->rom_size - address >= size ? m->rom + address : NULL;
    return thumb_writable(m, address, size);
}

static inline uint32_t thumb_half(const uint8_t *place)
{
    uint16_t half;
    memcpy(&half, place, sizeof half);
    return half;
}

static inline int thumb_ones(uint32_t bits)
{
    return __builtin_popcount(bits);
}

static inline int thumb_holds(const struct thumb *m, uint32_t condition)
{
    int holds = 0;
    switch (condition >> 1) {
    case 0: holds = m->z; break;
    case 1: holds = m->c; break;
    case 2: holds = m->n; break;
    case 3: holds = m->v; break;
    case 4: holds = m->c && !m->z; break;
    case 5: holds = m->n == m->v; break;
    case 6: holds = m->n == m->v && !m->z; break;
    }
    return holds != (int) (condition & 1);
}

static inline uint32_t thumb_flagged(struct thumb *m, uint32_t result)
{
    m->n = result >> 31;
    m->z = result == 0;
    return result;
}

/* Sums of 64 bits: rp2040py adds the carry to an operand, which is then one of 33 bits. */
static inline uint32_t thumb_add(struct thumb *m, uint64_t left, uint64_t right)
{
    uint64_t sum = left + right;
    m->c = sum >> 32 != 0;
    m->v = (int64_t) (int32_t) sum != (int64_t) (int32_t) left + (int32_t) right;
    return thumb_flagged(m, (uint32_t) sum);
}

static inline uint32_t thumb_subtract(struct thumb *m, uint64_t left, uint64_t right)
{
    uint32_t result = (uint32_t) (left - right);
    m->c = left >= right;
    m->v = ((uint32_t) left ^ (uint32_t) right) & ((uint32_t) left ^ result) & HIGHEST ? 1 : 0;
    return thumb_flagged(m, result);
}

/* An instruction of the data processing group (A5.2.2), its operands rdn and rm. */
static inline void thumb_process(struct thumb *m, uint32_t op, uint32_t *rdn, uint32_t rm)
{
    uint32_t was = *rdn;
    uint32_t by = rm & 0xFF;
    switch (op) {
    case 0x0: *rdn = thumb_flagged(m, was & rm); break;
    case 0x1: *rdn = thumb_flagged(m, was ^ rm); break;
    case 0x2: /* LSLS */
        *rdn = thumb_flagged(m, by < 32 ? was << by : 0);
        if (by)
            m->c = was >> ((32 - by) & 31) & 1;
        break;
    case 0x3: /* LSRS */
        *rdn = thumb_flagged(m, by < 32 ? was >> by : 0);
        m->c = by <= 32 ? was >> ((by - 1) & 31) & 1 : 0;
        break;
    case 0x4: /* ASRS */
        by = by < 32 ? by : 32;
        *rdn = thumb_flagged(m, (uint32_t) ((int64_t) (int32_t) was >> by));
        m->c = was >> ((by - 1) & 31) & 1;
        break;
    case 0x5: *rdn = thumb_add(m, rm, (uint64_t) was + m->c); break;
    case 0x6: *rdn = thumb_subtract(m, was, (uint64_t) rm + !m->c); break;
    case 0x7: /* RORS */
        by &= 31;
        *rdn = thumb_flagged(m, by ? was >> by | was << (32 - by) : was);
        m->c = m->n;
        break;
    case 0x8: thumb_flagged(m, was & rm); break;
    case 0x9: *rdn = thumb_subtract(m, 0, rm); break;
    case 0xA: thumb_subtract(m, was, rm); break;
    case 0xB: thumb_add(m, was, rm); break;
    case 0xC: *rdn = thumb_flagged(m, was | rm); break;
    case 0xD: *rdn = thumb_flagged(m, was * rm); break;
    case 0xE: *rdn = thumb_flagged(m, was & ~rm); break;
    case 0xF: *rdn = thumb_flagged(m, ~rm); break;
    }
}

/* Load `size` bytes to a register; return whether an address of its size is one of memory. */
ALWAYS int thumb_load(const struct thumb *m, uint32_t address, uint32_t size, uint32_t *rt)
{
    const uint8_t *place = address & (size - 1) ? NULL : thumb_readable(m, address, size);
    uint32_t word = 0;
    if (place == NULL)
        return 0;
    memcpy(&word, place, size);
    *rt = word;
    return 1;
}

ALWAYS int thumb_store(const struct thumb *m, uint32_t address, uint32_t size, uint32_t word)
{
    uint8_t *place = address & (size - 1) ? NULL : thumb_writable(m, address, size);
    if (place == NULL)
        return 0;
    memcpy(place, &word, size);
    return 1;
}

static inline const uint8_t *thumb_take(uint32_t *r, uint32_t list, const uint8_t *place)
{
    for (; list; list &= list - 1, place += 4)
        memcpy(&r[__builtin_ctz(list)], place, 4);
    return place;
}

static inline uint8_t *thumb_put(const uint32_t *r, uint32_t list, uint8_t *place)
{
    for (; list; list &= list - 1, place += 4)
        memcpy(place, &r[__builtin_ctz(list)], 4);
    return place;
}

/* Execute instructions for at least `limit` cycles, fewer where one is not of this file.
 *
 * The cycles that they took are returned: 0 says that the first is left to the caller.
 */
static uint32_t thumb_run(struct thumb *const state, uint32_t limit)
{
    struct thumb machine = *state, *const m = &machine;
    uint32_t *const r = m->r;
    uint32_t pc = r[15] & ~1u;
    uint32_t cycles = 0;
    uint32_t start = 0, size = 0; /* of the memory that the program runs from */
    const uint8_t *code = NULL;
#define LOW(shift) r[op >> (shift) & 7]
#define IMM8 (op & 0xFF)
#define IMM5 (op >> 6 & 31)
#define REGISTER(i) ((i) == 15 ? pc + 4 : r[i])
#define NEEDS(it) do { if (!(it)) goto out; } while (0)

    while (cycles < limit) {
        uint32_t at = pc - start;
        if (at >= size) {
            start = pc - FLASH_AT < m->flash_size ? FLASH_AT : pc < m->rom_size ? 0 : RAM_AT;
            size = start == FLASH_AT ? m->flash_size : start ? m->ram_size : m->rom_size;
            code = start == FLASH_AT ? m->flash : start ? m->ram : m->rom;
            at = pc - start;
            NEEDS(at < size);
        }
        const uint32_t op = thumb_half(code + at);
        uint32_t next = pc + 2;
        uint32_t took = 1;
        uint32_t word, list, address;
        const uint8_t *from;
        uint8_t *to;
        switch (op >> 8) {
        case 0x00 ... 0x07: /* LSLS; by 0 it is MOVS */
            word = LOW(3);
            if (IMM5)
                m->c = word >> (32 - IMM5) & 1;
            LOW(0) = thumb_flagged(m, word << IMM5);
            break;
        case 0x08 ... 0x0F: /* LSRS; by 0 it is by 32 */
            word = LOW(3);
            m->c = word >> (IMM5 ? IMM5 - 1 : 31) & 1;
            LOW(0) = thumb_flagged(m, IMM5 ? word >> IMM5 : 0);
            break;
        case 0x10 ... 0x17: /* ASRS; by 0 it is by 32 */
            word = LOW(3);
            m->c = word >> (IMM5 ? IMM5 - 1 : 31) & 1;
            LOW(0) = thumb_flagged(m, (uint32_t) ((int64_t) (int32_t) word >> (IMM5 ? IMM5 : 32)));
            break;
        case 0x18 ... 0x19: LOW(0) = thumb_add(m, LOW(3), LOW(6)); break;
        case 0x1A ... 0x1B: LOW(0) = thumb_subtract(m, LOW(3), LOW(6)); break;
        case 0x1C ... 0x1D: LOW(0) = thumb_add(m, LOW(3), op >> 6 & 7); break;
        case 0x1E ... 0x1F: LOW(0) = thumb_subtract(m, LOW(3), op >> 6 & 7); break;
        case 0x20 ... 0x27: LOW(8) = thumb_flagged(m, IMM8); break;
        case 0x28 ... 0x2F: thumb_subtract(m, LOW(8), IMM8); break;
        case 0x30 ... 0x37: LOW(8) = thumb_add(m, LOW(8), IMM8); break;
        case 0x38 ... 0x3F: LOW(8) = thumb_subtract(m, LOW(8), IMM8); break;
        case 0x40 ... 0x43: thumb_process(m, op >> 6 & 15, &LOW(0), LOW(3)); break;
        case 0x44: /* ADD of high registers */
        case 0x46: /* MOV of high registers */
            list = (op >> 4 & 8) | (op & 7);
            word = REGISTER(op >> 3 & 15);
            if (op >> 8 == 0x44)
                word += REGISTER(list);
            if (list == 15) {
                next = word & ~1u;
                took = 2;
            } else {
                r[list] = list == 13 ? word & ~3u : word;
            }
            break;
        case 0x45: /* CMP of high registers */
            NEEDS((op >> 3 & 15) != 15 && (op & 0x87) != 0x87);
            thumb_subtract(m, r[(op >> 4 & 8) | (op & 7)], r[op >> 3 & 15]);
            break;
        case 0x47: /* BX, BLX */
            word = r[op >> 3 & 15];
            NEEDS((op & 0x7F) < 0x78 && (op & 7) == 0 && (word >> 28 != 0xF || op & 0x80));
            if (op & 0x80)
                r[14] = next | 1;
            next = word & ~1u;
            took = 2;
            break;
        case 0x48 ... 0x4F: /* LDR of a literal */
            address = ((pc + 4) & ~3u) + (IMM8 << 2);
            NEEDS(thumb_load(m, address, 4, &LOW(8)));
            took = 2;
            break;
        case 0x50 ... 0x5F: /* a load or store by a register */
        case 0x60 ... 0x8F: /* or by an immediate value */
            took = 2;
            address = LOW(3);
            switch (op >> 9) {
            case 0x28: NEEDS(thumb_store(m, address + LOW(6), 4, LOW(0))); break;
            case 0x29: NEEDS(thumb_store(m, address + LOW(6), 2, LOW(0))); break;
            case 0x2A: NEEDS(thumb_store(m, address + LOW(6), 1, LOW(0))); break;
            case 0x2B:
                NEEDS(thumb_load(m, address + LOW(6), 1, &LOW(0)));
                LOW(0) = (uint32_t) (int8_t) LOW(0);
                break;
            case 0x2C: NEEDS(thumb_load(m, address + LOW(6), 4, &LOW(0))); break;
            case 0x2D: NEEDS(thumb_load(m, address + LOW(6), 2, &LOW(0))); break;
            case 0x2E: NEEDS(thumb_load(m, address + LOW(6), 1, &LOW(0))); break;
            case 0x2F:
                NEEDS(thumb_load(m, address + LOW(6), 2, &LOW(0)));
                LOW(0) = (uint32_t) (int16_t) LOW(0);
                break;
            case 0x30 ... 0x33: NEEDS(thumb_store(m, address + IMM5 * 4, 4, LOW(0))); break;
            case 0x34 ... 0x37: NEEDS(thumb_load(m, address + IMM5 * 4, 4, &LOW(0))); break;
            case 0x38 ... 0x3B: NEEDS(thumb_store(m, address + IMM5, 1, LOW(0))); break;
            case 0x3C ... 0x3F: NEEDS(thumb_load(m, address + IMM5, 1, &LOW(0))); break;
            case 0x40 ... 0x43: NEEDS(thumb_store(m, address + IMM5 * 2, 2, LOW(0))); break;
            case 0x44 ... 0x47: NEEDS(thumb_load(m, address + IMM5 * 2, 2, &LOW(0))); break;
            }
            break;
        case 0x90 ... 0x97:
            NEEDS(thumb_store(m, r[13] + (IMM8 << 2), 4, LOW(8)));
            took = 2;
            break;
        case 0x98 ... 0x9F:
            NEEDS(thumb_load(m, r[13] + (IMM8 << 2), 4, &LOW(8)));
            took = 2;
            break;
        case 0xA0 ... 0xA7: LOW(8) = (pc & ~3u) + 4 + (IMM8 << 2); break;
        case 0xA8 ... 0xAF: LOW(8) = r[13] + (IMM8 << 2); break;
        case 0xB0:
            word = (op & 0x7F) << 2;
            r[13] = (op & 0x80 ? r[13] - word : r[13] + word) & ~3u;
            break;
        case 0xB2: /* SXTH, SXTB, UXTH, UXTB */
            word = LOW(3);
            switch (op >> 6 & 3) {
            case 0: LOW(0) = (uint32_t) (int16_t) word; break;
            case 1: LOW(0) = (uint32_t) (int8_t) word; break;
            case 2: LOW(0) = word & 0xFFFF; break;
            case 3: LOW(0) = word & 0xFF; break;
            }
            break;
        case 0xB4 ... 0xB5: /* PUSH */
            list = IMM8 | (op & 0x100) << 6;
            address = r[13] - 4 * thumb_ones(list);
            to = address & 3 ? NULL : thumb_writable(m, address, 4 * thumb_ones(list));
            NEEDS(to);
            thumb_put(r, list, to);
            r[13] = address;
            took = 1 + thumb_ones(IMM8);
            break;
        case 0xB6: /* CPSID */
            NEEDS(op == 0xB672);
            m->masked = 1;
            break;
        case 0xBA: /* REV, REV16, REVSH */
            word = LOW(3);
            NEEDS((op >> 6 & 3) != 2);
            switch (op >> 6 & 3) {
            case 0: LOW(0) = __builtin_bswap32(word); break;
            case 1: LOW(0) = __builtin_bswap32(word << 16 | word >> 16); break;
            case 3: LOW(0) = (uint32_t) (int16_t) __builtin_bswap16((uint16_t) word); break;
            }
            break;
        case 0xBC ... 0xBD: /* POP */
            list = IMM8;
            word = op >> 8 & 1;
            size_t length = 4 * (thumb_ones(list) + word);
            from = r[13] & 3 ? NULL : thumb_writable(m, r[13], length);
            NEEDS(from);
            if (word) {
                memcpy(&next, from + length - 4, 4);
                NEEDS(next >> 28 != 0xF);
                next &= ~1u;
            }
            thumb_take(r, list, from);
            r[13] += length;
            took = 1 + thumb_ones(list) + 2 * word;
            break;
        case 0xBF: NEEDS(op == 0xBF00); break; /* NOP */
        case 0xC0 ... 0xC7: /* STMIA */
            address = LOW(8);
            list = IMM8;
            to = address & 3 ? NULL : thumb_writable(m, address, 4 * thumb_ones(list));
            NEEDS(to);
            thumb_put(r, list, to);
            if (!(list >> (op >> 8 & 7) & 1))
                LOW(8) = address + 4 * thumb_ones(list);
            took = 1 + thumb_ones(list);
            break;
        case 0xC8 ... 0xCF: /* LDMIA */
            address = LOW(8);
            list = IMM8;
            from = address & 3 ? NULL : thumb_readable(m, address, 4 * thumb_ones(list));
            NEEDS(from);
            thumb_take(r, list, from);
            if (!(list >> (op >> 8 & 7) & 1))
                LOW(8) = address + 4 * thumb_ones(list);
            took = 1 + thumb_ones(list);
            break;
        case 0xD0 ... 0xDD: /* B where a condition holds */
            if (thumb_holds(m, op >> 8 & 15)) {
                next = pc + 4 + 2 * (int32_t) (int8_t) IMM8;
                took = 2;
            }
            break;
        case 0xE0 ... 0xE7: /* B */
            next = pc + 4 + ((int32_t) (op << 21) >> 20);
            took = 2;
            break;
        case 0xF0 ... 0xF7: /* of two halves: BL, a barrier, MRS of the interrupt mask */
            NEEDS(size - at >= 4);
            word = thumb_half(code + at + 2);
            took = 3;
            if (word >> 14 == 3 && word & 0x1000) {
                uint32_t sign = op >> 10 & 1;
                r[14] = (pc + 4) | 1;
                next = pc + 4 + ((0 - sign) << 24 | (1 ^ sign ^ (word >> 13 & 1)) << 23
                    | (1 ^ sign ^ (word >> 11 & 1)) << 22 | (op & 0x3FF) << 12
                    | (word & 0x7FF) << 1);
            } else {
                next = pc + 4;
                if (op == 0xF3EF && (word & 0xF8FF) == 0x8010)
                    r[word >> 8 & 7] = m->masked;
                else
                    NEEDS(op == 0xF3BF && word >> 8 == 0x8F && (word >> 4 & 15) - 4 < 3);
            }
            break;
        default:
            goto out;
        }
        pc = next;
        cycles += took;
    }
out:
    if (cycles)
        r[15] = pc;
    state->n = m->n;
    state->z = m->z;
    state->c = m->c;
    state->v = m->v;
    state->masked = m->masked;
    return cycles;
#undef LOW
#undef IMM8
#undef IMM5
#undef REGISTER
#undef NEEDS
}
