"""The computer at the other end of the board's USB cable: enumeration and the serial console.

`rp2040py`'s own host answers an armed OUT endpoint at once, with zero bytes when it has none. The
firmware arms it again, and so on without end: an interrupt storm that makes everything 2.5 to 3
times slower than on silicon. A real host sends no OUT token while it has nothing to send. So does
this one: it keeps the endpoint armed and answers when there are bytes. `hold_idle_out=False`
brings the storm back, for measuring.

Prior art: `rp2040py.usb.cdc.USBCDC`, whose enumeration sequence this follows.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from rp2040py.peripherals.usb import (
    EP0_IN_BUFFER_CONTROL,
    EP15_OUT_BUFFER_CONTROL,
    INTE,
    INTR_DEV_SOF,
    SOF_RD,
    USB_BUF_CTRL_AVAILABLE,
    RPUSBController,
)
from rp2040py.usb.cdc import extract_control_interface_number, extract_endpoint_numbers
from rp2040py.usb.interfaces import (
    DataDirection,
    DescriptorType,
    ISetupPacketParams,
    SetupRecipient,
    SetupType,
)
from rp2040py.usb.setup import (
    create_setup_packet,
    get_descriptor_packet,
    set_device_address_packet,
    set_device_configuration_packet,
)

RECEIVED_BYTES_MAX = 1 << 20
"""Console output kept for a reader that does not read; older bytes are dropped."""

FRAME_NS = 1_000_000
"""A frame of full speed, by the clock of the computer that sends it."""

_FRAME_NUMBER_MASK = 0x7FF
_CONFIGURATION_HEADER_SIZE = 9
_SET_CONTROL_LINE_STATE = 0x22
_DTR_RTS = 0b11


class DeviceUsb(RPUSBController):
    """The USB controller with start-of-frame interrupts, which MicroPython uses to flush output.

    A full-speed host sends a frame every millisecond. Its number runs with the clock; the
    interrupt is made only while the firmware has it enabled, so an idle board stays idle.

    What an IN endpoint sends stays the controller's, as its buffer says, until the host has taken
    it (4.1.2.5.4). `rp2040py` gives the buffer back at once, taken or not.
    """

    def __init__(self, rp2040: Any, name: str) -> None:
        super().__init__(rp2040, name)
        self._clock = rp2040.clock
        self._frame_alarm = rp2040.clock.create_alarm(self._frame)
        self.frame_interrupts = 0
        self.frame_ns: float = FRAME_NS
        self._taken = 0
        self._unread: int | None = None
        self._untaken = False

    def set_reading(self, endpoint: int, *, is_reading: bool) -> None:
        """Take what an IN endpoint sends, or leave its next packet with it."""
        self._unread = None if is_reading else endpoint
        if is_reading and self._untaken:
            self._untaken = False
            self._indicate_buffer_ready(endpoint, False)

    def dpram_updated(self, offset: int, value: int) -> None:
        """Send or receive what the firmware has put into a buffer, or made room for."""
        taken = self._taken
        super().dpram_updated(offset, value)
        is_in = EP0_IN_BUFFER_CONTROL <= offset <= EP15_OUT_BUFFER_CONTROL and not offset & 4
        if is_in and value & USB_BUF_CTRL_AVAILABLE and self._taken == taken:
            self.rp2040.usb_dpram[offset + 1] |= USB_BUF_CTRL_AVAILABLE >> 8

    def _indicate_buffer_ready(self, endpoint: int, out: bool) -> None:
        if not out and endpoint == self._unread:
            self._untaken = True
            return
        if not out:
            self._taken += 1
            control = EP0_IN_BUFFER_CONTROL + 8 * endpoint
            self.rp2040.usb_dpram[control + 1] &= ~(USB_BUF_CTRL_AVAILABLE >> 8)
        super()._indicate_buffer_ready(endpoint, out)

    def read_uint32(self, offset: int) -> int:
        """Read a register; reading SOF_RD acknowledges the frame (RP2040 datasheet 4.1.4)."""
        if offset == SOF_RD:
            self._int_raw &= ~INTR_DEV_SOF
            self.check_interrupts()
            return int(self._clock.nanos // self.frame_ns) & _FRAME_NUMBER_MASK
        return super().read_uint32(offset)

    def write_uint32(self, offset: int, value: int) -> None:
        """Write a register; enabling the frame interrupt starts the frames."""
        was_enabled = self._int_enable & INTR_DEV_SOF
        super().write_uint32(offset, value)
        if offset == INTE and self._int_enable & INTR_DEV_SOF and not was_enabled:
            self._frame_alarm.schedule(self.frame_ns)

    def reset(self) -> None:
        """Reset the registers and stop the frames."""
        super().reset()
        self._frame_alarm.cancel()

    def _frame(self) -> None:
        if not self._int_enable & INTR_DEV_SOF:
            return
        self.frame_interrupts += 1
        self._int_raw |= INTR_DEV_SOF
        self.check_interrupts()
        self._frame_alarm.schedule(self.frame_ns)


def attach_controller(mcu: Any) -> DeviceUsb:
    """Put a `DeviceUsb` where the chip's USB controller is, and return it."""
    usb = DeviceUsb(mcu, "USB")
    for base, peripheral in mcu.peripherals.items():
        if peripheral is mcu.usb_ctrl:
            mcu.peripherals[base] = usb
            break
    mcu.usb_ctrl = usb
    return usb


@dataclass
class _Request:
    """One control transfer: its setup packet and the bytes its data stage is to bring."""

    packet: bytes | bytearray
    length: int = 0
    done: Callable[[bytes], None] | None = None


