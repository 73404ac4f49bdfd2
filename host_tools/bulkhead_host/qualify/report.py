"""The report of a qualification: a page, JSON, JUnit, and a line to send."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import jinja2

from bulkhead_host import __version__
from bulkhead_host.qualify.verdicts import MARKED_PERCENT, Row, Verdict

FILES = ("report.html", "report.json", "report.xml")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found on which board. `board` has its words for itself: name to value."""

    board: Mapping[str, str]
    rows: Sequence[Row]
    seconds: float

    def count(self, verdict: Verdict) -> int:
        """Return how many rows have a verdict."""
        return sum(row.verdict is verdict for row in self.rows)

    @property
    def is_good(self) -> bool:
        """False where anything failed."""
        return not self.count(Verdict.FAILED)

    @property
    def parts(self) -> dict[str, list[Row]]:
        """The rows by part, in order."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.part, []).append(row)
        return found


def to_json(report: Report) -> str:
    """Return the report for programs."""
    rows = [
        {
            "part": row.part,
            "name": row.name,
            "verdict": row.verdict.value,
            "detail": row.detail,
            "value": row.value,
            "unit": row.unit,
            "emulated": row.reference,
            "differs": row.is_marked,
        }
        for row in report.rows
    ]
    whole: dict[str, Any] = {
        "bulkhead": __version__,
        "board": dict(report.board),
        "seconds": round(report.seconds, 1),
        **{verdict.value: report.count(verdict) for verdict in Verdict},
        "rows": rows,
    }
    return json.dumps(whole, indent=1) + "\n"


def to_junit(report: Report) -> str:
    """Return the report as JUnit XML: a suite for each part, with the board as properties."""
    root = ElementTree.Element("testsuites")
    for part, rows in report.parts.items():
        suite = ElementTree.SubElement(root, "testsuite", name=part, tests=str(len(rows)))
        suite.set("failures", str(sum(row.verdict is Verdict.FAILED for row in rows)))
        suite.set("skipped", str(sum(row.verdict is Verdict.SKIPPED for row in rows)))
        suite.set("errors", "0")
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in report.board.items():
            ElementTree.SubElement(properties, "property", name=name, value=value)
        for row in rows:
            case = ElementTree.SubElement(suite, "testcase", name=row.name)
            case.set("classname", f"qualify.{part}")
            if row.verdict is Verdict.FAILED:
                ElementTree.SubElement(case, "failure", message=row.detail)
            elif row.verdict is Verdict.SKIPPED:
                ElementTree.SubElement(case, "skipped", message=row.detail)
            elif row.value is not None:
                said = ElementTree.SubElement(case, "system-out")
                said.text = f"{row.value:g} {row.unit}"
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def to_html(report: Report) -> str:
    """Return the report as a page that needs nothing else."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bulkhead_host", "qualify"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html").render(
        report=report,
        version=__version__,
        verdicts=list(Verdict),
        failed=[row for row in report.rows if row.verdict is Verdict.FAILED],
        marked=[row for row in report.rows if row.is_marked],
        marked_percent=MARKED_PERCENT,
        line=line_to_send(report),
    )


def line_to_send(report: Report) -> str:
    """Return all that matters in one line, with a digest that tells of which JSON it is."""
    counts = ", ".join(f"{report.count(verdict)} {verdict.value}" for verdict in Verdict)
    marked = sum(row.is_marked for row in report.rows)
    board = " ".join(report.board.values())
    names = "".join(f"; {row.part}: {row.name}" for row in report.rows if _is_failed(row))
    mark = hashlib.sha256(to_json(report).encode()).hexdigest()[:12]
    return (
        f"bulkhead {__version__} qualify: {board}: {counts}, {marked} figures differ by more "
        f"than {MARKED_PERCENT} %{names} [{mark}]"
    )


def line(row: Row) -> str:
    """Return one row for a person."""
    figure = f"{row.value:.3f} {row.unit}" if row.value is not None else ""
    told = ", ".join(word for word in (figure, row.detail) if word)
    return f"{row.verdict.value:<8}{row.part}: {row.name}" + (f": {told}" if told else "")


def _is_failed(row: Row) -> bool:
    return row.verdict is Verdict.FAILED
