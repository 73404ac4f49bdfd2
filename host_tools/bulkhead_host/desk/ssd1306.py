"""Solomon Systech's SSD1306: a display of 128 by 64 points. Data sheet, revision 1.1."""

from xml.etree import ElementTree

from bulkhead_host.desk.buses import I2cDevice, SpiDevice
from bulkhead_host.emulator.pins import Pin

WIDTH = 128
_DATA = 0x40  # the control byte's D/C bit (8.1.5.2)
_POINT = 4  # of the drawing

# How many bytes follow a command (table 9); all others are one byte.
_OPERANDS = {
    0x20: 1, 0x21: 2, 0x22: 2, 0x26: 6, 0x27: 6, 0x29: 5, 0x2A: 5, 0x81: 1, 0x8D: 1, 0xA3: 2,
    0xA8: 1, 0xD3: 1, 0xD5: 1, 0xD9: 1, 0xDA: 1, 0xDB: 1,
}  # fmt: skip


_SET_MODE, _SET_COLUMNS, _SET_PAGES, _SET_CONTRAST = 0x20, 0x21, 0x22, 0x81
_BY_ROWS, _BY_PAGES = 0, 2  # how the address goes on (10.1.3)
_LOWER_COLUMNS, _UPPER_COLUMNS, _PAGES = range(16), range(0x10, 0x20), range(0xB0, 0xB8)

# Commands that are a switch, and what each sets.
_FLAGS = {
    0xA0: ("mirrors_columns", False), 0xA1: ("mirrors_columns", True),
    0xA4: ("is_all_lit", False), 0xA5: ("is_all_lit", True),
    0xA6: ("is_inverted", False), 0xA7: ("is_inverted", True),
    0xAE: ("is_on", False), 0xAF: ("is_on", True),
    0xC0: ("mirrors_rows", False), 0xC8: ("mirrors_rows", True),
}  # fmt: skip


class Panel:
    """The display's memory, and what its commands do to it."""

    def __init__(self, height: int) -> None:
        self.height = height
        self.memory = bytearray(WIDTH * 8)
        self.is_on = self.is_inverted = self.is_all_lit = False
        self.contrast = 0x7F
        self._mode = _BY_PAGES  # as after a reset
        self._columns = [0, WIDTH - 1]
        self._pages = [0, 7]
        self._column = self._page = 0
        self._command: list[int] = []
        self.mirrors_columns = self.mirrors_rows = False

    def command(self, byte: int) -> None:
        """Take a byte of a command."""
        self._command.append(byte)
        if len(self._command) > _OPERANDS.get(self._command[0], 0):
            first, *operands = self._command
            self._command = []
            self._do(first, operands)

    def data(self, byte: int) -> None:
        """Take a byte of the picture: eight points below each other, the upper one bit 0."""
        self.memory[self._page * WIDTH + self._column] = byte
        if self._mode == _BY_PAGES:
            self._column = (self._column + 1) % WIDTH
        elif self._mode == _BY_ROWS:
            self._advance_column()
        else:
            self._advance_page()

    def lit(self, x: int, y: int) -> bool:
        """Tell whether a point shines; (0, 0) is at the upper left of a module as it is mounted.

        Modules have their connector above, so the usual set-up, 0xA1 and 0xC8, is upright.
        """
        if not self.is_on:
            return False
        if self.is_all_lit:
            return True
        column = x if self.mirrors_columns else WIDTH - 1 - x
        row = y if self.mirrors_rows else self.height - 1 - y
        return bool(self.memory[row // 8 * WIDTH + column] >> row % 8 & 1) != self.is_inverted

    def _do(self, first: int, operands: list[int]) -> None:
        if first in _FLAGS:
            name, value = _FLAGS[first]
            setattr(self, name, value)
        elif first == _SET_MODE:
            self._mode = operands[0] & 3
        elif first == _SET_COLUMNS:
            self._columns = [min(one, WIDTH - 1) for one in operands]
            self._column = self._columns[0]
        elif first == _SET_PAGES:
            self._pages = [one & 7 for one in operands]
            self._page = self._pages[0]
        elif first == _SET_CONTRAST:
            self.contrast = operands[0]
        else:
            self._set_page_address(first)

    def _set_page_address(self, first: int) -> None:
        """Do a command of page addressing (10.1.1 to 10.1.3, 10.1.13)."""
        if first in _PAGES:
            self._page = first & 7
        elif first in _LOWER_COLUMNS:
            self._column = self._column & 0x70 | first
        elif first in _UPPER_COLUMNS:
            self._column = (self._column & 0x0F | (first & 7) << 4) % WIDTH

    def _advance_column(self) -> None:
        if self._column != self._columns[1]:
            self._column = (self._column + 1) % WIDTH
            return
        self._column = self._columns[0]
        self._page = self._pages[0] if self._page == self._pages[1] else (self._page + 1) & 7

    def _advance_page(self) -> None:
        if self._page != self._pages[1]:
            self._page = (self._page + 1) & 7
            return
        self._page = self._pages[0]
        is_last = self._column == self._columns[1]
        self._column = self._columns[0] if is_last else (self._column + 1) % WIDTH


class Ssd1306(I2cDevice, SpiDevice):
    """The display on I2C, or with `data_line`, the GPIO of its D/C line, on SPI."""

    def __init__(
        self, *, address: int = 0x3C, height: int = 64, data_line: Pin | None = None
    ) -> None:
        self.address = address
        self.panel = Panel(height)
        self._data_line = data_line
        self._control: int | None = None

    def start(self, *, reads: bool) -> None:
        """Take a start condition: a control byte comes first."""
        self._control = None

    def write(self, byte: int) -> bool:
        """Take a control byte, or what it has announced."""
        if self._control is None:
            self._control = byte
            return True
        (self.panel.data if self._control & _DATA else self.panel.command)(byte)
        if self._control & 0x80:  # one byte only, then a control byte again
            self._control = None
        return True

    def read(self) -> int:
        """Return the status: bit 6 tells that the display is off."""
        return 0 if self.panel.is_on else 0x40

    def exchange(self, byte: int) -> int:
        """Take a byte by SPI; the display says nothing there."""
        is_data = self._data_line is not None and bool(self._data_line.level)
        (self.panel.data if is_data else self.panel.command)(byte)
        return 0xFF

    def rows(self) -> list[str]:
        """Return the picture as text, a row of points a line: `#` shines."""
        across, down = range(WIDTH), range(self.panel.height)
        return ["".join("#" if self.panel.lit(x, y) else "." for x in across) for y in down]

    def svg(self) -> str:
        """Return the picture as a drawing."""
        width, height = WIDTH * _POINT, self.panel.height * _POINT
        root = ElementTree.Element(
            "svg",
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"-8 -8 {width + 16} {height + 16}",
            width=str(width + 16),
            height=str(height + 16),
        )
        ElementTree.SubElement(
            root,
            "rect",
            {"x": "-8", "y": "-8", "width": str(width + 16), "height": str(height + 16)}
            | {"rx": "6", "fill": "#0b0f14"},
        )
        lit = (
            f"M{x * _POINT},{y * _POINT}h{_POINT - 1}v{_POINT - 1}h{1 - _POINT}z"
            for y, row in enumerate(self.rows())
            for x, point in enumerate(row)
            if point == "#"
        )
        ElementTree.SubElement(root, "path", d="".join(lit), fill="#9fe8ff")
        return ElementTree.tostring(root, encoding="unicode") + "\n"
