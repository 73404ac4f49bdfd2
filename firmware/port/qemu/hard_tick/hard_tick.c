// A timer interrupt that calls Python, which MicroPython's qemu port lacks, and a kill.
//
// The module `hard_tick`, for `port/qemu.py`:
//
//     clock              four bytes: the microseconds, as of the last interrupt or `now()`
//     now()              the microseconds modulo 2**30
//     start(tick, us)    call tick(collects) that often, in the interrupt, until `stop()`;
//                        `collects` is 1 while garbage is collected
//     strike()           raise KeyboardInterrupt at the next branch; any context
//     wait()             sleep until an interrupt
//
// The interrupt comes every STEP_US: SysTick on Arm, the machine timer on RISC-V. Both are in the
// manuals of the architectures (Armv7-M B3.3, RISC-V privileged 3.2.1); the counters that time is
// read from are the emulated boards' own, as QEMU's documents of `mps2` and `virt` name them.

#include <stdint.h>
#include <stdlib.h>

#include "py/binary.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/objarray.h"
#include "py/runtime.h"

#include "hard_tick.h"

#define STEP_US (20)
#define ROOM_BYTES (4096) // of stack for the handler, beyond what was interrupted may use

static uint32_t clock_us;
static uint32_t seen; // of the counter
static uint32_t period_us; // 0: stopped
static uint32_t due_us;

#if defined(__riscv)

#define COUNTER (*(volatile uint32_t *)0x0200bff8) // mtime, low word
#define COUNTS_PER_US (10)
static volatile uint32_t *const mtime = (uint32_t *)0x0200bff8;
static volatile uint32_t *const mtimecmp = (uint32_t *)0x02004000;

#else

#define COUNTER (*(volatile uint32_t *)HARD_TICK_COUNTER) // FPGA I/O block
#define COUNTS_PER_US (HARD_TICK_MHZ)
static volatile uint32_t *const systick = (uint32_t *)0xe000e010; // CSR, RVR, CVR
static volatile uint32_t *const vtor = (uint32_t *)0xe000ed08;
static uint32_t vectors[64] __attribute__((aligned(256)));

#endif

static void take_time(void) {
    uint32_t gone_us = (COUNTER - seen) / COUNTS_PER_US;
    seen += gone_us * COUNTS_PER_US;
    clock_us += gone_us;
}

// As MicroPython calls what is to run in an interrupt: neither callbacks nor the heap meanwhile.
static void call_tick(void) {
    size_t limit = MP_STATE_THREAD(stack_limit);
    int collects = MP_STATE_THREAD(gc_lock_depth) & GC_COLLECT_FLAG;
    MP_STATE_THREAD(stack_limit) = limit + ROOM_BYTES;
    mp_sched_lock();
    gc_lock();
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_call_function_1(MP_STATE_VM(hard_tick), MP_OBJ_NEW_SMALL_INT(collects));
        nlr_pop();
    } else {
        period_us = 0;
        mp_printf(&mp_plat_print, "exception in the tick\n");
        mp_obj_print_exception(&mp_plat_print, MP_OBJ_FROM_PTR(nlr.ret_val));
    }
    gc_unlock();
    mp_sched_unlock();
    MP_STATE_THREAD(stack_limit) = limit;
}

static void step(void) {
    take_time();
    if (period_us != 0 && (int32_t)(clock_us - due_us) >= 0) {
        due_us = clock_us + period_us;
        call_tick();
    }
}

#if defined(__riscv)

static void set_next(void) {
    uint32_t low = mtime[0], high = mtime[1];
    uint32_t next = low + STEP_US * COUNTS_PER_US;
    mtimecmp[1] = 0xffffffff; // no interrupt between the two
    mtimecmp[0] = next;
    mtimecmp[1] = high + (next < low);
}

__attribute__((interrupt("machine"), aligned(4))) static void trap(void) {
    uint32_t cause, at;
    __asm volatile ("csrr %0, mcause" : "=r" (cause));
    if (cause == 0x80000007) {
        step();
        set_next();
        return;
    }
    __asm volatile ("csrr %0, mepc" : "=r" (at));
    mp_printf(&mp_plat_print, "trap of cause %x at %x\n", cause, at);
    exit(1);
}

