"""What an image changes in MicroPython so that the kernel runs on top of a program's callback.

MicroPython locks its scheduler while a soft callback runs: nothing else that was scheduled does,
so a callback that never returns would keep the kernel, and with it every service, from running.
The functions that `micropython.own_callbacks` is given, each with its argument behind it, are the
kernel's: each has a place of its own, outside of the queue, and runs at the next branch of a
program's callback as it does at any other. Other callbacks of programs wait, as MicroPython has
it, and so does one of these with another argument, which is an earlier kernel's of the same boot:
it takes no place of this one's.

While the main level is the kernel's (`micropython.hold_callbacks`) programs' callbacks wait in the
queue: none runs in the midst of a service's step, or of the kernel's. `micropython.run_callback`
runs one of them. `micropython.end_callback` raises KeyboardInterrupt in the one that is under way,
and then in what that has interrupted, unless that is a REPL that waits for a key.
"""

from bulkhead_host.image.change import Change

_STATE = """\
static inline bool mp_sched_empty(void) {
"""
# `mp_sched_within`: what runs is a program's callback, or what a hard interrupt has put on top of
# it. Then MP_SCHED_LOCKED is where the count of locks begins.
_OWN = """\
static volatile uint8_t own_pending; // a bit each
static volatile bool mp_sched_within;
static volatile bool callbacks_held;
static volatile bool program_called_back;
static volatile bool callback_ended;
static volatile bool own_runs;
extern int mp_interrupt_char;

void mp_sched_own_init(void) {
    MP_STATE_VM(own_callbacks) = MP_OBJ_NULL;
    own_pending = 0;
    mp_sched_within = callbacks_held = program_called_back = callback_ended = false;
    own_runs = false;
}

// What the functions before these had pending was for somebody who is no more.
void mp_sched_own(mp_obj_t own) {
    mp_uint_t atomic_state = MICROPY_BEGIN_ATOMIC_SECTION();
    MP_STATE_VM(own_callbacks) = own;
    own_pending = 0;
    MICROPY_END_ATOMIC_SECTION(atomic_state);
}

static inline int own_number(mp_obj_t function, mp_obj_t arg) {
    if (MP_STATE_VM(own_callbacks) != MP_OBJ_NULL) {
        mp_obj_tuple_t *own = MP_OBJ_TO_PTR(MP_STATE_VM(own_callbacks));
        for (size_t at = 0; at < own->len; at += 2) {
            if (own->items[at] == function && own->items[at + 1] == arg) {
                return at / 2;
            }
        }
    }
    return -1;
}

// To be called where nothing locks the scheduler but a program's callback.
static inline void sched_find_state(void) {
    bool pending = own_pending != 0;
    if (!mp_sched_within) {
        #if MICROPY_SCHEDULER_STATIC_NODES
        pending = pending || MP_STATE_VM(sched_head) != NULL;
        #endif
        pending = pending || (mp_sched_num_pending() && !callbacks_held);
    }
    MP_STATE_VM(sched_state) = pending ? MP_SCHED_PENDING
        : mp_sched_within ? MP_SCHED_LOCKED : MP_SCHED_IDLE;
}

static inline void sched_added(void) {
    int state = MP_STATE_VM(sched_state);
    if (state >= 0 || (mp_sched_within && state == MP_SCHED_LOCKED)) {
        sched_find_state();
    }
}

"""
_LOCKED = """\
    MP_STATE_VM(sched_state) = MP_SCHED_LOCKED;

    #if MICROPY_SCHEDULER_STATIC_NODES
    // Run all pending C callbacks.
    mp_sched_node_t *original_tail = MP_STATE_VM(sched_tail);
"""
_LOCKED_WITHIN = """\
    MP_STATE_VM(sched_state) = MP_SCHED_LOCKED;
    bool within = mp_sched_within;
    mp_sched_within = false;

    #if MICROPY_SCHEDULER_STATIC_NODES
    // Run all pending C callbacks.
    mp_sched_node_t *original_tail = within ? NULL : MP_STATE_VM(sched_tail);
"""
_ONE = """\
    if (!mp_sched_empty()) {
        mp_sched_item_t item = MP_STATE_VM(sched_queue)[MP_STATE_VM(sched_idx)];
        MP_STATE_VM(sched_idx) = IDX_MASK(MP_STATE_VM(sched_idx) + 1);
        --MP_STATE_VM(sched_len);
        MICROPY_END_ATOMIC_SECTION(atomic_state);
        mp_call_function_1_protected(item.func, item.arg);
    } else {
        MICROPY_END_ATOMIC_SECTION(atomic_state);
    }

    // Restore MP_STATE_VM(sched_state) to idle (or pending if there are still
    // tasks in the queue).
    mp_sched_unlock();
}
"""
_ONE_OR_OWN = """\
    if (own_pending) {
        int number = __builtin_ctz(own_pending);
        own_pending &= ~(1 << number);
        mp_obj_t *own = ((mp_obj_tuple_t *)MP_STATE_VM(own_callbacks))->items + 2 * number;
        MICROPY_END_ATOMIC_SECTION(atomic_state);
        own_runs = true;
        mp_call_function_1_protected(own[0], own[1]);
        own_runs = false;
        atomic_state = MICROPY_BEGIN_ATOMIC_SECTION();
    } else if (!within && !callbacks_held && !mp_sched_empty()) {
        mp_sched_item_t item = MP_STATE_VM(sched_queue)[MP_STATE_VM(sched_idx)];
        MP_STATE_VM(sched_idx) = IDX_MASK(MP_STATE_VM(sched_idx) + 1);
        --MP_STATE_VM(sched_len);
        program_called_back = mp_sched_within = MP_STATE_VM(own_callbacks) != MP_OBJ_NULL;
        sched_find_state();
        if (!mp_sched_within) {
            MP_STATE_VM(sched_state) = MP_SCHED_LOCKED;
        }
        MICROPY_END_ATOMIC_SECTION(atomic_state);
        mp_call_function_1_protected(item.func, item.arg);
        atomic_state = MICROPY_BEGIN_ATOMIC_SECTION();
        program_called_back = false;
        if (callback_ended) { // it has not met what is raised, or has caught it
            callback_ended = false;
            MP_STATE_MAIN_THREAD(mp_pending_exception) = MP_OBJ_NULL;
            if (mp_interrupt_char != -1) {
                mp_sched_keyboard_interrupt();
            }
        }
    }

    // What was interrupted goes on, with the scheduler as it had it.
    mp_sched_within = within;
    sched_find_state();
    MICROPY_END_ATOMIC_SECTION(atomic_state);
}

void mp_sched_hold_callbacks(bool held) {
    mp_uint_t atomic_state = MICROPY_BEGIN_ATOMIC_SECTION();
    callbacks_held = held;
    sched_added();
    MICROPY_END_ATOMIC_SECTION(atomic_state);
}

void mp_sched_run_callback(void) {
    mp_sched_hold_callbacks(false);
    if (MP_STATE_VM(sched_state) == MP_SCHED_PENDING) {
        mp_sched_run_pending();
    }
    mp_sched_hold_callbacks(true);
}

// Return whether a program's callback is under way, which ends if it is told to.
bool mp_sched_end_callback(bool ends) {
    if (program_called_back && ends) {
        callback_ended = true;
        mp_sched_keyboard_interrupt();
    }
    return program_called_back;
}

// Whether what runs is a guest program, which the port says by -2, or a program's callback.
bool mp_sched_is_program(void) {
    return mp_sched_within || (mp_interrupt_char == -2 && !own_runs);
}
"""
_LOCK = """\
        // Pending or idle.
        MP_STATE_VM(sched_state) = MP_SCHED_LOCKED;
"""
_LOCK_WITHIN = """\
        // Pending or idle.
        MP_STATE_VM(sched_state) = mp_sched_within ? MP_SCHED_LOCKED - 1 : MP_SCHED_LOCKED;
"""
# A pending exception is not asked for: who has threads looks for it apart from this state, and the
# qemu port, which has none, does so too (`hard_tick/atomic.h`).
_UNLOCK = """\
    if (++MP_STATE_VM(sched_state) == 0) {
        // Scheduler became unlocked. Check if there are still tasks in the
        // queue and set sched_state accordingly.
        if (
            #if !MICROPY_PY_THREAD
            // See optimisation in mp_sched_exception.
            MP_STATE_THREAD(mp_pending_exception) != MP_OBJ_NULL ||
            #endif
            #if MICROPY_SCHEDULER_STATIC_NODES
            MP_STATE_VM(sched_head) != NULL ||
            #endif
            mp_sched_num_pending()) {
            MP_STATE_VM(sched_state) = MP_SCHED_PENDING;
        } else {
            MP_STATE_VM(sched_state) = MP_SCHED_IDLE;
        }
    }
"""
_UNLOCK_WITHIN = """\
    ++MP_STATE_VM(sched_state);
    sched_added();
"""
_SCHEDULE = """\
    bool ret;
    if (!mp_sched_full()) {
        if (MP_STATE_VM(sched_state) == MP_SCHED_IDLE) {
            MP_STATE_VM(sched_state) = MP_SCHED_PENDING;
        }
        uint8_t iput"""
