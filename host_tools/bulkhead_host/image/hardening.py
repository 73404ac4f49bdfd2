"""What an image changes in MicroPython's sources: Python reaches Python objects alone.

MicroPython trusts the program it runs. Its `struct` and `array` make an object of any address, by
type codes that no setting removes; lengths that wrap around, or that an object lies about, make
buffers larger than their memory; a stream that is written in Python gets a view of memory that
is gone when it returns. A service has all of these without an import that anybody judges. What
keeps a callback asks first whether it may (`callbacks.py`).

Each change is a text and what takes its place, in a copy of the sources that a build folder keeps:
the cached tree stays as it was unpacked. A text that is not there as often as it should be stops
the build: another version of MicroPython has to be looked at.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import folder_whole, read_text, write_whole
from bulkhead_host.image.callbacks import CALLBACK_CHANGES
from bulkhead_host.image.change import Change
from bulkhead_host.image.endless import ENDLESS_CHANGES
from bulkhead_host.image.held_pins import HELD_PIN_CHANGES
from bulkhead_host.image.names import NAME_CHANGES
from bulkhead_host.image.processor_faults import PROCESSOR_FAULT_CHANGES
from bulkhead_host.image.program_input import PROGRAM_INPUT_CHANGES
from bulkhead_host.image.reentry import REENTRY_CHANGES
from bulkhead_host.image.scheduler import SCHEDULER_CHANGES
from bulkhead_host.image.socket_room import SOCKET_ROOM_CHANGES
from bulkhead_host.image.usb_events import USB_EVENT_CHANGES

_CODES = """\
                case 'P':
                case 'O':
                case 'S':
"""
_GLOBALS = """\
    if (attr == MP_QSTR___globals__) {
        mp_obj_fun_bc_t *self = MP_OBJ_TO_PTR(self_in);
        dest[0] = MP_OBJ_FROM_PTR(self->context->module.globals);
    }
"""
# A function called with other globals: a copy of it is, so that nobody else sees them.
_PIO_HEADERS = '#include "drivers/dht/dht.h"\n#include "modrp2.h"\n'
_PIO_TABLE = "static const mp_rom_map_elem_t rp2_module_globals_table[] = {\n"
_PIO_CALL = """\
static mp_obj_t rp2_call_with_globals(mp_obj_t fun_in, mp_obj_t globals_in) {
    if (!mp_obj_is_type(fun_in, &mp_type_fun_bc) || !mp_obj_is_type(globals_in, &mp_type_dict)) {
        mp_raise_TypeError(NULL);
    }
    mp_obj_fun_bc_t *fun = MP_OBJ_TO_PTR(fun_in);
    size_t bytes = gc_nbytes(fun);
    mp_module_context_t *context = m_new_obj(mp_module_context_t);
    *context = *fun->context;
    context->module.globals = MP_OBJ_TO_PTR(globals_in);
    mp_obj_fun_bc_t *copy = (mp_obj_fun_bc_t *)m_new(byte, bytes);
    memcpy(copy, fun, bytes);
    copy->context = context;
    return mp_call_function_0(MP_OBJ_FROM_PTR(copy));
}
static MP_DEFINE_CONST_FUN_OBJ_2(rp2_call_with_globals_obj, rp2_call_with_globals);

"""
_PIO_ENTRY = (
    "    { MP_ROM_QSTR(MP_QSTR__call_with_globals), MP_ROM_PTR(&rp2_call_with_globals_obj) },\n"
)
# As it comes, and with names of its own for the function instead of a module that is emptied.
_PIO_IMPORT = "from _rp2 import *\n"
_PIO_NAMES = """\
        gl = f.__globals__
        old_gl = gl.copy()
        gl.clear()

        gl.update(_pio_funcs)
"""
_PIO_PASSES = """\
        emit.start_pass(0)
        f()

        emit.start_pass(1)
        f()

        gl.clear()
        gl.update(old_gl)

"""
_PIO_PASSES_APART = """\
        emit.start_pass(0)
        _call_with_globals(f, gl)

        emit.start_pass(1)
        _call_with_globals(f, gl)

"""
# Raises MemoryError where a product of two sizes would wrap around.
_FAIL = "MP_NORETURN void m_malloc_fail(size_t num_bytes);\n"
_TIMES = """\

