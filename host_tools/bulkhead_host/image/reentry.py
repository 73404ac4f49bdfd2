"""What an image changes in MicroPython so that C that a program calls stays within its memory.

Three things lead C astray, and all are a few lines of Python without an import. Code of the
program that runs in the midst of C, as the `__int__` of an index, the `__eq__` of a key or the
`__lt__` of what is sorted, changes the list or dictionary that C is at work on, whose memory C
knows by an address that is another's by now. C that calls itself, as for two lists that hold each
other, uses up the stack without asking. And an object is taken for one that it is not: a derived
one whose built-in part is not there yet, or is beside it.

Where C's own loop goes on with what it had, the change reads it anew, or raises. An index is a
number: an object whose class has `__int__`, and does not derive from `int`, is a TypeError.
"""

from bulkhead_host.image.change import Change
from bulkhead_host.image.endless import PENDING, nested

_CHECK = "mp_cstack_check();\n"


def _checked(path: str, before: str) -> Change:
    """Return a change that looks at the stack before C calls itself."""
    return Change(path=path, before=before, after=_CHECK + before)


def _looking(path: str, before: str) -> Change:
    """Return one that looks for what is pending as well: such calls may double at each level."""
    return Change(path=path, before=before, after=_CHECK + PENDING + before)


# --- sizes: of everything that is allocated as so many times another, see `mp_times`

_SIZES = (
    ("m_malloc", "sizeof(type) * (num)", "mp_times(sizeof(type), (num))"),
    ("m_malloc_maybe", "sizeof(type) * (num)", "mp_times(sizeof(type), (num))"),
    ("m_malloc0", "sizeof(type) * (num)", "mp_times(sizeof(type), (num))"),
    ("m_realloc", "(ptr), sizeof(type) * (new_num)", "(ptr), mp_times(sizeof(type), (new_num))"),
    *(
        (
            name,
            "offsetof(obj_type, var_field) + sizeof(var_type) * (var_num)",
            "offsetof(obj_type, var_field) + mp_times(sizeof(var_type), (var_num))",
        )
        for name in ("m_malloc", "m_malloc0", "m_malloc_maybe")
    ),
)
_OF_SIZES = (
    *(
        Change(path="py/misc.h", before=f"{name}({before})", after=f"{name}({after})")
        for name, before, after in _SIZES
    ),
    # A sum of signed numbers, of which the compiler knows that it is none below zero.
    Change(path="py/objdeque.c", before="= maxlen + 1;", after="= (size_t)maxlen + 1;"),
)

# --- an index

_INDEX_DECLARED = "mp_int_t mp_obj_get_int(mp_const_obj_t arg);\n"
_GET_INDEX = (
    "size_t mp_get_index(const mp_obj_type_t *type, size_t len, mp_obj_t index, bool is_slice) {\n"
)
_PLAIN_INDEX = """\
mp_obj_t mp_obj_plain_index(mp_obj_t index) {
    if (mp_obj_is_obj(index) && mp_obj_is_instance_type(mp_obj_get_type(index))) {
        index = mp_obj_cast_to_native_base(index, MP_OBJ_FROM_PTR(&mp_type_int));
        if (index == MP_OBJ_NULL) {
            mp_raise_TypeError(MP_ERROR_TEXT("indices must be integers"));
        }
    }
    return index;
}

"""
_OF_INDICES = (
    Change(
        path="py/obj.h",
        before=_INDEX_DECLARED,
        after=_INDEX_DECLARED + "mp_obj_t mp_obj_plain_index(mp_obj_t index);\n",
    ),
    Change(path="py/obj.c", before=_GET_INDEX, after=_PLAIN_INDEX + _GET_INDEX),
    Change(
        path="py/obj.c",
        before="mp_obj_get_int_maybe(index, &i)",
        after="mp_obj_get_int_maybe(mp_obj_plain_index(index), &i)",
    ),
    *(
        Change(
            path="py/objslice.c",
            before=f"mp_obj_get_int(self->{part})",
            after=f"mp_obj_get_int(mp_obj_plain_index(self->{part}))",
            times=times,
        )
        for part, times in (("step", 1), ("start", 2), ("stop", 2))
    ),
)