_SCHEDULE_OWN = """\
    bool ret;
    int number = own_number(function, arg);
    if (number >= 0) {
        own_pending |= 1 << number;
        sched_added();
        MICROPY_SCHED_HOOK_SCHEDULED;
        ret = true;
    } else if (!mp_sched_full()) {
        uint8_t iput"""
_PUT = """\
        MP_STATE_VM(sched_queue)[iput].arg = arg;
"""
_NODE = """\
    if (node->callback == NULL) {
        if (MP_STATE_VM(sched_state) == MP_SCHED_IDLE) {
            MP_STATE_VM(sched_state) = MP_SCHED_PENDING;
        }
"""
_NODE_ADDED = """\
        MP_STATE_VM(sched_tail) = node;
        MICROPY_SCHED_HOOK_SCHEDULED;
"""
_ROOT = "MP_REGISTER_ROOT_POINTER(mp_sched_item_t sched_queue[MICROPY_SCHEDULER_DEPTH]);\n"
_PENDING_MACRO = "#define mp_sched_num_pending() (MP_STATE_VM(sched_len))\n"
_DECLARED = """\
void mp_sched_own_init(void);
void mp_sched_own(mp_obj_t own);
void mp_sched_hold_callbacks(bool held);
void mp_sched_run_callback(void);
bool mp_sched_end_callback(bool ends);
bool mp_sched_is_program(void);
"""
_MODULE = "static mp_obj_t mp_micropython_schedule(mp_obj_t function, mp_obj_t arg) {\n"
_FUNCTIONS = """\
static mp_obj_t mp_micropython_own_callbacks(mp_obj_t own) {
    size_t count;
    mp_obj_t *items;
    mp_obj_tuple_get(own, &count, &items);
    if (count > 16 || count & 1) {
        mp_raise_ValueError(NULL);
    }
    mp_sched_own(own);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mp_micropython_own_callbacks_obj, mp_micropython_own_callbacks);

static mp_obj_t mp_micropython_hold_callbacks(mp_obj_t held) {
    mp_sched_hold_callbacks(mp_obj_is_true(held));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mp_micropython_hold_callbacks_obj, mp_micropython_hold_callbacks);

static mp_obj_t mp_micropython_run_callback(void) {
    mp_sched_run_callback();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(mp_micropython_run_callback_obj, mp_micropython_run_callback);

static mp_obj_t mp_micropython_end_callback(mp_obj_t ends) {
    return mp_obj_new_bool(mp_sched_end_callback(mp_obj_is_true(ends)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(mp_micropython_end_callback_obj, mp_micropython_end_callback);

"""
_FIRST_NAME = "    { MP_ROM_QSTR(MP_QSTR_const), MP_ROM_PTR(&mp_identity_obj) },\n"
_NAMES = "".join(
    f"    {{ MP_ROM_QSTR(MP_QSTR_{name}), MP_ROM_PTR(&mp_micropython_{name}_obj) }},\n"
    for name in ("own_callbacks", "hold_callbacks", "run_callback", "end_callback")
)
_SCHEDULER = "py/scheduler.c"
_IN_MODULE = "py/modmicropython.c"
_INIT = "    MP_STATE_VM(sched_len) = 0;\n"

