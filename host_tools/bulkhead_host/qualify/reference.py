"""The emulated board's figures for the same looks: measured once for each image, then kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bulkhead_host.files import read_text, write_text
from bulkhead_host.image.cache import digest
from bulkhead_host.paths import cache_dir
from bulkhead_host.qualify import figures, lines
from bulkhead_host.qualify.desks import EmulatedDesk
from bulkhead_host.qualify.run import Images, Plan, qualify
from bulkhead_host.qualify.verdicts import Row, Verdict

_PARTS = (figures.PART, lines.PART)
"""What has figures that one board may have and another not."""


def reference(plan: Plan, images: Images) -> list[Row]:
    """Return the rows of an emulated board for a plan, of the parts that have figures."""
    wanted = replace(plan, parts=tuple(part for part in plan.parts if part in _PARTS))
    if not wanted.parts:
        return []
    path = _path(wanted, images)
    if path.exists():
        return [Row(**{**row, "verdict": Verdict(row["verdict"])}) for row in _read(path)]
    desk = EmulatedDesk(wires=plan.wires)
    rows = [row for row in qualify(desk, wanted, images) if row.value is not None]
    desk.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [
        {"part": row.part, "name": row.name, "verdict": row.verdict.value, "value": row.value}
        for row in rows
    ]
    write_text(path, json.dumps(kept, indent=1) + "\n")
    return rows


def _read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(read_text(path))
    return rows


def _path(plan: Plan, images: Images) -> Path:
    contents = [path.read_bytes() for path in (images.cases, images.bench)]
    return cache_dir() / "qualify" / f"{digest(repr(plan), *contents)[:24]}.json"