static inline size_t mp_times(size_t length, size_t times) {
    if (length != 0 && times > ((size_t)-1 >> 4) / length) {
        m_malloc_fail((size_t)-1);
    }
    return length * times;
}
"""
# The old memory is left to the collector: a memoryview may look at it.
_GROW = """\
static void *array_grown(void *items, size_t bytes, size_t bytes_wanted) {
    byte *same = m_renew_maybe(byte, items, bytes, bytes_wanted, false);
    if (same != NULL) {
        return same;
    }
    byte *grown = m_new(byte, bytes_wanted);
    memcpy(grown, items, bytes);
    return grown;
}

"""
_ITERATOR = "static mp_obj_t array_iterator_new(mp_obj_t array_in, mp_obj_iter_buf_t *iter_buf);\n"
_BUILTIN = '#include "py/builtin.h"\n'
_VIEW = """\
    mp_obj_array_t ar = {{&mp_type_bytearray}, BYTEARRAY_TYPECODE, 0, size, buf};
    dest[2] = MP_OBJ_FROM_PTR(&ar);
"""
# In an interrupt the heap is locked, and what is there is no service, the hard drivers aside.
_COPY = """\
    bool is_locked = gc_is_locked();
    mp_obj_array_t view = {{&mp_type_bytearray}, BYTEARRAY_TYPECODE, 0, size, buf};
    mp_obj_array_t *ar = is_locked ? &view : MP_OBJ_TO_PTR(mp_obj_new_bytearray(size, buf));
    dest[2] = MP_OBJ_FROM_PTR(ar);
