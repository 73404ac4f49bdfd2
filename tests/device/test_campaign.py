"""A short campaign on the emulated Pico, by the command: it ends, goes on, and is replayed."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from bulkhead_host.paths import source_root

BULKHEAD = str(Path(sys.executable).parent / "bulkhead")
FILE = source_root() / "tests" / "cases" / "campaign.toml"


def test_a_short_campaign_violates_nothing_and_is_resumed(tmp_path: Path) -> None:
    results, report = tmp_path / "r.jsonl", tmp_path / "report.xml"
    command = [BULKHEAD, "campaign", str(FILE), "--results", str(results), "--json"]
    command += ["--junit", str(report)]
    done = run(command)
    first = json.loads(done)
    assert (first["judged"], first["violated"]) == (5, 0), done
    assert all(one["recovery_ms"] < 1500 for one in first["results"])
    assert all(one["fault"] in ("EXCEPTION", "BUDGET") for one in first["results"])
    (suite,) = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("5", "0")
    lines = results.read_text().splitlines()
    results.write_text("\n".join(lines[:-1]) + "\n")  # as if it had been stopped before the last
    again = json.loads(run(command))
    assert again["results"][:4] == first["results"][:4]
    last, before = again["results"][4], first["results"][4]
    assert (last["kind"], last["target"]) == (before["kind"], before["target"])
    replayed = json.loads(run([BULKHEAD, "campaign", str(FILE), "--json", "--replay", "4"]))
    assert replayed["results"] == [last]


def run(command: list[str]) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
