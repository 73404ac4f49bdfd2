"""The campaign's report as one HTML page that needs nothing else: plots are SVG within it."""

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2

from bulkhead_host.campaign.judge import Result
from bulkhead_host.campaign.kinds import KINDS
from bulkhead_host.campaign.plan import Campaign
from bulkhead_host.campaign.plots import by_kind, distribution, percentile, recovered, timeline
from bulkhead_host.campaign.report import title


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The faults of a kind, or a kind and a target, together, with their recovery times' shares.

    The times are None where nobody was down.
    """

    count: int
    violated: int
    skipped: int
    recovery_ms: float | None = None
    recovery_ms_95: float | None = None
    recovery_ms_max: float | None = None


def page(campaign: Campaign, results: Sequence[Result]) -> str:
    """Return the report; results are in the order of their indices."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bulkhead_host", "campaign"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    kinds = {
        name: found for name in KINDS if (found := [one for one in results if one.kind == name])
    }
    targets = list(dict.fromkeys(one.target for one in results))
    limit_ms = campaign.invariants.recovered_within_ms
    return environment.get_template("report.html").render(
        application=campaign.application.resolve().name if campaign.application else "the demo",
        campaign=campaign,
        results=results,
        title=title,
        whole=cell(results),
        kinds={name: cell(found) for name, found in kinds.items()},
        meanings={name: KINDS[name].meaning for name in kinds},
        targets=targets,
        cells={
            (kind, target): cell([one for one in found if one.target == target])
            for kind, found in kinds.items()
            for target in targets
        },
        distribution=distribution(results, limit_ms=limit_ms),
        by_kind=by_kind(kinds, limit_ms=limit_ms),
        timeline=timeline(results, limit_ms=limit_ms),
        violated=[one for one in results if not one.holds],
    )


def cell(results: Sequence[Result]) -> Cell:
    """Return what some results come to."""
    times = recovered(results)
    violated = sum(not one.holds for one in results)
    skipped = sum(one.is_skipped for one in results)
    if not times:
        return Cell(count=len(results), violated=violated, skipped=skipped)
    return Cell(
        count=len(results),
        violated=violated,
        skipped=skipped,
        recovery_ms=percentile(times, 0.5),
        recovery_ms_95=percentile(times, 0.95),
        recovery_ms_max=max(times),
    )
