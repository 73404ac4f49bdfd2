"""The campaign's report as one HTML page that needs nothing else: plots are SVG within it."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import jinja2
import pygal
from pygal.style import CleanStyle

from bulkhead_host.campaign.judge import Result
from bulkhead_host.campaign.kinds import KINDS
from bulkhead_host.campaign.plan import Campaign
from bulkhead_host.campaign.report import title

# pygal leaves an import hook for its maps behind, of a kind that Python no longer knows.
sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != pygal.__name__]

_SCRIPT = re.compile("<script.*?</script>", re.DOTALL)  # for tooltips by a script of theirs
_BOUNDS_MS = (0, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000)
_GREEN, _RED = "#4a8f5b", "#c0392b"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The faults of a kind, or a kind and a target, together. `recovery_ms` is their median."""

    count: int
    violated: int
    recovery_ms: float | None
    recovery_ms_max: float | None


def page(campaign: Campaign, results: Sequence[Result]) -> str:
    """Return the report; results are in the order of their indices."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bulkhead_host", "campaign"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    kinds = [name for name in KINDS if any(one.kind == name for one in results)]
    targets = list(dict.fromkeys(one.target for one in results))
    return environment.get_template("report.html").render(
        campaign=campaign,
        results=results,
        title=title,
        whole=cell(results),
        kinds={name: cell([one for one in results if one.kind == name]) for name in kinds},
        meanings={name: KINDS[name].meaning for name in kinds},
        targets=targets,
        cells={
            (kind, target): cell([o for o in results if (o.kind, o.target) == (kind, target)])
            for kind in kinds
            for target in targets
        },
        distribution=distribution(results),
        timeline=timeline(results),
        violated=[one for one in results if not one.holds],
    )


def cell(results: Sequence[Result]) -> Cell:
    """Return what some results come to."""
    times = [one.recovery_ms for one in results if one.recovery_ms is not None]
    return Cell(
        count=len(results),
        violated=sum(not one.holds for one in results),
        recovery_ms=median(times) if times else None,
        recovery_ms_max=max(times, default=None),
    )


def distribution(results: Sequence[Result]) -> str:
    """Return a bar chart of the recovery times, as SVG."""
    chart = pygal.Bar(
        **_options(),
        x_title="recovery, ms",
        y_title="faults",
        show_legend=False,
        x_label_rotation=30,
    )
    times = [one.recovery_ms for one in results if one.recovery_ms is not None]
    bounds = [*pairwise(_BOUNDS_MS), (_BOUNDS_MS[-1], float("inf"))]
    chart.x_labels = [f"{low} to {high}" for low, high in bounds[:-1]] + [f"{_BOUNDS_MS[-1]} up"]
    chart.add("faults", [sum(low <= one < high for one in times) for low, high in bounds])
    return _svg(chart)


def timeline(results: Sequence[Result]) -> str:
    """Return the recovery time of each fault by its index, as SVG; what held and did not apart."""
    chart = pygal.XY(
        **_options(),
        x_title="fault",
        y_title="recovery, ms",
        stroke=False,
        logarithmic=True,
        dots_size=2,
    )
    for name, holds in (("held", True), ("violated", False)):
        points = [
            {"value": (one.index, max(one.recovery_ms or 0, 1)), "label": title(one)}
            for one in results
            if one.holds is holds and (one.recovery_ms is not None or not holds)
        ]
        chart.add(name, points)
    return _svg(chart)


def _options() -> dict[str, object]:
    return {
        "style": CleanStyle(colors=(_GREEN, _RED), background="transparent"),
        "js": (),
        "width": 900,
        "height": 320,
        "explicit_size": False,
        "disable_xml_declaration": True,
        "pretty_print": False,
    }


def _svg(chart: pygal.Graph) -> str:
    return _SCRIPT.sub("", str(chart.render(is_unicode=True)))
