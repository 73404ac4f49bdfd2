"""An Espressif chip in its ROM loader, on a real pseudo-terminal, for esptool to talk to.

It speaks what Espressif documents as the "Serial Protocol" of esptool: SLIP packets, the ROM's
commands, then those of the flasher stub that it is given. It is strict: a packet of another
length than its command has, a wrong checksum, a block out of turn or data that does not fit what
was begun is answered with an error and kept in `mistakes`.
"""

import hashlib
import os
import struct
import threading
import tty
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

END, ESCAPE = b"\xc0", b"\xdb"
SYNC = b"\x07\x07\x12\x20" + 32 * b"\x55"
CHIP_MAGIC_ADDRESS = 0x40001000
SPI_COMMAND, SPI_W0 = 0x3FF42000, 0x3FF42080
FLASH_ID = 0x164020  # 4 MiB
INVALID, FAILED = 0x05, 0x06
DUMMY_STATUS = b"\0\0"


@dataclass
class FakeEspChip:
    """A chip with its flash memory.

    `security_chip_id` is for chips that tell what they are (ESP32-C3 and later), `magic` for
    those that do not. `vanishes_after` is after how many blocks of flash it is unplugged, `rots`
    makes it store one byte wrong.
    """

    magic: int = 0x00F01D83  # an ESP32's
    security_chip_id: int | None = None
    is_silent: bool = False
    vanishes_after: int | None = None
    rots: bool = False
    flash: bytearray = field(default_factory=lambda: bytearray(b"\xff" * 0x400000))
    mistakes: list[str] = field(default_factory=list)
    is_stub: bool = False
    has_vanished: bool = False
    commands: list[int] = field(default_factory=list)
    _left: int = 0
    _next: int = 0
    _block: int = 0
    _blocks: int = 0
    _at: int = 0
    _inflate: "zlib._Decompress | None" = None
    _written: int = 0

    def answer(self, packet: bytes) -> bytes:
        """Return the packets that answer one packet."""
        if self.is_silent:
            return b""
        if len(packet) < 8 or packet[0] != 0:
            return self._mistake("no request", 0)
        _, command, size, checksum = struct.unpack("<BBHI", packet[:8])
        data = packet[8:]
        self.commands.append(command)
        if size != len(data):
            return self._mistake(f"command {command:#x} says {size} and has {len(data)}", command)
        handler = self._handlers().get(command)
        if handler is None:
            return self._reply(command, status=INVALID)  # as a ROM does that has not got it
        return handler(command, data, checksum)

    def _handlers(self) -> dict[int, Callable[[int, bytes, int], bytes]]:
        known: dict[int, Callable[[int, bytes, int], bytes]] = {
            0x05: self._begin_memory,
            0x06: self._end_memory,
            0x07: self._take_memory,
            0x08: self._sync,
            0x09: self._write_register,
            0x0A: self._read_register,
            0x0B: self._accept,
            0x0D: self._accept,
            0x0F: self._accept,
        }
        if self.security_chip_id is not None:
            known[0x14] = self._tell_security
        if self.is_stub:
            known |= {
                0x02: self._accept,
                0x10: self._begin_flash,
                0x11: self._take_flash,
                0x12: self._accept,
                0x13: self._sum,
            }
        return known

    def _sync(self, command: int, data: bytes, _checksum: int) -> bytes:
        if data != SYNC:
            return self._mistake("a SYNC that is none", command)
        return 8 * self._reply(command, value=0x20120707)

    def _accept(self, command: int, _data: bytes, _checksum: int) -> bytes:
        return self._reply(command)

    def _read_register(self, command: int, data: bytes, _checksum: int) -> bytes:
        if len(data) != 4:
            return self._mistake("READ_REG takes one address", command)
        (address,) = struct.unpack("<I", data)
        known = {CHIP_MAGIC_ADDRESS: self.magic, SPI_W0: FLASH_ID}
        return self._reply(command, value=known.get(address, 0))

    def _write_register(self, command: int, data: bytes, _checksum: int) -> bytes:
        if not data or len(data) % 16:
            return self._mistake("WRITE_REG takes four words", command)
        return self._reply(command)

    def _tell_security(self, command: int, _data: bytes, _checksum: int) -> bytes:
        return self._reply(command, data=struct.pack("<I8sII", 0, bytes(8), self._chip_id, 0))

    @property
    def _chip_id(self) -> int:
        return self.security_chip_id or 0

    # Memory

    def _begin_memory(self, command: int, data: bytes, _checksum: int) -> bytes:
        self._left, self._blocks, self._block, _ = struct.unpack("<IIII", data)
        self._next = 0
        return self._reply(command)

    def _take_memory(self, command: int, data: bytes, checksum: int) -> bytes:
        body = self._checked(command, data, checksum)
        if body is None or len(body) > self._left:
            return self._mistake("a block of memory that does not fit", command)
        self._left -= len(body)
        return self._reply(command)

    def _end_memory(self, command: int, data: bytes, _checksum: int) -> bytes:
        stays, entry = struct.unpack("<II", data)
        if self._left or stays or not entry:
            return self._mistake("a stub that is not whole", command)
        done = self._reply(command)
        self.is_stub = True
        return done + slip(b"OHAI")

    # Flash

    def _begin_flash(self, command: int, data: bytes, _checksum: int) -> bytes:
        size, self._blocks, self._block, self._at, encrypted = struct.unpack("<IIIII", data)
        if self._at % 0x1000 or self._at + size > len(self.flash) or encrypted:
            return self._mistake(f"{size} bytes at {self._at:#x}", command)
        self._left, self._next, self._inflate = size, 0, zlib.decompressobj()
        return self._reply(command)

    def _take_flash(self, command: int, data: bytes, checksum: int) -> bytes:
        body = self._checked(command, data, checksum)
        if body is None or self._inflate is None:
            return self._mistake("a block of flash that does not fit", command)
        self._written += 1
        if self.vanishes_after is not None and self._written > self.vanishes_after:
            self.has_vanished = True
            return b""
        plain = self._inflate.decompress(body)
        if len(plain) > self._left:
            return self._mistake("more than was begun", command)
        if self.rots and plain:
            plain = bytes([plain[0] ^ 1]) + plain[1:]
        self.flash[self._at : self._at + len(plain)] = plain
        self._at += len(plain)
        self._left -= len(plain)
        return self._reply(command)

    def _sum(self, command: int, data: bytes, _checksum: int) -> bytes:
        address, size, _, _ = struct.unpack("<IIII", data)
        digest = hashlib.md5(self.flash[address : address + size]).digest()
        return self._reply(command, data=digest)

    def _checked(self, command: int, data: bytes, checksum: int) -> bytes | None:
        """Return what a block holds, None where its head or checksum is wrong."""
        size, number, _, _ = struct.unpack("<IIII", data[:16])
        body = data[16:]
        told = 0xEF
        for byte in body:
            told ^= byte
        fits = len(body) == size <= self._block and number == self._next < self._blocks
        if not fits or told != checksum:
            self.mistakes.append(f"block {number} of command {command:#x}, checksum {checksum:#x}")
            return None
        self._next += 1
        return body

    def _reply(
        self, command: int, *, value: int = 0, data: bytes = b"", status: int | None = None
    ) -> bytes:
        told = DUMMY_STATUS if status is None else bytes((1, status))
        if not self.is_stub:
            told += DUMMY_STATUS
        body = data + told
        return slip(struct.pack("<BBHI", 1, command, len(body), value) + body)

    def _mistake(self, what: str, command: int) -> bytes:
        self.mistakes.append(what)
        return self._reply(command, status=FAILED)


def slip(packet: bytes) -> bytes:
    """Return a packet between two marks (RFC 1055)."""
    escaped = packet.replace(ESCAPE, b"\xdb\xdd").replace(END, b"\xdb\xdc")
    return END + escaped + END


def unslip(packet: bytes) -> bytes:
    """Return what stands between two marks."""
    return packet.replace(b"\xdb\xdc", END).replace(b"\xdb\xdd", ESCAPE)


@contextmanager
def served(chip: FakeEspChip) -> Iterator[str]:
    """Serve a chip on a pseudo-terminal, in a thread; give its path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    thread = threading.Thread(target=_serve, args=(chip, master, slave), daemon=True)
    thread.start()
    try:
        yield name
    finally:
        with suppress(OSError):
            os.write(slave, b"")
            os.close(slave)
        with suppress(OSError):
            os.close(master)


def _serve(chip: FakeEspChip, master: int, slave: int) -> None:
    waiting = b""
    while True:
        try:
            waiting += os.read(master, 65536)
        except OSError:
            return
        *whole, waiting = waiting.split(END)
        for packet in whole:
            if packet:
                with suppress(OSError):
                    os.write(master, chip.answer(unslip(packet)))
            if chip.has_vanished:
                os.close(slave)
                os.close(master)
                return