class UsbHost:
    """Enumerates the board and carries the bytes of its serial console.

    Runs inside the emulation: its methods must be called while the chip is not advancing, or
    from a callback of the chip.
    """

    def __init__(self, usb: RPUSBController, *, hold_idle_out: bool = True) -> None:
        self._usb = usb
        self._hold_idle_out = hold_idle_out
        self.is_configured = False
        self.is_terminal_attached = True
        self.dropped_bytes = 0
        self._received = bytearray()
        self._to_send = bytearray()
        self._requests: deque[_Request] = deque()
        self._answer = bytearray()
        self._armed_size: int | None = None
        self._in_endpoint = self._out_endpoint = -1
        self._interface = 0
        usb.on_usb_enabled = usb.reset_device
        usb.on_reset_received = self._enumerate
        usb.on_endpoint_write = self._on_in
        usb.on_endpoint_read = self._on_out_armed
        usb.on_reset = self._unplugged

    def write(self, data: bytes) -> None:
        """Send `data` to the board's serial console as fast as it takes it."""
        self._to_send += data
        self._deliver()

    def read(self) -> bytes:
        """Return and forget what the board has written since the last call."""
        data = bytes(self._received)
        self._received.clear()
        return data

    def take_through(self, text: bytes) -> bytes | None:
        """Return and forget the output up to and including `text`; None when it is not there."""
        end = self._received.find(text)
        if end < 0:
            return None
        taken = bytes(self._received[: end + len(text)])
        del self._received[: end + len(text)]
        return taken

    @property
    def received(self) -> bytearray:
        """What the board has written and `read` has not yet returned."""
        return self._received

    @property
    def unsent_size(self) -> int:
        """Bytes that the board has not yet taken."""
        return len(self._to_send)

    def set_terminal_attached(self, is_attached: bool) -> None:
        """Tell the board that a program has opened (DTR and RTS set) or closed its port."""
        if is_attached != self.is_terminal_attached:
            self.is_terminal_attached = is_attached
            if self.is_configured:
                self._send_line_state()

    def set_reading(self, *, is_reading: bool) -> None:
        """Read the board's console, or leave what it writes where it is, as a stopped `cat`."""
        usb = cast(DeviceUsb, self._usb)
        usb.set_reading(self._in_endpoint, is_reading=is_reading)

    # Enumeration: address, configuration descriptor, configuration, line state.

    def _enumerate(self) -> None:
        self._forget()
        header = get_descriptor_packet(DescriptorType.CONFIGRATION, _CONFIGURATION_HEADER_SIZE)
        self._request(_Request(set_device_address_packet(1)))
        self._request(_Request(header, _CONFIGURATION_HEADER_SIZE, self._on_header))

    def _on_header(self, header: bytes) -> None:
        total = int.from_bytes(header[2:4], "little")
        packet = get_descriptor_packet(DescriptorType.CONFIGRATION, total)
        self._request(_Request(packet, total, self._on_descriptors))

    def _on_descriptors(self, descriptors: bytes) -> None:
        endpoints = extract_endpoint_numbers(descriptors)
        self._in_endpoint, self._out_endpoint = endpoints.in_endpoint, endpoints.out_endpoint
        self._interface = max(extract_control_interface_number(descriptors), 0)
        self._request(_Request(set_device_configuration_packet(1), done=self._on_configured))

    def _on_configured(self, _: bytes) -> None:
        self.is_configured = True
        self._send_line_state()

    def _send_line_state(self) -> None:
        packet = create_setup_packet(
            ISetupPacketParams(
                data_direction=DataDirection.HOST_TO_DEVICE,
                type=SetupType.CLASS,
                recipient=SetupRecipient.INTERFACE,
                b_request=_SET_CONTROL_LINE_STATE,
                w_value=_DTR_RTS if self.is_terminal_attached else 0,
                w_index=self._interface,
                w_length=0,
            )
        )
        self._request(_Request(packet))

    # Transfers

    def _request(self, request: _Request) -> None:
        self._requests.append(request)
        if len(self._requests) == 1:
            self._usb.send_setup_packet(request.packet)

    def _on_in(self, endpoint: int, buffer: bytes | bytearray) -> None:
        if endpoint == 0:
            self._on_control_in(bytes(buffer))
        elif endpoint == self._in_endpoint:
            self._on_console(bytes(buffer))

    def _on_control_in(self, data: bytes) -> None:
        if not self._requests:
            return
        request = self._requests[0]
        self._answer += data
        if len(self._answer) < request.length:
            return
        answer = bytes(self._answer)
        self._answer.clear()
        self._requests.popleft()
        if self._requests:
            self._usb.send_setup_packet(self._requests[0].packet)
        if request.done is not None:
            request.done(answer)

    def _on_console(self, data: bytes) -> None:
        self._received += data
        excess = len(self._received) - RECEIVED_BYTES_MAX
        if excess > 0:
            del self._received[:excess]
            self.dropped_bytes += excess

    def _on_out_armed(self, endpoint: int, size: int) -> None:
        # Endpoint 0 is armed for the status stage of reads; the next setup packet ends that too.
        if endpoint == self._out_endpoint:
            self._armed_size = size
            self._deliver()

    def _deliver(self) -> None:
        if self._armed_size is None or (self._hold_idle_out and not self._to_send):
            return
        size = min(self._armed_size, len(self._to_send))
        packet = bytes(self._to_send[:size])
        del self._to_send[:size]
        self._armed_size = None
        self._usb.endpoint_read_done(self._out_endpoint, packet)

    def _unplugged(self) -> None:
        self._forget()
        self._to_send.clear()

    def _forget(self) -> None:
        self.is_configured = False
        self._requests.clear()
        self._answer.clear()
        self._armed_size = None
        self._in_endpoint = self._out_endpoint = -1