SCHEDULER_CHANGES = (
    *(
        Change(path=_SCHEDULER, before=before, after=after)
        for before, after in (
            (_STATE, _OWN + _STATE),
            (_LOCKED, _LOCKED_WITHIN),
            (_ONE, _ONE_OR_OWN),
            (_LOCK, _LOCK_WITHIN),
            (_UNLOCK, _UNLOCK_WITHIN),
            (_SCHEDULE, _SCHEDULE_OWN),
            (_PUT, _PUT + "        sched_added();\n"),
            (_NODE, "    if (node->callback == NULL) {\n"),
            (_NODE_ADDED, "        MP_STATE_VM(sched_tail) = node;\n        sched_added();\n"
             "        MICROPY_SCHED_HOOK_SCHEDULED;\n"),
            (_ROOT, _ROOT + "MP_REGISTER_ROOT_POINTER(mp_obj_t own_callbacks);\n"),
        )
    ),
    Change(path="py/runtime.h", before=_PENDING_MACRO, after=_PENDING_MACRO + _DECLARED),
    Change(path="py/runtime.c", before=_INIT, after=_INIT + "    mp_sched_own_init();\n"),
    Change(path=_IN_MODULE, before=_MODULE, after=_FUNCTIONS + _MODULE),
    Change(path=_IN_MODULE, before=_FIRST_NAME, after=_FIRST_NAME + _NAMES),
)  # fmt: skip
"""What `hardening.CHANGES` has among others."""