static void start_steps(void) {
    __asm volatile ("csrw mtvec, %0" : : "r" (&trap));
    set_next();
    __asm volatile ("csrs mie, %0" : : "r" (1 << 7));
    __asm volatile ("csrs mstatus, %0" : : "r" (1 << 3)); // as the port means to and does not
}

#else

static void start_steps(void) {
    for (int i = 0; i < 64; i++) {
        vectors[i] = ((uint32_t *)*vtor)[i];
    }
    vectors[15] = (uint32_t)&step;
    *vtor = (uint32_t)vectors;
    systick[1] = STEP_US * HARD_TICK_SYSTICK_MHZ - 1;
    systick[2] = 0;
    systick[0] = 7; // the processor's clock, interrupt, enable
}

#endif

uint32_t hard_tick_us(void) {
    mp_uint_t before = MICROPY_BEGIN_ATOMIC_SECTION();
    take_time();
    MICROPY_END_ATOMIC_SECTION(before);
    return clock_us & TIME_MASK;
}

static mp_obj_t hard_tick_now(void) {
    return MP_OBJ_NEW_SMALL_INT(hard_tick_us());
}
static MP_DEFINE_CONST_FUN_OBJ_0(hard_tick_now_obj, hard_tick_now);

static mp_obj_t hard_tick_start(mp_obj_t tick, mp_obj_t us) {
    mp_uint_t before = MICROPY_BEGIN_ATOMIC_SECTION();
    take_time();
    MP_STATE_VM(hard_tick) = tick;
    period_us = mp_obj_get_int(us);
    due_us = clock_us + period_us;
    MICROPY_END_ATOMIC_SECTION(before);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(hard_tick_start_obj, hard_tick_start);

static mp_obj_t hard_tick_stop(void) {
    period_us = 0;
    MP_STATE_VM(hard_tick) = mp_const_none;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(hard_tick_stop_obj, hard_tick_stop);

static mp_obj_t hard_tick_strike(void) {
    mp_sched_keyboard_interrupt();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(hard_tick_strike_obj, hard_tick_strike);

static mp_obj_t hard_tick_wait(void) {
    __asm volatile ("wfi");
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(hard_tick_wait_obj, hard_tick_wait);

// MicroPython calls it at the first import since it began, after a soft reset too: no tick of
// before may call what the heap has no longer.
static mp_obj_t hard_tick_init(void) {
    static bool has_steps;
    hard_tick_stop();
    if (!has_steps) {
        has_steps = true;
        start_steps();
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(hard_tick_init_obj, hard_tick_init);

static mp_obj_array_t clock_obj = {{&mp_type_bytearray}, BYTEARRAY_TYPECODE, 0, 4, &clock_us};

static const mp_rom_map_elem_t hard_tick_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_hard_tick) },
    { MP_ROM_QSTR(MP_QSTR___init__), MP_ROM_PTR(&hard_tick_init_obj) },
    { MP_ROM_QSTR(MP_QSTR_clock), MP_ROM_PTR(&clock_obj) },
    { MP_ROM_QSTR(MP_QSTR_now), MP_ROM_PTR(&hard_tick_now_obj) },
    { MP_ROM_QSTR(MP_QSTR_start), MP_ROM_PTR(&hard_tick_start_obj) },
    { MP_ROM_QSTR(MP_QSTR_stop), MP_ROM_PTR(&hard_tick_stop_obj) },
    { MP_ROM_QSTR(MP_QSTR_strike), MP_ROM_PTR(&hard_tick_strike_obj) },
    { MP_ROM_QSTR(MP_QSTR_wait), MP_ROM_PTR(&hard_tick_wait_obj) },
};
static MP_DEFINE_CONST_DICT(hard_tick_globals, hard_tick_globals_table);

const mp_obj_module_t hard_tick_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&hard_tick_globals,
};

MP_REGISTER_MODULE(MP_QSTR_hard_tick, hard_tick_module);
MP_REGISTER_ROOT_POINTER(mp_obj_t hard_tick);
