// What services import of `time`, by the clock of the tick: MicroPython's qemu port has none.
//
// Microseconds are modulo 2**30, as MicroPython's own. Milliseconds are those of these
// microseconds, where MicroPython's are modulo 2**30 themselves: they begin anew after 18 minutes.

#include "py/runtime.h"

#include "hard_tick.h"

#define HALF (0x20000000)

static mp_obj_t time_ticks_us(void) {
    return MP_OBJ_NEW_SMALL_INT(hard_tick_us());
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_ticks_us_obj, time_ticks_us);

static mp_obj_t time_ticks_ms(void) {
    return MP_OBJ_NEW_SMALL_INT(hard_tick_us() / 1000);
}
static MP_DEFINE_CONST_FUN_OBJ_0(time_ticks_ms_obj, time_ticks_ms);

static mp_obj_t time_ticks_add(mp_obj_t ticks, mp_obj_t delta) {
    uint32_t later = (uint32_t)mp_obj_get_int(ticks) + (uint32_t)mp_obj_get_int(delta);
    return MP_OBJ_NEW_SMALL_INT(later & TIME_MASK);
}
static MP_DEFINE_CONST_FUN_OBJ_2(time_ticks_add_obj, time_ticks_add);

static mp_obj_t time_ticks_diff(mp_obj_t end, mp_obj_t start) {
    uint32_t later = (uint32_t)mp_obj_get_int(end) - (uint32_t)mp_obj_get_int(start);
    return MP_OBJ_NEW_SMALL_INT((mp_int_t)((later + HALF) & TIME_MASK) - HALF);
}
static MP_DEFINE_CONST_FUN_OBJ_2(time_ticks_diff_obj, time_ticks_diff);

static void wait_us(uint32_t us) {
    uint32_t start = hard_tick_us();
    while (((hard_tick_us() - start) & TIME_MASK) < us) {
        mp_handle_pending(true);
    }
}

static mp_obj_t time_sleep_us(mp_obj_t us) {
    mp_int_t asked = mp_obj_get_int(us);
    wait_us(asked < 0 ? 0 : asked);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_us_obj, time_sleep_us);

static mp_obj_t time_sleep_ms(mp_obj_t ms) {
    for (mp_int_t left = mp_obj_get_int(ms); left > 0; left--) {
        wait_us(1000);
    }
    mp_handle_pending(true); // a sleep of nothing looks too
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_ms_obj, time_sleep_ms);

static mp_obj_t time_sleep(mp_obj_t seconds) {
    return time_sleep_ms(MP_OBJ_NEW_SMALL_INT((mp_int_t)(mp_obj_get_float(seconds) * 1000)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_sleep_obj, time_sleep);

static const mp_rom_map_elem_t time_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_time) },
    { MP_ROM_QSTR(MP_QSTR_ticks_us), MP_ROM_PTR(&time_ticks_us_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_ms), MP_ROM_PTR(&time_ticks_ms_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_add), MP_ROM_PTR(&time_ticks_add_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_diff), MP_ROM_PTR(&time_ticks_diff_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep_us), MP_ROM_PTR(&time_sleep_us_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep_ms), MP_ROM_PTR(&time_sleep_ms_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep), MP_ROM_PTR(&time_sleep_obj) },
};
static MP_DEFINE_CONST_DICT(time_globals, time_globals_table);

const mp_obj_module_t hard_tick_time_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&time_globals,
};

MP_REGISTER_MODULE(MP_QSTR_time, hard_tick_time_module);
