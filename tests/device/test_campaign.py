"""Every kind of fault once on the emulated Pico, by the command: it ends, goes on, is replayed."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from bulkhead_host.campaign.kinds import KINDS
from bulkhead_host.paths import source_root
from docs.schemas import differences, schemas

BULKHEAD = str(Path(sys.executable).parent / "bulkhead")
FILE = source_root() / "tests" / "cases" / "faults_app" / "every_kind.toml"


def test_every_kind_holds_and_a_campaign_that_was_cut_goes_on(tmp_path: Path) -> None:
    results, junit, html = tmp_path / "r.jsonl", tmp_path / "r.xml", tmp_path / "r.html"
    command = [BULKHEAD, "campaign", str(FILE), "--results", str(results), "--json"]
    command += ["--workers", "2", "--junit", str(junit), "--html", str(html)]
    done = run(command)
    first = json.loads(done)
    assert differences(schemas()["campaign"], first) == []
    assert (first["judged"], first["violated"]) == (len(KINDS), 0), done
    assert sorted(one["kind"] for one in first["results"]) == sorted(KINDS)
    assert all(one["evidence"] for one in first["results"] if one["fault"])
    (suite,) = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(KINDS)), "0")
    assert "<svg" in html.read_text()
    lines = results.read_text().splitlines()
    kept = [line for line in lines if '"index": 1,' not in line]
    results.write_text("\n".join(kept) + "\n" + lines[-1][:40])  # cut as it was written
    again = json.loads(run(command))
    assert again["results"] == first["results"]  # the run of fault 1, done again to there
    replayed = json.loads(run([BULKHEAD, "campaign", str(FILE), "--json", "--replay", "1"]))
    assert replayed["results"] == [first["results"][1]]


def run(command: list[str]) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