"""
_READ = """\
    mp_int_t ret = mp_obj_get_int(ret_obj);
    if (ret >= 0) {
        return ret;
    } else {
        *errcode = -ret;
        return MP_STREAM_ERROR;
    }
}
static mp_uint_t iobase_read(
"""
_COPIED = """\
    mp_int_t ret = mp_obj_get_int(ret_obj);
    if (ret > (mp_int_t)size || (qst == MP_QSTR_readinto && ret > (mp_int_t)ar->len)) {
        mp_raise_ValueError(NULL);
    }
    if (qst == MP_QSTR_readinto && ret > 0 && !is_locked) {
        memcpy(buf, ar->items, ret);
    }
    if (ret >= 0) {
        return ret;
    } else {
        *errcode = -ret;
        return MP_STREAM_ERROR;
    }
}
static mp_uint_t iobase_read(
"""

STACK_BYTES = 20 * 1024
"""What `firmware/port/rp2_stack.py` shares out. MicroPython's own is 8 KB."""

CHANGES = (
    # Type codes of objects, strings and pointers by their address.
    Change(path="py/binary.c", before=_CODES, after="", times=2),
    # A count, or a sum of sizes, that wraps around.
    Change(
        path="py/modstruct.c",
        before="            cnt = get_fmt_num(&fmt);\n        }\n\n        if (*fmt == 'x') {\n"
        "            size += cnt;\n",
        after="            cnt = get_fmt_num(&fmt);\n        }\n"
        "        if (cnt > 0x1ffff || size > 0xffffff) {\n"
        '            mp_raise_ValueError(MP_ERROR_TEXT("buffer too small"));\n        }\n\n'
        "        if (*fmt == 'x') {\n            size += cnt;\n",
    ),
    # An array that is larger than its memory: by its length, or by what its items say it is.
    Change(path="py/misc.h", before=_FAIL, after=_FAIL + _TIMES),
    Change(
        path="py/objarray.c",
        before="o->items = m_new(byte, typecode_size * o->len);",
        after="o->items = m_new(byte, mp_times(typecode_size, o->len));",
    ),
    Change(
        path="py/objarray.c",
        before="            mp_binary_set_val_array(typecode, array->items, i++,",
        after="            if (i == array->len) {\n                mp_raise_ValueError(NULL);\n"
        "            }\n            mp_binary_set_val_array(typecode, array->items, i++,",
    ),
    Change(
        path="py/objlist.c", before="list_new(o->len * n)", after="list_new(mp_times(o->len, n))"
    ),
    Change(
        path="py/objtuple.c",
        before="mp_obj_new_tuple(o->len * n, NULL)",
        after="mp_obj_new_tuple(mp_times(o->len, n), NULL)",
    ),
    Change(
        path="py/objstr.c",
        before="vstr_init_len(&vstr, lhs_len * n)",
        after="vstr_init_len(&vstr, mp_times(lhs_len, n))",
    ),
    # A memoryview of an array that has grown since.
    Change(path="py/objarray.c", before=_ITERATOR, after=_GROW + _ITERATOR),
    Change(
        path="py/objarray.c",
        before="items = m_renew(byte, ",
        after="items = array_grown(",
        times=3,
    ),
    # A stream written in Python: what it is given is its own, and it cannot have read more.
    Change(path="py/modio.c", before=_BUILTIN, after=_BUILTIN + '#include "py/gc.h"\n'),
    Change(path="py/modio.c", before=_VIEW, after=_COPY),
    Change(path="py/modio.c", before=_READ.rstrip(), after=_COPIED.rstrip()),
    # A soft reset takes the interrupts away, and so whoever serves them: outputs are safe before.
    # The frozen module is found first; nothing of that name is on the file system.
    Change(
        path="ports/rp2/main.c",
        before="    soft_reset_exit:\n",
        after='    soft_reset_exit:\n        pyexec_file_if_exists("bulkhead_end.py");\n',
    ),
    # A stack of STACK_BYTES: its upper part is the scratch banks, below are the last of the heap.
    Change(
        path="ports/rp2/memmap_mp_rp2040.ld",
        before="__GcHeapEnd = ORIGIN(RAM) + LENGTH(RAM);",
        after=f"__GcHeapEnd = ORIGIN(SCRATCH_Y) + LENGTH(SCRATCH_Y) - {STACK_BYTES};",
    ),
    Change(
        path="ports/rp2/memmap_mp_rp2040.ld",
        before="__StackBottom = __StackTop - SIZEOF(.stack_dummy);",
        after=f"__StackBottom = __StackTop - {STACK_BYTES};",
    ),
    # The globals of a function: those of the module that it is of, and all that imports.
    Change(path="py/objfun.c", before=_GLOBALS, after=""),
    # What `rp2.asm_pio` had of them: it calls the function that is assembled with its own names.
    Change(
        path="ports/rp2/modrp2.c",
        before=_PIO_HEADERS,
        after='#include <string.h>\n#include "py/gc.h"\n#include "py/objfun.h"\n' + _PIO_HEADERS,
    ),
    Change(
        path="ports/rp2/modrp2.c", before=_PIO_TABLE, after=_PIO_CALL + _PIO_TABLE + _PIO_ENTRY
    ),
    Change(
        path="ports/rp2/modules/rp2.py",
        before=_PIO_IMPORT,
        after=_PIO_IMPORT + "from _rp2 import _call_with_globals\n",
    ),
    Change(
        path="ports/rp2/modules/rp2.py",
        before=_PIO_NAMES,
        after="        gl = dict(_pio_funcs)\n",
    ),
    Change(path="ports/rp2/modules/rp2.py", before=_PIO_PASSES, after=_PIO_PASSES_APART),
    # Who sets a callback is judged.
    *CALLBACK_CHANGES,
    *SCHEDULER_CHANGES,
    # Code of a program in the midst of C, and C that calls itself.
    *REENTRY_CHANGES,
    *ENDLESS_CHANGES,
    # Names, which are kept for good.
    *NAME_CHANGES,
    # What a dead service drove, whoever sets it up.
    *HELD_PIN_CHANGES,
    *PROCESSOR_FAULT_CHANGES,
    # A host that opens the port while nobody looks.
    *USB_EVENT_CHANGES,
    # A program that reads all that the host sends.
    *PROGRAM_INPUT_CHANGES,
)

# lwIP's timers stand still on this port until a link is up, and PPP brings its link up by them:
# what is lost on the way would never be sent again.
_LINK_UP = """\
    if (reason == LWIP_NSC_LINK_CHANGED && args->link_changed.state
        && mp_network_soft_timer.mode"""
_LINK_THERE = """\
    if ((reason == LWIP_NSC_NETIF_ADDED
         || (reason == LWIP_NSC_LINK_CHANGED && args->link_changed.state))
        && mp_network_soft_timer.mode"""
# PPP sets a callback of its own on the UART, which is not the owner's to be judged, and takes the
# place of the line's.
_WITH_CALLBACK = """\
    // Enable UART IRQ to call PPP.poll() when incoming data is ready.
"""
_WITHOUT_CALLBACK = """\
    // Disable UART IRQ.
"""
_PPP = "extmod/network_ppp_lwip.c"
_NOTHING = "    return;\n"
# A UART's read waits for as many bytes as it is asked for while they come: PPP's poll did not
# return before the peer made a pause, and a stream had who called it killed for its budget.
_WHILE_IT_COMES = """\
    while (stream != mp_const_none) {
        uint8_t buf[256];
        int err;
        mp_uint_t len = mp_stream_rw(stream, buf, sizeof(buf), &err, 0);
        if (len == 0) {
            break;
        }
"""
_WHAT_HAS_COME = """\
    mp_int_t left = stream == mp_const_none ? 0 : INT_MAX;
    mp_obj_t any[2] = {MP_OBJ_NULL, MP_OBJ_NULL};
    if (left) {
        mp_load_method_maybe(stream, MP_QSTR_any, any);
    }
    if (any[0] != MP_OBJ_NULL) {
        left = mp_obj_get_int(mp_call_method_n_kw(0, 0, any));
    }
    while (left > 0) {
        uint8_t buf[256];
        int err;
        mp_uint_t len = mp_stream_rw(stream, buf, MIN(sizeof(buf), (size_t)left), &err, 0);
        if (len == 0) {
            break;
        }
        left -= len;
"""
CHANGES_OF = {
    "lwip": (
        Change(path="ports/rp2/mpnetworkport.c", before=_LINK_UP, after=_LINK_THERE),
        Change(
            path="ports/rp2/mpnetworkport.c",
            before="            if (netif->flags & NETIF_FLAG_LINK_UP) {",
            after="            if (netif != NULL) {",
        ),
        Change(path=_PPP, before=_WITH_CALLBACK, after=_WITH_CALLBACK + _NOTHING),
        Change(path=_PPP, before=_WITHOUT_CALLBACK, after=_WITHOUT_CALLBACK + _NOTHING),
        Change(path=_PPP, before=_WHILE_IT_COMES, after=_WHAT_HAS_COME),
        *SOCKET_ROOM_CHANGES,
    )
}
"""What is changed where MicroPython is built with a library."""


# MicroPython 1.26 means these three to be in RAM. Its objects are called .o, so that none is.
_IN_RAM = " *gc.c.obj *vm.c.obj *parse.c.obj"


def put_into_ram(sources: Sequence[str], *, chip: str) -> tuple[Change, ...]:
    """Return what has the code of C files be copied into RAM at boot, `py/vm.c`.

    The linker's script has all code in RAM that it does not put into flash.
    """
    if not sources:
        return ()
    objects = "".join(f" *micropython/{source}.o" for source in sources)
    script = f"ports/rp2/memmap_mp_{chip}.ld"
    return (Change(path=script, before=_IN_RAM, after=objects),)


def hardened(
    micropython: Path,
    folder: Path,
    *,
    changes: Sequence[Change] = CHANGES,
    additions: Mapping[str, Path] = MappingProxyType({}),
) -> Path:
    """Return `folder`, a copy of MicroPython's tree with all changes made: made once, by links.

    `additions` are folders that are put into the copy: where, and from where. Raises
    `BulkheadError` where MicroPython is another than the changes were written for.
    """
    if folder.exists():
        return folder
    changed: dict[str, str] = {}
    for change in changes:
        text = changed.get(change.path) or read_text(micropython / change.path)
        if text.count(change.before) != change.times:
            raise BulkheadError(
                f"MicroPython's {change.path} is not what this version of Bulkhead changes: "
                f"{change.before.strip().splitlines()[0]}",
                "take the official image: bulkhead build --official",
            )
        changed[change.path] = text.replace(change.before, change.after)
    with folder_whole(folder) as made:
        for source, target in (
            (micropython, made),
            *((d, made / n) for n, d in additions.items()),
        ):
            shutil.copytree(
                source, target, copy_function=_linked, dirs_exist_ok=True, symlinks=True
            )
        for path, text in changed.items():
            (made / path).unlink()
            write_whole(made / path, text.encode())
    return folder


def _linked(source: str, target: str) -> None:
    """Link a file, or copy it where it is on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
