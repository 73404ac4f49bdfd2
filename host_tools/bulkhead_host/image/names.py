"""What an image changes in MicroPython so that no service fills the heap with names.

MicroPython keeps each name that an attribute, a keyword or a class ever had, for good: to kill who
made it gives nothing back, and each is looked through whenever a text is taken for a name. Here
the bytes of a new name are charged to the task that runs, and one beyond its bound is a
MemoryError. `micropython.limit_names` is given the kernel's words, which of them says who runs
(not 0 in the next one: its step does), by how many bits to shift that, and two bytes a task for
what it was charged. The names of code that is loaded are charged to nobody: they were compiled by
whoever builds or updates. No more are those of who is no task, as a guest.

An interrupt makes no names: it may have come while one is made, and would wait for itself for
good, since MicroPython locks its table of names.
"""

from bulkhead_host.image.change import Change

_BEGIN = "static qstr qstr_from_strn_helper(const char *str, size_t len, bool data_is_static) {\n"
_CHARGE = """\
MP_REGISTER_ROOT_POINTER(mp_obj_t names_limit);

// A name takes its text, a pointer to that, its length and its hash.
#define NAME_BYTES(len) ((len) + 1 + sizeof(char *) + 4)

// Return what the task that runs was charged, NULL for who is none; raises beyond its bound.
static uint16_t *find_charged(size_t len) {
    if (MP_STATE_VM(names_limit) == MP_OBJ_NULL) {
        return NULL;
    }
    mp_obj_t *limit = ((mp_obj_tuple_t *)MP_OBJ_TO_PTR(MP_STATE_VM(names_limit)))->items;
    mp_buffer_info_t words, charged;
    mp_get_buffer_raise(limit[0], &words, MP_BUFFER_READ);
    mp_get_buffer_raise(limit[3], &charged, MP_BUFFER_RW);
    const uint32_t *who = (const uint32_t *)words.buf + MP_OBJ_SMALL_INT_VALUE(limit[1]);
    size_t task = who[0] >> MP_OBJ_SMALL_INT_VALUE(limit[2]);
    if (task == 0 || who[1] == 0 || task >= charged.len / 2) {
        return NULL;
    }
    uint16_t *bytes = (uint16_t *)charged.buf + task;
    if (*bytes + NAME_BYTES(len) > (size_t)MP_OBJ_SMALL_INT_VALUE(limit[4])) {
        QSTR_EXIT();
        mp_raise_msg(&mp_type_MemoryError, MP_ERROR_TEXT("too many names"));
    }
    return bytes;
}

static bool in_interrupt(void) {
    uint32_t exception = 0;
    #if defined(__arm__)
    __asm volatile ("mrs %0, ipsr" : "=r" (exception));
    #endif
    return exception != 0;
}

"""
_ENTER = "    QSTR_ENTER();\n    qstr q = qstr_find_strn(str, len);\n    if (q == 0) {\n"
_FOUND = """\
    if (in_interrupt()) {
        qstr known = qstr_find_strn(str, len);
        if (known == 0) {
            mp_raise_msg(&mp_type_MemoryError, MP_ERROR_TEXT("new name in an interrupt"));
        }
        return known;
    }
"""
_FIND = "        uint16_t *charged = is_code ? NULL : find_charged(len);\n"
_STATIC = "        if (data_is_static) {\n"
_ADD = "        q = qstr_add(len, str);\n"
_CHARGED = """\
        if (charged != NULL) {
            *charged += NAME_BYTES(len);
        }
"""
_FROM = """\
qstr qstr_from_strn(const char *str, size_t len) {
    return qstr_from_strn_helper(str, len, false);
}
"""
_FROM_EITHER = """\
qstr qstr_from_strn(const char *str, size_t len) {
    return qstr_from_strn_helper(str, len, false, false);
}

qstr qstr_from_code(const char *str, size_t len) {
    return qstr_from_strn_helper(str, len, false, true);
}
"""
_DECLARED = "qstr qstr_from_strn(const char *str, size_t len);\n"
_TABLE = "static const mp_rom_map_elem_t mp_module_micropython_globals_table[] = {\n"
_LIMIT = """\
static mp_obj_t mp_micropython_limit_names(mp_obj_t limit) {
    mp_obj_t *items;
    mp_obj_get_array_fixed_n(limit, 5, &items);
    for (size_t at = 1; at < 5; at++) {
        if (at != 3 && !mp_obj_is_small_int(items[at])) {
            mp_raise_TypeError(NULL);
        }
    }
    MP_STATE_VM(names_limit) = mp_obj_new_tuple(5, items);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mp_micropython_limit_names_obj, mp_micropython_limit_names);

"""
_FIRST = "    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_micropython) },\n"
_ENTRY = "    { MP_ROM_QSTR(MP_QSTR_limit_names), MP_ROM_PTR(&mp_micropython_limit_names_obj) },\n"
_INIT = "void qstr_init(void) {\n"
_LOADED = "    qstr qst = qstr_from_strn(str, len);\n"

NAME_CHANGES = (
    *(
        Change(path="py/qstr.c", before=before, after=after)
        for before, after in (
            (_INIT, _INIT + "    MP_STATE_VM(names_limit) = MP_OBJ_NULL;\n"),
            (_BEGIN + _ENTER,
             _CHARGE + _BEGIN.replace("data_is_static", "data_is_static, bool is_code")
             + _FOUND + _ENTER),
            (_STATIC, _FIND + _STATIC),
            (_ADD, _ADD + _CHARGED),
            (_FROM, _FROM_EITHER),
            ("    return qstr_from_strn_helper(str, len, true);\n",
             "    return qstr_from_strn_helper(str, len, true, true);\n"),
        )
    ),
    Change(
        path="py/qstr.h",
        before=_DECLARED,
        after=_DECLARED + "qstr qstr_from_code(const char *str, size_t len);\n",
    ),
    Change(
        path="py/persistentcode.c",
        before=_LOADED,
        after="    qstr qst = qstr_from_code(str, len);\n",
    ),
    Change(path="py/modmicropython.c", before=_TABLE, after=_LIMIT + _TABLE),
    Change(path="py/modmicropython.c", before=_FIRST, after=_FIRST + _ENTRY),
)  # fmt: skip
"""What `hardening.CHANGES` has among others."""
