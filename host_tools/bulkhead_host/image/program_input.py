"""What an image changes so that a program that reads the console's input leaves others theirs.

The input of the RP2040's console is for whoever reads. A program that reads all the time would
take the frames of the link, and a Ctrl-C, before the console's driver looks: no host could reach
the board again. So a program waits while a Ctrl-C or a frame is next, which the driver takes; a
mark that no frame follows in 100 ms is the program's. MicroPython's interrupt character tells that
a program is the guest (`port/rp2.py`): one that chooses another, by `micropython.kbd_intr`, gets
every byte that it reads before the driver looks, each 16 ms; but no callback takes a Ctrl-C.
"""

from bulkhead_host.image.change import Change

_PATH = "ports/rp2/mphalport.c"
_POLL = "uintptr_t mp_hal_stdio_poll(uintptr_t poll_flags) {\n"
_WAITS = """\
#define GUEST_PROGRAM (-2) // what mp_interrupt_char is then
#define FRAME_MARK (0x1e)
#define FRAME_BEGINS_MS (100)

static bool stdin_in_frame; // its driver has taken the mark, and not yet the end
static bool stdin_is_timed;
static mp_uint_t stdin_since_ms;

// Whether something waits that is for who reads.
bool mp_hal_stdin_waits(void) {
    int c = ringbuf_peek(&stdin_ringbuf);
    if (c == -1 || !mp_sched_is_program()) {
        return c != -1;
    }
    if (c == 3) {
        return false;
    }
    if (mp_interrupt_char != GUEST_PROGRAM || (c != FRAME_MARK && !stdin_in_frame)) {
        return true;
    }
    if (!stdin_is_timed) {
        stdin_is_timed = true;
        stdin_since_ms = mp_hal_ticks_ms();
    }
    if (mp_hal_ticks_ms() - stdin_since_ms < FRAME_BEGINS_MS) {
        return false;
    }
    stdin_in_frame = false;
    if (c == FRAME_MARK) {
        for (size_t at = stdin_ringbuf.iget; at != stdin_ringbuf.iput;) {
            if (stdin_ringbuf.buf[at] == '\\n') {
                return false;
            }
            at = at + 1 == stdin_ringbuf.size ? 0 : at + 1;
        }
    }
    return true;
}

static int stdin_get(void) {
    int c = ringbuf_get(&stdin_ringbuf);
    stdin_is_timed = false;
    if (!mp_sched_is_program()) {
        stdin_in_frame = c == FRAME_MARK || (stdin_in_frame && c != '\\n' && c != 3);
    }
    return c;
}

"""
_GET = """\
        int c = ringbuf_get(&stdin_ringbuf);
        if (c != -1) {
            return c;
        }
"""
_GET_OWN = """\
        if (mp_hal_stdin_waits()) {
            return stdin_get();
        }
"""
_WAIT = """\
            return dupterm_c;
        }
        #endif
        mp_event_wait_indefinite();
"""
_WAIT_FOR_DRIVER = """\
            return dupterm_c;
        }
        #endif
        if (ringbuf_peek(&stdin_ringbuf) != -1) {
            mp_event_wait_ms(1);
        } else {
            mp_event_wait_indefinite();
        }
"""
_RING = "extern ringbuf_t stdin_ringbuf;\n"

PROGRAM_INPUT_CHANGES = (
    Change(path=_PATH, before=_POLL, after=_WAITS + _POLL),
    Change(path=_PATH, before=_GET, after=_GET_OWN),
    Change(path=_PATH, before=_WAIT, after=_WAIT_FOR_DRIVER),
    Change(
        path="ports/rp2/mphalport.h",
        before=_RING,
        after=_RING + "bool mp_hal_stdin_waits(void);\n",
    ),
    Change(
        path="shared/tinyusb/mp_usbd_cdc.c",
        before="(poll_flags & MP_STREAM_POLL_RD) && ringbuf_peek(&stdin_ringbuf) != -1",
        after="(poll_flags & MP_STREAM_POLL_RD) && mp_hal_stdin_waits()",
    ),
)
"""What `hardening.CHANGES` has among others."""
