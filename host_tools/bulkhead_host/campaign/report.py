"""A campaign's results: the file that makes it resumable, and the reports."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any
from xml.etree import ElementTree

from bulkhead_host.campaign.judge import Result
from bulkhead_host.campaign.kinds import BOARD
from bulkhead_host.campaign.plan import Campaign
from bulkhead_host.errors import UsageError
from bulkhead_host.files import append_text, read_text, write_text


class Results:
    """A file with one JSON line for the campaign and one for each fault that was judged.

    A line that was cut off, as by a loss of power, is judged again.
    """

    def __init__(self, path: Path, campaign: Campaign) -> None:
        self._path = path
        self.done: dict[int, Result] = {}
        head = {"campaign": campaign.name, "digest": campaign.digest}
        if not path.exists():
            write_text(path, json.dumps(head) + "\n")
            return
        first, *rows = read_text(path).splitlines() or [""]
        if _loaded(first) != head:
            raise UsageError(
                f"{path} has the results of another campaign, or of an earlier version of it",
                "remove it, or name another by --results",
            )
        for row in rows:
            found = _loaded(row)
            if found:
                tuples = {name: tuple(found[name]) for name in ("violations", "evidence")}
                result = Result(**{**found, **tuples})
                self.done[result.index] = result
        whole = [first, *(json.dumps(asdict(self.done[index])) for index in self.done)]
        write_text(path, "\n".join(whole) + "\n")

    def in_order(self) -> list[Result]:
        """Return all, by index."""
        return [self.done[index] for index in sorted(self.done)]

    def add(self, result: Result) -> None:
        """Keep one more."""
        self.done[result.index] = result
        append_text(self._path, json.dumps(asdict(result)) + "\n")


def _loaded(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def summary(campaign: Campaign, results: Sequence[Result]) -> dict[str, Any]:
    """Return the report as it goes into JSON."""
    times = [one.recovery_ms for one in results if one.recovery_ms is not None]
    return {
        "campaign": campaign.name,
        "seed": campaign.seed,
        "count": campaign.count,
        "judged": len(results),
        "violated": sum(not one.holds for one in results),
        "skipped": sum(one.is_skipped for one in results),
        "recovery_ms_median": median(times) if times else None,
        "recovery_ms_max": max(times, default=None),
        "results": [asdict(one) for one in results],
    }


def junit(campaign: Campaign, results: Iterable[Result]) -> str:
    """Return the report as JUnit XML: a test case for each fault, its time that of recovery."""
    found = list(results)
    failures = sum(not one.holds for one in found)
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", name=campaign.name)
    suite.set("tests", str(len(found)))
    suite.set("failures", str(failures))
    suite.set("errors", "0")
    suite.set("skipped", str(sum(one.is_skipped for one in found)))
    for one in found:
        case = ElementTree.SubElement(suite, "testcase", name=f"{one.index} {title(one)}")
        case.set("classname", f"{campaign.name}.{one.target}")
        case.set("time", f"{(one.recovery_ms or 0) / 1000:.3f}")
        if not one.holds:
            failure = ElementTree.SubElement(case, "failure", message="; ".join(one.violations))
            failure.text = f"bulkhead campaign FILE --replay {one.index}"
        elif one.skipped:
            ElementTree.SubElement(case, "skipped", message=one.skipped)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def title(one: Result) -> str:
    """Return in words what was done."""
    return one.kind if one.target in (BOARD, "") else f"{one.kind} of {one.target}"


def line(one: Result) -> str:
    """Return one result for a person."""
    if not one.holds:
        return f"{one.index:5} {title(one)}: VIOLATED: {'; '.join(one.violations)}"
    if one.skipped:
        return f"{one.index:5} {title(one)}: skipped: {one.skipped}"
    who = f"{one.victim} " if one.victim not in (None, one.target) else ""
    fault = f"{who}{one.fault}, " if one.fault else ""
    back = ": held" if one.recovery_ms is None else f": {fault}back in {one.recovery_ms:g} ms"
    return f"{one.index:5} {title(one)}{back}"