# --- lists

_LIST_BINARY = "static mp_obj_t list_binary_op(mp_binary_op_t op, mp_obj_t lhs, mp_obj_t rhs) {\n"
_LIST_COMPARE = """\
// As mp_seq_cmp_objs, of lists that what compares their items may change.
static bool list_compare(mp_binary_op_t op, mp_obj_list_t *lhs, mp_obj_list_t *rhs) {
    mp_cstack_check();
    if (op == MP_BINARY_OP_EQUAL && lhs->len != rhs->len) {
        return false;
    }
    if (op == MP_BINARY_OP_LESS || op == MP_BINARY_OP_LESS_EQUAL) {
        mp_obj_list_t *other = lhs;
        lhs = rhs;
        rhs = other;
        op = op == MP_BINARY_OP_LESS ? MP_BINARY_OP_MORE : MP_BINARY_OP_MORE_EQUAL;
    }
    for (size_t i = 0; i < lhs->len && i < rhs->len; i++) {
        mp_obj_t one = lhs->items[i], another = rhs->items[i];
        if (!mp_obj_equal(one, another)) {
            return op != MP_BINARY_OP_EQUAL && mp_binary_op(op, one, another) == mp_const_true;
        }
    }
    if (op == MP_BINARY_OP_EQUAL || lhs->len != rhs->len) {
        return op == MP_BINARY_OP_EQUAL ? lhs->len == rhs->len : lhs->len > rhs->len;
    }
    return op != MP_BINARY_OP_MORE;
}

"""
_LIST_SORT = """\
        mp_quicksort(self->items, self->items + self->len - 1,
            args.key.u_obj == mp_const_none ? MP_OBJ_NULL : args.key.u_obj,
            args.reverse.u_bool ? mp_const_false : mp_const_true);
"""
# What cannot run code is sorted in place.
_LIST_SORT_COPY = """\
        size_t len = self->len;
        bool is_plain = args.key.u_obj == mp_const_none;
        for (size_t i = 0; i < len && is_plain; i++) {
            mp_obj_t item = self->items[i];
            is_plain = mp_obj_is_str_or_bytes(item) || mp_obj_is_int(item)
                || mp_obj_is_float(item);
        }
        mp_obj_t *items = self->items;
        if (!is_plain) {
            items = m_new(mp_obj_t, len);
            memcpy(items, self->items, len * sizeof(mp_obj_t));
        }
        mp_quicksort(items, items + len - 1,
            args.key.u_obj == mp_const_none ? MP_OBJ_NULL : args.key.u_obj,
            args.reverse.u_bool ? mp_const_false : mp_const_true);
        if (!is_plain) {
            if (self->len != len) {
                mp_raise_ValueError(MP_ERROR_TEXT("list modified"));
            }
            memcpy(self->items, items, len * sizeof(mp_obj_t));
            m_del(mp_obj_t, items, len);
        }
"""
_LIST_COUNT = """\
    size_t count = 0;
    for (size_t i = 0; i < self->len; i++) {
        if (mp_obj_equal(self->items[i], value)) {
            count++;
        }
    }
    return MP_OBJ_NEW_SMALL_INT(count);
"""
_LIST_INDEX = """\
    size_t start = 0, stop = self->len;
    if (n_args >= 3) {
        start = mp_get_index(self->base.type, self->len, args[2], true);
    }
    if (n_args >= 4) {
        stop = mp_get_index(self->base.type, self->len, args[3], true);
    }
    for (size_t i = start; i < stop && i < self->len; i++) {
        if (mp_obj_equal(self->items[i], args[1])) {
            return MP_OBJ_NEW_SMALL_INT(i);
        }
    }
    mp_raise_ValueError(MP_ERROR_TEXT("object not in sequence"));
"""
_HEAP_SIFT = (
    "static void heapq_heap_siftdown(mp_obj_list_t *heap, mp_uint_t start_pos, mp_uint_t pos) {\n"
)
_HEAP_LESS = """\
static mp_obj_t heapq_less(mp_obj_list_t *heap, mp_obj_t lhs, mp_obj_t rhs) {
    size_t len = heap->len;
    mp_obj_t is_less = mp_binary_op(MP_BINARY_OP_LESS, lhs, rhs);
    if (heap->len != len) {
        mp_raise_ValueError(MP_ERROR_TEXT("list modified"));
    }
    return is_less;
}

"""
_STACK_HEADER = '#include "py/cstack.h"\n'
_OF_LISTS = (
    Change(
        path="py/objlist.c", before=_STACK_HEADER, after=_STACK_HEADER + '#include "py/objstr.h"\n'
    ),
    Change(path="py/objlist.c", before=_LIST_BINARY, after=_LIST_COMPARE + _LIST_BINARY),
    Change(
        path="py/objlist.c",
        before="mp_seq_cmp_objs(op, o->items, o->len, another->items, another->len)",
        after="list_compare(op, o, another)",
    ),
    Change(path="py/objlist.c", before=_LIST_SORT, after=_LIST_SORT_COPY),
    Change(
        path="py/objlist.c",
        before="    return mp_seq_count_obj(self->items, self->len, value);\n",
        after=_LIST_COUNT,
    ),
    Change(
        path="py/objlist.c",
        before="    return mp_seq_index_obj(self->items, self->len, n_args, args);\n",
        after=_LIST_INDEX,
    ),
    Change(
        path="extmod/modheapq.c", before="mp_binary_op(MP_BINARY_OP_LESS, ",
        after="heapq_less(heap, ", times=2,
    ),
    Change(path="extmod/modheapq.c", before=_HEAP_SIFT, after=_HEAP_LESS + _HEAP_SIFT),
)  # fmt: skip

