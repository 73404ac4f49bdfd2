"""A chain of WS2812 lights: Worldsemi's data sheet of the WS2812B, "Data transfer time"."""

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from bulkhead_host.emulator.pins import Edge

if TYPE_CHECKING:
    from bulkhead_host.desk.desk import Desk

_CYCLES_IN_US = 125
_ONE_US = 0.6  # high for longer is a 1
_RESET_US = 50  # low for longer, and what came is shown
_ROOM = 28  # of the drawing, for a light

Colour = tuple[int, ...]


class Ws2812:
    """The chain on a GPIO; with `has_white` a light has four bytes.

    `colours` are those shown: (red, green, blue) or (red, green, blue, white) of each light.
    `frames` counts how often the chain was written.
    """

    def __init__(self, desk: "Desk", *, pin: int, lights: int, has_white: bool = False) -> None:
        self._desk = desk
        self._bytes = 4 if has_white else 3
        self._shown = bytearray(lights * self._bytes)
        self._bits: list[int] = []
        self._rose_cycle = self._fell_cycle = 0
        self.frames = 0
        self._pin = desk.pin(pin)
        self._pin.on_edge(lambda edge: desk.guarded(self._on_edge, edge))

    @property
    def colours(self) -> list[Colour]:
        """What each light shows."""
        if self._desk.board.clock_us - self._fell_cycle / _CYCLES_IN_US >= _RESET_US:
            self._show()
        wire = [self._shown[at : at + self._bytes] for at in self._places()]
        return [(red, green, blue, *white) for green, red, blue, *white in wire]

    def svg(self) -> str:
        """Return the chain as a drawing."""
        width = _ROOM * len(self._places())
        root = ElementTree.Element(
            "svg",
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {width} {_ROOM}",
            width=str(width),
            height=str(_ROOM),
        )
        size = {"width": str(width), "height": str(_ROOM), "rx": "6", "fill": "#0b0f14"}
        ElementTree.SubElement(root, "rect", size)
        for index, (red, green, blue, *white) in enumerate(self.colours):
            shown = [min(one + sum(white), 255) for one in (red, green, blue)]
            place = {"cx": str(_ROOM * index + _ROOM // 2), "cy": str(_ROOM // 2), "r": "9"}
            ElementTree.SubElement(root, "circle", place | {"fill": "#" + bytes(shown).hex()})
        return ElementTree.tostring(root, encoding="unicode") + "\n"

    def _on_edge(self, edge: Edge) -> None:
        if not edge.level:
            self._fell_cycle = edge.cycle
            self._bits.append(int(edge.cycle - self._rose_cycle > _ONE_US * _CYCLES_IN_US))
            return
        if edge.cycle - self._fell_cycle >= _RESET_US * _CYCLES_IN_US:
            self._show()
        self._rose_cycle = edge.cycle

    def _show(self) -> None:
        """Show what came; what is beyond the last light is lost, as are parts of a byte."""
        if not self._bits:
            return
        whole = len(self._bits) // 8 * 8
        came = int("1" + "".join(map(str, self._bits[:whole])), 2)
        data = came.to_bytes(whole // 8 + 1, "big")[1 : 1 + len(self._shown)]
        self._shown[: len(data)] = data
        self._bits = []
        self.frames += 1

    def _places(self) -> range:
        return range(0, len(self._shown), self._bytes)
