"""What stands in for the world around the kernel: a port, a clock, services, objects' words."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

# MicroPython's word for None, as far as this needs one: neither a small int nor a pointer.
NONE_WORD = 2
TIME_MASK = 0x3FFFFFFF


class Parked(BaseException):
    """A service is resumed, and nobody has said yet what it does."""

    def __init__(self, number: int, value: object) -> None:
        super().__init__(number, value)
        self.number = number
        self.value = value


class Reset(BaseException):
    """The port was told to reset the board."""


class Violation(Exception):
    """The kernel did what it must not."""


class Crash(Exception):
    """What a service raises."""


class Interrupt(KeyboardInterrupt):
    """A kill."""


class ModelClock:
    """One word of time."""

    def __init__(self, us: int) -> None:
        self.us = us

    def __getitem__(self, _index: int) -> int:
        return self.us


class ModelPort:
    """The port's contract, as far as one step of the kernel uses it."""

    name = "model"
    stack = 0
    console = None

    def __init__(self, soft_line: Any, scheduled: int, start_us: int) -> None:
        self.clock = ModelClock(start_us)
        self.kernel: Any = None
        self.pending = False
        self.lines: list[Any] = []
        self.guest = 0
        self.held: set[str] = set()  # whose outputs are safe
        self.soft_line = soft_line
        self.scheduled = scheduled

    def attach(self, kernel: Any, _enter: object) -> None:
        """Take the kernel."""
        self.kernel = kernel

    def now(self) -> int:
        """Return the time in microseconds modulo 2**30."""
        return self.clock.us & TIME_MASK

    def uptime_ms(self) -> int:
        """Return the time in milliseconds."""
        return self.clock.us // 1000

    def crash(self) -> None:
        """Return what ended the last run: nothing did."""

    def allocated(self) -> int:
        """Return that nothing was: what a sample finds is an event of its own."""
        return 0

    def line(
        self,
        kernel: Any,
        offset: int,
        _source: str,
        _argument: int,
        _trigger: str,
        on_trap: Any = None,
    ) -> Any:
        """Return a line that the explorer fires."""
        self.lines.append(self.soft_line(kernel, offset, on_trap))
        return self.lines[-1]

    def mask(self, line: Any) -> None:
        """Let `line` fire no more: it looks at the kernel's word itself."""

    def unmask(self, line: Any) -> None:
        """Let `line` fire again."""

    def bind(self, line: Any, resume: Any) -> None:
        """Have the firings of a hard line resume `resume`."""
        line.bind(resume)

    def outputs(self, spec: Any) -> Any:
        """Return what `hold` takes: the name of the service, if it drives any."""
        return spec or None

    def hold(self, outputs: str) -> None:
        """Make outputs safe, and hold them so."""
        self.held.add(outputs)

    def release(self, outputs: str | None) -> None:
        """Let the service drive its outputs."""
        self.held.discard(outputs or "")

    def copy(self, into: Any, at: int, source: Any, start: int, count: int) -> None:
        """Copy bytes from one buffer to another."""
        if count < 0 or at < 0 or start < 0:
            raise Violation(f"a copy of {count} bytes")
        memoryview(into)[at : at + count] = memoryview(source)[start : start + count]

    def length(self, buffer: Any) -> int:
        """Return the bytes of a memoryview or an array."""
        return memoryview(buffer).nbytes

    def pad(self) -> bool:
        """Let a pending kill land; return whether one has."""
        landed = self.pending
        self.pending = False
        return landed

    def strike(self) -> None:
        """Have a kill pending."""
        self.pending = True

    def is_operators(self, error: BaseException) -> bool:
        """Tell whether a KeyboardInterrupt was raised by the interpreter."""
        return isinstance(error, Interrupt)

    def request(self) -> None:
        """Ask for the interrupt level."""
        self.kernel.words[self.scheduled] = 1

    def leave_guest(self) -> None:
        """Begin the interrupt level above a guest."""

    def back_to_guest(self) -> None:
        """Go on with the guest."""

    def panic(self, cause: int) -> None:
        """Reset the board."""
        raise Reset(cause)

    def print_exception(self, error: BaseException, stream: Any) -> None:
        """Write nothing: what a traceback says is no state."""