# --- dictionaries and sets

_MAP_LOOKUP = "mp_map_elem_t *MICROPY_WRAP_MP_MAP_LOOKUP(mp_map_lookup)("
_MAP_SAME = """\
static MP_NORETURN void has_changed(void) {
    mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("dict or set modified"));
}

static bool map_same(mp_map_t *map, mp_map_elem_t *slot, mp_obj_t index) {
    mp_map_elem_t *table = map->table;
    size_t alloc = map->alloc, used = map->used;
    mp_obj_t key = slot->key;
    bool is_same = mp_obj_equal(key, index);
    if (map->table != table || map->alloc != alloc || map->used != used || slot->key != key) {
        has_changed();
    }
    return is_same;
}

"""
_SET_LOOKUP = (
    "mp_obj_t mp_set_lookup(mp_set_t *set, mp_obj_t index, mp_map_lookup_kind_t lookup_kind) {\n"
)
_SET_SAME = """\
static bool set_same(mp_set_t *set, size_t pos, mp_obj_t elem, mp_obj_t index) {
    mp_obj_t *table = set->table;
    size_t alloc = set->alloc, used = set->used;
    bool is_same = mp_obj_equal(elem, index);
    if (set->table != table || set->alloc != alloc || set->used != used || table[pos] != elem) {
        has_changed();
    }
    return is_same;
}

"""
_CLEARED = "    if ({0}->alloc == 0) {{\n        has_changed();\n    }}\n"
_ORDERED = "if (!mp_obj_equal(e1->key, e2->key) || !mp_obj_equal(e1->value, e2->value)) {"
_UNORDERED = """\
                    mp_map_elem_t *elem = mp_map_lookup(&rhs->map, next->key, MP_MAP_LOOKUP);
                    if (elem == NULL || !mp_obj_equal(next->value, elem->value)) {
"""
_UPDATED = (
    "mp_map_lookup(&self->map, elem->key, MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)->value = elem->value;"
)
_OF_TABLES = (
    Change(path="py/map.c", before=_MAP_LOOKUP, after=_MAP_SAME + _MAP_LOOKUP),
    *(
        Change(
            path="py/map.c", before=f"mp_obj_equal({slot}->key, index)",
            after=f"map_same(map, {slot}, index)",
        )
        for slot in ("elem", "slot")
    ),
    Change(path="py/map.c", before=_SET_LOOKUP, after=_SET_SAME + _SET_LOOKUP),
    Change(
        path="py/map.c", before="} else if (mp_obj_equal(elem, index)) {",
        after="} else if (set_same(set, pos, elem, index)) {",
    ),
    *(
        Change(
            path="py/map.c", before=f"    size_t pos = hash % {table}->alloc;\n",
            after=_CLEARED.format(table) + f"    size_t pos = hash % {table}->alloc;\n",
        )
        for table in ("map", "set")
    ),
    # What prints or compares a key may change the dictionary: the value is read before.
    Change(
        path="py/objdict.c", before="        bool add_quote = ",
        after="        mp_obj_t value = next->value;\n        bool add_quote = ",
    ),
    Change(
        path="py/objdict.c", before="mp_obj_print_helper(print, next->value, kind);",
        after="mp_obj_print_helper(print, value, kind);",
    ),
    Change(
        path="py/objdict.c", before=_ORDERED,
        after="mp_obj_t one = e1->value, another = e2->value;\n                    "
        "if (!mp_obj_equal(e1->key, e2->key) || !mp_obj_equal(one, another)) {",
    ),
    Change(
        path="py/objdict.c", before=_UNORDERED,
        after="                    mp_obj_t value = next->value;\n"
        + _UNORDERED.replace("next->value", "value"),
    ),
    Change(
        path="py/objdict.c", before=_UPDATED,
        after="mp_obj_t value = elem->value;\n                    "
        + _UPDATED.replace("elem->value;", "value;"),
    ),
)  # fmt: skip

