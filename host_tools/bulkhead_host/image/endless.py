"""What an image changes in MicroPython so that C that takes long is preempted and killed.

Bytecode looks at each turn of a loop for what is pending: an interrupt's level, the end of a
budget. C does not, and a few lines of Python keep it busy for seconds or for good: an iterator
whose `__next__` is a function in C, the square of a number of some thousand digits or its text, a
list that is sorted already, a text that nearly fits everywhere in another, tuples that hold the
same two over and over, a date some millions of days away. Here such loops look as well.

They look where the work is large alone. Kernel and port are compiled to machine code where nothing
may come between, and count on the C that they call there not to look: on short texts, small
numbers and iterators of MicroPython's own.
"""

from bulkhead_host.image.change import Change

PENDING = """\
if (MP_STATE_THREAD(mp_pending_exception) != MP_OBJ_NULL
            || MP_STATE_VM(sched_state) == MP_SCHED_PENDING) {
            mp_handle_pending(true);
        }
"""
"""A statement: looks for what is pending, where bytecode would."""


def nested(length: str, items: str) -> str:
    """Return a statement that looks where the first of some items holds others."""
    kinds = (f"mp_obj_is_type({items}[0], &mp_type_{kind})" for kind in ("tuple", "list"))
    return f"if ({length} != 0 && ({' || '.join(kinds)})) {{\n{PENDING}}}\n"


def _looking(path: str, before: str, when: str = "") -> Change:
    """Return a change that looks behind a text, what begins a loop's body: always, or `when`."""
    look = f"if ({when}) {{\n{PENDING}}}\n" if when else PENDING
    return Change(path=path, before=before, after=before + "        " + look)


def _including(path: str, header: str) -> Change:
    return Change(path=path, before=header, after=header + '#include "py/runtime.h"\n')


_SPLIT = """\
                s++;
            }
            mp_obj_list_append(res, mp_obj_new_str_of_type(self_type, start, s - start));
            if (s >= top) {
                break;
            }
            s += sep_len;
"""
_RSPLIT = "                s--;\n            }\n            if (s < beg || splits == 0) {\n"
_FIND = "            if (memcmp(&haystack[str_index], needle, nlen) == 0) {\n"
_COUNT = "        if (memcmp(haystack_ptr, needle, needle_len) == 0) {\n"
_LATER = "    while ((mp_uint_t)mday > timeutils_days_in_month(year, month)) {\n"
_NUMBER = "        mp_obj_t o_out = MP_OBJ_NEW_SMALL_INT(o->cur);\n        o->cur += o->step;\n"
_NEXT = """\
mp_obj_t mp_iternext(mp_obj_t o_in) {
    mp_cstack_check(); // enumerate, filter, map and zip can recursively call mp_iternext
    const mp_obj_type_t *type = mp_obj_get_type(o_in);
    if (TYPE_HAS_ITERNEXT(type)) {
        MP_STATE_THREAD(stop_iteration_arg) = MP_OBJ_NULL;
        return type_get_iternext(type)(o_in);
    } else {
"""
_ITEM = "static mp_obj_t it_iternext(mp_obj_t self_in) {\n"
_LONG = "    bool is_long = tail - head > 64;\n"
_SORT = "        mp_obj_t *h = head - 1;\n        mp_obj_t *t = tail;\n"
_CHARACTERS = "    for (; cur < top; ++cur) { // " + 3 * "X" + " UTF8 next char\n"
_DIGITS = "    do {\n        mpz_dig_t *d = dig + ilen;\n"

ENDLESS_CHANGES = (
    # Iterators that have no end but in C.
    Change(path="py/objrange.c", before=_NUMBER, after="        " + PENDING + _NUMBER),
    _looking("py/runtime.c", _NEXT),
    _looking("py/objgetitemiter.c", _ITEM),
    Change(path="py/objlist.c", before=_SORT, after="    " + _LONG + _SORT),
    *(
        Change(
            path="py/objlist.c",
            before=f"do {{{step}",
            after=f"do {{\nif (is_long) {{\n{PENDING}}}\n{step}",
        )
        for step in ("++h;", "--t;")
    ),
    # Numbers of more than some hundred bits.
    _including("py/mpz.c", '#include "py/mpz.h"\n'),
    _looking("py/mpz.c", "    for (; klen > 0; --klen, ++idig, ++kdig) {\n", "klen % 32 == 0"),
    _looking("py/mpz.c", "    while (*num_len > den_len) {\n", "*num_len % 32 == 0"),
    _looking("py/mpz.c", _CHARACTERS, "(top - cur) % 64 == 0"),
    _looking("py/mpz.c", _DIGITS, "(s - str) % 64 == 63"),
    # Texts and bytes, where what is looked for is no short one.
    *(
        Change(
            path="py/objstr.c",
            before=before,
            after=f"if ({length} >= 32) {{\n{PENDING}}}\n{before}",
        )
        for before, length in (
            (_FIND, "nlen"), (_COUNT, "needle_len"), (_SPLIT, "sep_len"), (_RSPLIT, "sep_len"),
        )
    ),
    # Patterns that never end, and dates far away.
    _looking("lib/re1.5/recursiveloop.c", "\tre1_5_stack_chk();\n"),
    _including("shared/timeutils/timeutils.c", '#include "py/obj.h"\n'),
    _looking("shared/timeutils/timeutils.c", "    while (mday < 1) {\n"),
    _looking("shared/timeutils/timeutils.c", _LATER),
)  # fmt: skip
"""What `hardening.CHANGES` has among others. C that calls itself looks as well: `reentry`."""
