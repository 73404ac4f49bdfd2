"""The plots of a campaign's report: SVG that a page holds and colours by its own style sheet.

Recovery times span from 5 ms to 8 s, so their axis is logarithmic: `Scale`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import escape

from bulkhead_host.campaign.judge import Result
from bulkhead_host.campaign.report import title

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 145, 20, 18, 44
BINS_A_DECADE = 8
ROW = 18
_TICKS = (1, 2, 5)
_SECOND_MS = 1000


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A logarithmic axis in milliseconds, from `low` to `high`, over `length` units from `start`.

    With a negative length it grows the other way, as a vertical axis does.
    """

    low: float
    high: float
    start: float
    length: float

    def at(self, milliseconds: float) -> float:
        """Return where a time is; what is beyond the ends is at them."""
        inside = min(max(milliseconds, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return round(self.start + share * self.length, 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the times that are labelled: 1, 2 and 5 of each power of ten."""
        for power in range(math.floor(math.log10(self.low)), 6):
            for first in _TICKS:
                value = first * 10.0**power
                if self.low <= value <= self.high:
                    yield (
                        value,
                        f"{value:g} ms" if value < _SECOND_MS else f"{value / _SECOND_MS:g} s",
                    )


def percentile(times: Sequence[float], share: float) -> float:
    """Return the smallest of some times that at least `share` of them do not exceed."""
    return sorted(times)[max(0, math.ceil(share * len(times)) - 1)]


def recovered(results: Sequence[Result]) -> list[float]:
    """Return the recovery times of those that have one."""
    return [one.recovery_ms for one in results if one.recovery_ms is not None]


def distribution(results: Sequence[Result], *, limit_ms: float) -> str:
    """Return how many faults took how long, with median, 95th percentile and the limit."""
    height = 260
    scale = _scale(results, limit_ms)
    floor = height - BOTTOM
    times = recovered(results)
    counts: dict[int, int] = {}
    for time in times:
        number = math.floor(math.log10(max(time, scale.low) / scale.low) * BINS_A_DECADE)
        counts[number] = counts.get(number, 0) + 1
    most = max(counts.values(), default=1)
    parts = [*_time_axis(scale, floor)]
    for count in sorted({most // 2, most} - {0}):
        y = floor - count / most * (floor - TOP)
        parts.append(_text(LEFT - 8, y + 4, f"{count}", "end"))
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "grid"))
    for number, count in sorted(counts.items()):
        low, high = (scale.low * 10 ** (n / BINS_A_DECADE) for n in (number, number + 1))
        left, right = scale.at(low), scale.at(high)
        tall = count / most * (floor - TOP)
        parts.append(
            f'<rect class="bar" x="{left + 0.5:.1f}" y="{floor - tall:.1f}" '
            f'width="{max(right - left - 1, 1):.1f}" height="{tall:.1f}">'
            f"<title>{count} from {low:.0f} to {high:.0f} ms</title></rect>"
        )
    if times:
        marks = {"median": percentile(times, 0.5), "95 %": percentile(times, 0.95)}
        parts += [_mark(scale, value, name, floor) for name, value in marks.items()]
    parts.append(_mark(scale, limit_ms, "limit", floor))
    parts.append(_text(LEFT - 8, floor + 4, "0", "end"))
    return _svg("distribution of recovery times", height, parts)


def by_kind(results: Mapping[str, Sequence[Result]], *, limit_ms: float) -> str:
    """Return a row for each kind: each fault a dot, the median a stroke."""
    rows = {kind: recovered(found) for kind, found in results.items()}
    rows = {kind: times for kind, times in rows.items() if times}
    height = TOP + ROW * len(rows) + BOTTOM
    scale = _scale([one for found in results.values() for one in found], limit_ms)
    parts = [*_time_axis(scale, height - BOTTOM)]
    for index, kind in enumerate(sorted(rows, key=lambda kind: percentile(rows[kind], 0.5))):
        y = TOP + ROW * (index + 0.5)
        parts.append(_text(LEFT - 8, y + 4, kind, "end"))
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "grid"))
        parts += [
            _dot(scale.at(one.recovery_ms), y, one)
            for one in results[kind]
            if one.recovery_ms is not None
        ]
        middle = scale.at(percentile(rows[kind], 0.5))
        parts.append(_line(middle, y - 7, middle, y + 7, "median"))
    parts.append(_mark(scale, limit_ms, "limit", height - BOTTOM))
    return _svg("recovery times by kind of fault", height, parts)


def timeline(results: Sequence[Result], *, limit_ms: float) -> str:
    """Return each fault by its index; those that have no recovery and are violated, on top."""
    height = 280
    floor = height - BOTTOM
    low, high = _bounds(results, limit_ms)
    scale = Scale(low=low, high=high, start=floor, length=TOP + 14 - floor)
    last = max((one.index for one in results), default=0) or 1
    parts = []
    for value, label in scale.ticks():
        parts.append(_line(LEFT, scale.at(value), WIDTH - RIGHT, scale.at(value), "grid"))
        parts.append(_text(LEFT - 8, scale.at(value) + 4, label, "end"))
    step = 10 ** max(0, math.floor(math.log10(last)))
    step = step // 2 if last < 3 * step and step > 1 else step
    place = WIDTH - RIGHT - LEFT - 12
    for index in range(0, last + 1, step):
        x = LEFT + 6 + index / last * place
        parts.append(_text(x, floor + 18, str(index), "middle"))
    parts.append(_text(WIDTH / 2, height - 6, "index of the fault", "middle"))
    for one in sorted(results, key=lambda one: not one.holds):
        x = round(LEFT + 6 + one.index / last * place, 1)
        if one.recovery_ms is not None:
            parts.append(_dot(x, scale.at(one.recovery_ms), one))
        elif not one.holds:
            parts.append(_dot(x, TOP, one))
    return _svg("recovery time of each fault", height, parts)


def _bounds(results: Sequence[Result], limit_ms: float) -> tuple[float, float]:
    times = recovered(results)
    low = 10 ** math.floor(math.log10(max(min(times, default=1), 0.1)))
    return low, max([*times, limit_ms, low * 10]) * 1.1


def _scale(results: Sequence[Result], limit_ms: float) -> Scale:
    low, high = _bounds(results, limit_ms)
    return Scale(low=low, high=high, start=LEFT, length=WIDTH - RIGHT - LEFT)


def _time_axis(scale: Scale, floor: float) -> Iterator[str]:
    for value, label in scale.ticks():
        yield _line(scale.at(value), TOP, scale.at(value), floor, "grid")
        yield _text(scale.at(value), floor + 18, label, "middle")
    yield _line(LEFT, floor, WIDTH - RIGHT, floor, "axis")
    yield _text(WIDTH / 2, floor + 38, "recovery, by the board's clock", "middle")


def _mark(scale: Scale, value: float, name: str, floor: float) -> str:
    x = scale.at(value)
    return _line(x, TOP - 4, x, floor, "mark") + _text(x, TOP - 7, name, "middle")


def _dot(x: float, y: float, one: Result) -> str:
    kind = "held" if one.holds else "violated"
    told = f"{one.index} {title(one)}"
    if one.recovery_ms is not None:
        told += f": {one.recovery_ms:.1f} ms"
    if not one.holds:
        told += f"; violated: {'; '.join(one.violations)}"
    radius = 2.6 if one.holds else 5
    return (
        f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}">'
        f"<title>{escape(told)}</title></circle>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(label: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
    )
