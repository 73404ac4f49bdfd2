"""What an image changes in TinyUSB so that no event of the USB port is lost.

A host that opens the port has MicroPython ask for an interrupt each frame, for 16 ms and until
they are looked at. Each puts an event into a queue of 16. Where nobody looks for that long, as
while garbage is collected or compiled code runs, the queue is full, and the event that an endpoint
has received something is dropped: TinyUSB waits for it for ever, and the board hears no key, no
Ctrl-C and no frame until it is reset. So one frame at most is in the queue; what else there is,
one event an endpoint and the host's requests, has room.
"""

from bulkhead_host.image.change import Change

_PATH = "lib/tinyusb/src/device/usbd.c"
_QUEUE = "tu_static osal_queue_t _usbd_q;\n"
_FLAG = "tu_static bool volatile _usbd_frame_waits;\n"
_CREATED = "  _usbd_q = osal_queue_create(&_usbd_qdef);\n"
_PUT = """\
        dcd_event_t const event_sof = {.rhport = event->rhport, .event_id = DCD_EVENT_SOF, \
.sof.frame_count = event->sof.frame_count};
        queue_event(&event_sof, in_isr);
"""
_PUT_ONCE = """\
        if (!_usbd_frame_waits) {
          dcd_event_t const event_sof = {.rhport = event->rhport, .event_id = DCD_EVENT_SOF, \
.sof.frame_count = event->sof.frame_count};
          _usbd_frame_waits = queue_event(&event_sof, in_isr);
        }
"""
_TAKEN = "      case DCD_EVENT_SOF:\n        if (tu_bit_test("

USB_EVENT_CHANGES = (
    Change(path=_PATH, before=_QUEUE, after=_QUEUE + _FLAG),
    Change(path=_PATH, before=_CREATED, after=_CREATED + "  _usbd_frame_waits = false;\n"),
    Change(path=_PATH, before=_PUT, after=_PUT_ONCE),
    Change(
        path=_PATH,
        before=_TAKEN,
        after=_TAKEN.replace("        if", "        _usbd_frame_waits = false;\n        if"),
    ),
)
"""What `hardening.CHANGES` has among others."""
