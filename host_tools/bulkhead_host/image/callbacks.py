"""What an image changes in MicroPython so that whoever sets a callback is judged first.

A callback runs when something happens, and on top of whatever runs then: outside of the steps,
the budget, the rights and the life of the service that has set it. Every function of MicroPython
that keeps one calls `mp_callback_check`, and that the guard of `firmware/guard/guards.py`, which
`micropython.guard_callbacks` has put in place and which raises for a service. It is MicroPython's
own objects that ask: no name, class or instance of theirs leads past it.
"""

from bulkhead_host.image.change import Change

_CHECK = "    mp_callback_check();\n"
_KEYWORDS = "(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {\n"
_POSITIONS = "(size_t n_args, const mp_obj_t *args) {\n"
_TIMER = "(machine_timer_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args)"

_KEEPERS = (
    ("ports/rp2/machine_pin.c", "machine_pin_irq" + _KEYWORDS),
    ("ports/rp2/machine_timer.c", f"machine_timer_init_helper{_TIMER} {{\n"),
    ("ports/rp2/rp2_pio.c", "rp2_pio_irq" + _KEYWORDS),
    ("ports/rp2/rp2_pio.c", "rp2_state_machine_irq" + _KEYWORDS),
    ("ports/rp2/rp2_dma.c", "rp2_dma_irq" + _KEYWORDS),
    ("extmod/machine_uart.c", "machine_uart_irq" + _KEYWORDS),
    ("extmod/machine_i2c_target.c", "machine_i2c_target_irq" + _KEYWORDS),
    ("extmod/machine_i2s.c", "machine_i2s_irq(mp_obj_t self_in, mp_obj_t handler) {\n"),
    ("extmod/machine_usb_device.c", "usb_device_config" + _KEYWORDS),
    ("extmod/modbluetooth.c", "bluetooth_ble_irq(mp_obj_t self_in, mp_obj_t handler_in) {\n"),
    ("extmod/os_dupterm.c", "mp_os_dupterm" + _POSITIONS),
    ("py/modthread.c", "mod_thread_start_new_thread" + _POSITIONS),
    ("extmod/modlwip.c", "    if (opt == 20) {\n"),
)
"""The functions that keep a callback, or start a thread: a file, and where one begins."""

_TABLE = "static const mp_rom_map_elem_t mp_module_micropython_globals_table[] = {\n"
_NAME = "    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_micropython) },\n"
# The guard is told whether an interrupt is served: there it is no service's step but a hard one.
_GUARD = """\
MP_REGISTER_ROOT_POINTER(mp_obj_t callback_guard);
bool mp_callback_is_own;

void mp_callback_check(void) {
    bool is_own = mp_callback_is_own;
    mp_callback_is_own = false;
    if (MP_STATE_VM(callback_guard) != MP_OBJ_NULL && !is_own) {
        uint32_t exception = 0;
        #if defined(__arm__)
        __asm volatile ("mrs %0, ipsr" : "=r" (exception));
        #endif
        mp_call_function_1(MP_STATE_VM(callback_guard), mp_obj_new_bool(exception != 0));
    }
}

static mp_obj_t mp_micropython_guard_callbacks(mp_obj_t guard) {
    MP_STATE_VM(callback_guard) = guard == mp_const_none ? MP_OBJ_NULL : guard;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(
    mp_micropython_guard_callbacks_obj, mp_micropython_guard_callbacks);

"""
_ENTRY = (
    "    { MP_ROM_QSTR(MP_QSTR_guard_callbacks),"
    " MP_ROM_PTR(&mp_micropython_guard_callbacks_obj) },\n"
)
_DECLARED = """\
extern bool mp_callback_is_own; // the next that is set is MicroPython's own
void mp_callback_check(void);
void mp_init(void);
"""
# `network.PPP` has a UART call it: its own C, whoever connects it. A stream that is written in
# Python would be called by the network, whoever runs then.
_PPP = "extmod/network_ppp_lwip.c"
_PPP_METHOD = "    mp_load_method(self->stream, MP_QSTR_irq, dest);\n"
_PPP_OWN = "    mp_callback_is_own = mp_obj_is_type(self->stream, &machine_uart_type);\n"
_PPP_INCLUDE = '#include "extmod/modnetwork.h"\n'
_PPP_GIVEN = "mp_get_stream_raise({0}, MP_STREAM_OP_READ | MP_STREAM_OP_WRITE);\n"
_PPP_CHECK = "if (!mp_obj_is_type({0}, &machine_uart_type)) {{\nmp_callback_check();\n}}\n"
_PPP_STREAMS = ("stream", "kwargs->table[i].value")

CALLBACK_CHANGES = (
    Change(
        path="py/modmicropython.c",
        before=_TABLE + _NAME,
        after=_GUARD + _TABLE + _NAME + _ENTRY,
    ),
    Change(path="py/runtime.h", before="void mp_init(void);\n", after=_DECLARED),
    Change(
        path="py/runtime.c",
        before="void mp_init(void) {\n    qstr_init();\n",
        after="void mp_init(void) {\n    qstr_init();\n"
        "    MP_STATE_VM(callback_guard) = MP_OBJ_NULL;\n",
    ),
    *(Change(path=path, before=begin, after=begin + _CHECK) for path, begin in _KEEPERS),
    Change(
        path=_PPP, before=_PPP_INCLUDE, after=_PPP_INCLUDE + '#include "extmod/modmachine.h"\n'
    ),
    Change(path=_PPP, before=_PPP_METHOD, after=_PPP_METHOD + _PPP_OWN, times=2),
    *(
        Change(
            path=_PPP,
            before=_PPP_GIVEN.format(stream),
            after=_PPP_GIVEN.format(stream) + _PPP_CHECK.format(stream),
        )
        for stream in _PPP_STREAMS
    ),
)
"""What `hardening.CHANGES` has among others."""