# --- arrays

_APPEND_GROWS = """\
    if (self->free == 0) {
        size_t item_sz = mp_binary_get_size('@', self->typecode, NULL);
"""
# What makes a number of it may append as well: so that is done before there is room.
_APPEND_NUMBER = """\
    if (mp_obj_is_obj(arg) && (mp_obj_get_type(arg)->flags & MP_TYPE_FLAG_INSTANCE_TYPE)) {
        bool is_float = self->typecode == 'f' || self->typecode == 'd';
        arg = is_float ? mp_obj_new_float(mp_obj_get_float(arg)) : mp_obj_new_int(mp_obj_get_int(arg));
    }
"""  # noqa: E501
_OF_ARRAYS = (
    Change(
        path="py/objarray.c", before=_APPEND_GROWS, after=_APPEND_NUMBER + _APPEND_GROWS
    ),
)  # fmt: skip

# --- C that calls itself

_COMPARE = (
    "bool mp_seq_cmp_objs(mp_uint_t op, const mp_obj_t *items1, size_t len1, "
    "const mp_obj_t *items2, size_t len2) {\n"
)
_CALL = (
    "    mp_obj_t call = mp_obj_instance_get_call(self_in, member);\n    if (call == MP_OBJ_NULL)"
)
_COMPILE = """\
static const char *_compilecode(const char *re, ByteProg *prog, int sizecode)
{
"""
_HASH = "            // start hash with pointer to empty tuple"
_RECURSIONS = (
    Change(
        path="py/sequence.c", before=_COMPARE,
        after=_COMPARE + _CHECK + nested("len1", "items1"),
    ),
    _looking("py/objdict.c", "            #if MICROPY_PY_COLLECTIONS_ORDEREDDICT\n"
             "            if (MP_UNLIKELY(mp_obj_is_type(lhs_in"),
    Change(path="py/objtuple.c", before=_HASH,
           after=_CHECK + nested("self->len", "self->items") + _HASH),
    _looking("py/objset.c", "                // start hash with unique value\n"),
    _looking("py/objtype.c", "count += instance_count_native_bases(bt, last_native_base);"),
    _looking("py/objtype.c", "mp_obj_class_lookup(lookup, bt);"),
    _looking("py/objtype.c", "if (mp_obj_is_subclass_fast(*item, classinfo)) {"),
    _checked("py/objtype.c", _CALL),
    _checked("py/objtype.c", "    // look for __new__ function\n"),
    Change(
        path="lib/re1.5/compilecode.c", before=_COMPILE,
        after=_COMPILE + "    re1_5_stack_chk();\n",
    ),
    *(
        Change(
            path="extmod/moddeflate.c",
            before=f"!deflateio_init_{way}(self)) {{",
            after=f"(mp_cstack_check(), !deflateio_init_{way}(self))) {{",
        )
        for way in ("read", "write")
    ),
)  # fmt: skip

