"""Who reaches whom, with counts and latencies, as a drawing in SVG.

Services stand in columns: a client is left of all that it calls, which the build has made sure is
possible (no circles of calls). Notifications may go back; they are dashed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from xml.etree import ElementTree

from bulkhead_host import abi
from bulkhead_host.link.services import Service, Table
from bulkhead_host.link.trace import Trace
from bulkhead_host.view.timeline import timeline

_WIDTH, _HEIGHT = 130, 44
_COLUMN, _ROW = 300, 90
_MARGIN = 30
_INK, _PALE, _BAD = "#1f2933", "#eef3f8", "#fbdfdc"
_STYLE = (
    f"text{{font:13px sans-serif;fill:{_INK}}} "
    ".small{font-size:11px} .small,.name{text-anchor:middle}"
)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What one service may do to another: some of `call`, `send` and `notify`.

    `uses` counts the traps it made; `latency_us` is the median time from call to reply of the
    `seen` calls in the trace, None without any.
    """

    source: str
    target: str
    kinds: tuple[str, ...]
    uses: int
    seen: int = 0
    latency_us: float | None = None


def edges(trace: Trace) -> list[Edge]:
    """Return the edges that the capabilities make, with what the trace tells of their calls."""
    latencies = _latencies(trace)
    names = trace.names
    found = []
    for source, capabilities in trace.capabilities.items():
        for one in capabilities:
            kinds = _kinds(one.rights)
            if not one.task or one.task > len(names) or not kinds:
                continue
            target = names[one.task - 1]
            times = latencies.get((source, target), [])
            found.append(
                Edge(
                    source=source,
                    target=target,
                    kinds=kinds,
                    uses=one.uses,
                    seen=len(times),
                    latency_us=median(times) if times else None,
                )
            )
    return found


def _kinds(rights: int) -> tuple[str, ...]:
    known = (("call", abi.MAY_CALL), ("send", abi.MAY_SEND), ("notify", abi.MAY_NOTIFY))
    return tuple(name for name, bit in known if rights & bit)


def _latencies(trace: Trace) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    names = trace.names
    for arrow in timeline(trace).arrows:
        pair = (names[arrow.call.task - 1], names[arrow.reply.task - 1])
        found.setdefault(pair, []).append(arrow.reply.end_us - arrow.call.end_us)
    return found


def columns(names: Iterable[str], found: Sequence[Edge]) -> list[list[str]]:
    """Return the services by column: each right of whoever calls or sends to it.

    A circle, which only messages to mailboxes can make, is cut where it would add columns.
    """
    place = dict.fromkeys(names, 0)
    downward = [(one.source, one.target) for one in found if one.kinds != ("notify",)]
    for _ in range(len(place)):
        for source, target in downward:
            place[target] = min(max(place[target], place[source] + 1), len(place) - 1)
    used = sorted(set(place.values()))
    return [[name for name in place if place[name] == column] for column in used]


def svg(table: Table, found: Sequence[Edge], *, title: str) -> str:
    """Return the drawing of what the table has; `title` names the board."""
    known = set(table.names)
    found = [one for one in found if {one.source, one.target} <= known]
    places = {
        name: (_MARGIN + _COLUMN * column, 2 * _MARGIN + _ROW * row + _ROW // 2 * (column % 2))
        for column, names in enumerate(columns(table.names, found))
        for row, name in enumerate(names)
    }
    width = max((x for x, _ in places.values()), default=0) + _WIDTH + _MARGIN
    height = max((y for _, y in places.values()), default=0) + _HEIGHT + 2 * _MARGIN
    root = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}"
    )
    root.set("width", str(width))
    root.set("height", str(height))
    ElementTree.SubElement(root, "title").text = title
    ElementTree.SubElement(root, "style").text = _STYLE
    definitions = ElementTree.SubElement(root, "defs")
    _arrow_head(definitions)
    _text(root, (_MARGIN, _MARGIN), title)
    for one in found:
        _draw_edge(root, one, places[one.source], places[one.target])
    for service in table.services:
        _draw_service(root, service, places[service.name])
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def label(one: Edge) -> str:
    """Return the words beside an edge: what was done, how often, and how long calls took."""
    text = f"{'/'.join(one.kinds)} x{one.uses}"
    return text if one.latency_us is None else f"{text}, {one.latency_us / 1000:.2f} ms"


def _draw_service(root: ElementTree.Element, service: Service, place: tuple[int, int]) -> None:
    x, y = place
    box = {"x": x, "y": y, "width": _WIDTH, "height": _HEIGHT, "rx": 6, "stroke": _INK}
    fill = _BAD if service.fault else _PALE
    ElementTree.SubElement(
        root, "rect", {name: str(value) for name, value in {**box, "fill": fill}.items()}
    )
    _text(root, (x + _WIDTH // 2, y + 19), service.name, kind="name")
    words = f"priority {service.priority}, {service.state}"
    _text(root, (x + _WIDTH // 2, y + 35), words, kind="small")


def _draw_edge(
    root: ElementTree.Element, one: Edge, start: tuple[int, int], end: tuple[int, int]
) -> None:
    """Draw a curve; what goes back leaves on the left and comes in from the right."""
    goes_back = end[0] <= start[0]
    x1, y1 = start[0] + (0 if goes_back else _WIDTH), start[1] + _HEIGHT // 2
    x2, y2 = end[0] + (_WIDTH if goes_back else 0), end[1] + _HEIGHT // 2
    if goes_back:  # apart from what goes forth between the same two
        y1, y2 = y1 + _HEIGHT // 3, y2 + _HEIGHT // 3
    bend = (x2 - x1) // 2 if x1 != x2 and goes_back == (x2 < x1) else _COLUMN // 4
    path = f"M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"
    line = {"d": path, "fill": "none", "stroke": _INK, "marker-end": "url(#head)"}
    line["stroke-opacity"] = "1" if one.uses else "0.35"
    if one.kinds == ("notify",):
        line["stroke-dasharray"] = "4 4"
    ElementTree.SubElement(root, "path", line)
    x, y = (3 * x1 + x2) // 4, (3 * y1 + y2) // 4  # nearer its source, apart from others
    _text(root, (x, y - 4), label(one), kind="small")


def _arrow_head(definitions: ElementTree.Element) -> None:
    marker = ElementTree.SubElement(definitions, "marker", id="head", orient="auto")
    for name, value in (("refX", "8"), ("refY", "4"), ("markerWidth", "8"), ("markerHeight", "8")):
        marker.set(name, value)
    ElementTree.SubElement(marker, "path", d="M0,0 L8,4 L0,8 z", fill=_INK)


def _text(
    root: ElementTree.Element, place: tuple[int, int], words: str, *, kind: str = ""
) -> None:
    where = {"x": str(place[0]), "y": str(place[1]), "class": kind}
    ElementTree.SubElement(root, "text", where).text = words
