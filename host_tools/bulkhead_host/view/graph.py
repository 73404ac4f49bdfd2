"""Who reaches whom, with counts and latencies, in Graphviz's language.

Its program `dot` places services and lines: a client is left of all that it calls, which the build
has made sure is possible (no circles of calls). Notifications may go back; they are dashed.
A service that most others reach, as the logger, or that reaches most others, as the console, would
cover all else with its lines: it says so in words.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from bulkhead_host import abi
from bulkhead_host.link.services import Service, Table
from bulkhead_host.link.trace import Trace
from bulkhead_host.view.timeline import timeline

_INK, _FAINT, _PALE, _BAD, _HARD = "#1f2933", "#9aa5b1", "#eef3f8", "#fbdfdc", "#e3ecdf"
_HUB_LEAST = 6
"""So many others at least a service reaches, or is reached by, to be a hub."""


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


def dot(table: Table, found: Sequence[Edge], *, title: str, has_all: bool = False) -> str:
    """Return the drawing of what the table has, for Graphviz; `title` names the board.

    With `has_all` every edge is a line, those never used and those of hubs too.
    """
    known = set(table.names)
    found = [one for one in found if {one.source, one.target} <= known]
    notes: dict[str, list[str]] = {}
    drawn = found
    if not has_all:
        drawn, notes = _without_hubs(found, len(known))
    numbers = {name: number for number, name in enumerate(table.names)}
    lines = [
        "digraph bulkhead {",
        f"  graph [rankdir=LR, nodesep=0.22, ranksep=0.8, label={_words(title)}, labelloc=t,",
        f'    labeljust=l, fontname="Helvetica", fontsize=16, fontcolor="{_INK}"]',
        f'  node [shape=box, style="rounded,filled", fontname="Helvetica", color="{_INK}",',
        f'    fillcolor="{_PALE}", fontcolor="{_INK}", margin="0.12,0.06"]',
        f'  edge [fontname="Helvetica", fontsize=10, color="{_INK}", fontcolor="{_INK}",',
        "    arrowsize=0.7]",
        *(_node(one, numbers[one.name], notes.get(one.name, [])) for one in table.services),
        *(_edge(one, numbers) for one in drawn),
        "}",
    ]
    return "\n".join(lines) + "\n"


def label(one: Edge) -> str:
    """Return the words beside an edge: what was done, how often, and how long calls took."""
    text = f"{'/'.join(one.kinds)} x{one.uses}"
    return text if one.latency_us is None else f"{text}, {one.latency_us / 1000:.2f} ms"


def _without_hubs(found: Sequence[Edge], count: int) -> tuple[list[Edge], dict[str, list[str]]]:
    """Return the edges to draw, and what the hubs among the services say instead.

    What a hub that reaches others has used stays a line; of one that is reached all go.
    """
    most = max(_HUB_LEAST, count // 2)
    sources = Counter(one.source for one in found)
    targets = Counter(one.target for one in found)
    drawn: list[Edge] = []
    notes: dict[str, list[str]] = {}
    for name, number in sources.items():
        if number >= most:
            notes.setdefault(name, []).append(f"may reach {number}")
    for name, number in targets.items():
        if number >= most:
            uses = sum(one.uses for one in found if one.target == name)
            notes.setdefault(name, []).append(f"{number} reach it, x{uses}")
    for one in found:
        is_to_hub = targets[one.target] >= most
        is_unused_of_hub = sources[one.source] >= most and not one.uses
        if not is_to_hub and not is_unused_of_hub:
            drawn.append(one)
    return drawn, notes


def _node(service: Service, number: int, notes: Sequence[str]) -> str:
    small = [f"priority {service.priority}, {service.state}", *notes]
    if service.fault:
        small.append(f"last fault {service.fault}")
    # Rows of a table: lines are set as close as the smaller font of two allows.
    rows = [f"<b>{escape(service.name)}</b>"]
    rows += [f'<font point-size="10">{escape(text)}</font>' for text in small]
    table = "".join(f"<tr><td>{row}</td></tr>" for row in rows)
    layout = 'border="0" cellspacing="0" cellpadding="1"'
    fill = _BAD if service.fault else _HARD if service.state == "attending" else _PALE
    return f'  n{number} [label=<<table {layout}>{table}</table>>, fillcolor="{fill}"]'


def _edge(one: Edge, numbers: Mapping[str, int]) -> str:
    attributes = {"label": _words(label(one)) if one.uses else '""'}
    if not one.uses:
        attributes |= {"color": f'"{_FAINT}"', "arrowhead": "vee"}
    if one.kinds == ("notify",):
        attributes |= {"style": "dashed", "constraint": "false"}
    text = ", ".join(f"{name}={value}" for name, value in attributes.items())
    return f"  n{numbers[one.source]} -> n{numbers[one.target]} [{text}]"


def _words(text: str) -> str:
    """Return a text as a label that Graphviz takes letter by letter."""
    return f"<{escape(text)}>" if text else '""'
