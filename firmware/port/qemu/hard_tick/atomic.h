// What every file of MicroPython's qemu port is compiled with, since it has interrupts here.
//
// A section of the scheduler is not interrupted, as on every port with interrupts. And a kill
// lands in a scheduled callback too: the port has no threads, and MicroPython then looks for an
// exception only where it looks for callbacks, which is not within one.

#if defined(__riscv)
static inline unsigned long hard_tick_off(void) {
    unsigned long before;
    __asm volatile ("csrrci %0, mstatus, 8" : "=r" (before) : : "memory");
    return before & 8;
}

static inline void hard_tick_on(unsigned long before) {
    __asm volatile ("csrs mstatus, %0" : : "r" (before) : "memory");
}
#else
static inline unsigned long hard_tick_off(void) {
    unsigned long before;
    __asm volatile ("mrs %0, primask\n cpsid i" : "=r" (before) : : "memory");
    return before;
}

static inline void hard_tick_on(unsigned long before) {
    __asm volatile ("msr primask, %0" : : "r" (before) : "memory");
}
#endif

#define MICROPY_BEGIN_ATOMIC_SECTION() hard_tick_off()
#define MICROPY_END_ATOMIC_SECTION(before) hard_tick_on(before)
#define MICROPY_VM_HOOK_LOOP \
    if (MP_STATE_THREAD(mp_pending_exception) != MP_OBJ_NULL) { \
        MARK_EXC_IP_SELECTIVE(); \
        mp_handle_pending(true); \
    }