class Stage(Protocol):
    """Who decides what a service does when it is resumed, and when it is closed."""

    def resumed(self, number: int, value: object) -> int:
        """Return the trap word of service `number`, raise what it raises, or raise Parked."""

    def closed(self, number: int) -> None:
        """Be the `finally` blocks of service `number`."""


class Puppet:
    """What stands in for a service's generator: it has no state."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.stage = stage
        self.number = number

    def send(self, value: object) -> int:
        """Make one step."""
        return self.stage.resumed(self.number, value)

    def close(self) -> None:
        """End, by way of the `finally` blocks."""
        self.stage.closed(self.number)

    def __call__(self, _frame: Any) -> "Puppet":
        """Be `main(task)`."""
        return self


class Memory:
    """The kernel's words by address, as viper's pointers see them: word 0 is at address 0."""

    def __init__(self) -> None:
        self.views: list[memoryview] = []

    def take(self, words: Any) -> None:
        """Let these be the words."""
        whole = memoryview(words)
        self.views = [whole[at:] for at in range(len(whole))]

    def pointer(self, operand: Any) -> Any:
        """Be a cast: of an address to what is there, of a buffer to itself."""
        return self.views[operand >> 2] if type(operand) is int else operand

    def address(self, _words: Any) -> int:
        """Return the address of the words."""
        return 0


class Cells:
    """Values of frames and mailboxes, kept as MicroPython keeps them: a word each.

    They lie behind the kernel's words. So a copy of the words is a copy of the values too, and the
    kernel's ways that look at an object's word find one.
    """

    def __init__(self) -> None:
        self.words: Any = None
        self.objects: list[object] = [[], b"text", (1, 2)]

    def encode(self, value: object) -> int:
        """Return the word that stands for a value."""
        if value is None:
            return NONE_WORD
        if type(value) is int and -(1 << 29) <= value < 1 << 29:
            return (value << 1) | 1
        for index, known in enumerate(self.objects):
            if known is value or (type(known) is type(value) and known == value):
                return 4 * (index + 1)
        self.objects.append(value)
        return 4 * len(self.objects)

    def decode(self, word: int) -> object:
        """Return the value that a word stands for."""
        if word & 1:
            return word >> 1
        return None if word == NONE_WORD else self.objects[(word >> 2) - 1]

    def read(self, at: int) -> object:
        """Return the value at a place of the words."""
        return self.decode(self.words[at])

    def write(self, at: int, value: object) -> None:
        """Keep a value at a place of the words."""
        self.words[at] = self.encode(value)


class Items(Sequence[object]):
    """The list of the mailboxes' values, kept in the words."""

    def __init__(self, cells: Cells, at: int, size: int) -> None:
        self.cells = cells
        self.at = at
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[object]:
        return (self[index] for index in range(self.size))

    def __getitem__(self, index: Any) -> Any:
        return self.cells.read(self.at + index)

    def __setitem__(self, index: int, value: object) -> None:
        self.cells.write(self.at + index, value)


def cell_frame(frame: type, cells: Cells, waits: int, place: Callable[[str], int]) -> type:
    """Return a kind of frame whose `arg` is a word of the kernel's array, at `place(name)`."""

    class CellFrame(frame):  # type: ignore[misc]
        """A frame of a service; `at` is where its `arg` is."""

        __slots__ = ("at", "buffer", "handed", "handles", "keeper", "registers", "waits")

        def __init__(self, registers: Any, handles: dict[str, Any]) -> None:
            self.registers = registers
            self.handles = handles
            self.at = place(handles[""])
            self.buffer = bytearray(4)
            self.waits = waits
            self.keeper = None
            self.handed = None

        @property
        def arg(self) -> object:
            return cells.read(self.at)

        @arg.setter
        def arg(self, value: object) -> None:
            cells.write(self.at, value)

    return CellFrame