# --- what an object is taken for

_SUPER = """\
        .obj = MP_OBJ_TO_PTR(self->obj),
        .attr = attr,
        .slot_offset = 0,
        .dest = dest,
        .is_type = false,
"""
_BUFFER = "        return MP_OBJ_TYPE_GET_SLOT(type, buffer)(self->subobj[0], bufinfo, flags);\n"
_ITERATOR = "            if (iter_buf == NULL) {\n                iter_buf = m_new_obj("
_PROTOCOL = "    const void *base_protocol = NULL;\n    if (bases_len > 0) {\n"
_OF_TYPES = (
    # A class is no object of itself, and has no built-in part.
    Change(
        path="py/objtype.c", before=_SUPER,
        after=_SUPER.replace("false", "mp_obj_is_type(self->obj, &mp_type_type)"),
    ),
    Change(
        path="py/objtype.c", before="if (attr == MP_QSTR___init__) {\n        lookup.slot_offset",
        after="if (attr == MP_QSTR___init__ && !lookup.is_type) {\n        lookup.slot_offset",
    ),
    # The built-in part is not there before its `__init__` has run.
    Change(
        path="py/objtype.c", before=_BUFFER,
        after="        if (!MP_OBJ_TYPE_HAS_SLOT(type, buffer)) {\n            return 1;\n"
        "        }\n" + _BUFFER,
    ),
    Change(
        path="py/objtype.c", before=_ITERATOR,
        after="            if (!MP_OBJ_TYPE_HAS_SLOT(type, iter)) {\n"
        "                return MP_OBJ_NULL;\n            }\n" + _ITERATOR,
    ),
    # The functions of a stream, or a pin, would take the derived object for the built-in one.
    Change(
        path="py/objtype.c", before=_PROTOCOL,
        after=_PROTOCOL.replace(
            "bases_len > 0",
            "bases_len > 0 && (bases_items[0] == MP_OBJ_FROM_PTR(&mp_type_iobase)\n"
            "        || mp_obj_is_instance_type((mp_obj_type_t *)MP_OBJ_TO_PTR(bases_items[0])))",
        ),
    ),
    Change(
        path="py/objtype.h", before="#define mp_obj_is_instance_type(type)",
        after="extern const mp_obj_type_t mp_type_iobase;\n#define mp_obj_is_instance_type(type)",
    ),
    Change(
        path="py/modio.c", before="static const mp_obj_type_t mp_type_iobase;\n",
        after="extern const mp_obj_type_t mp_type_iobase;\n",
    ),
    Change(
        path="py/modio.c", before="static MP_DEFINE_CONST_OBJ_TYPE(\n    mp_type_iobase,",
        after="MP_DEFINE_CONST_OBJ_TYPE(\n    mp_type_iobase,",
    ),
    # A class of characters that ends with its text.
    Change(
        path="lib/re1.5/compilecode.c",
        before="                    re += 2;\n                }\n            emit_char_pair:",
        after="                    re += 2;\n                    if (!*re) return NULL;\n"
        "                }\n            emit_char_pair:",
    ),
)  # fmt: skip

REENTRY_CHANGES = (
    *_OF_SIZES, *_OF_INDICES, *_OF_LISTS, *_OF_TABLES, *_OF_ARRAYS, *_RECURSIONS, *_OF_TYPES,
)  # fmt: skip
"""What `hardening.CHANGES` has among others."""
