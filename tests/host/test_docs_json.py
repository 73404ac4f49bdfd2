"""What commands print with `--json` is what the reference tells of them."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner
from desk import Desk

from bulkhead_host import abi
from bulkhead_host.campaign.judge import Result
from bulkhead_host.cli import group
from bulkhead_host.commands.why import Wait
from bulkhead_host.image.deploy import Deployed
from bulkhead_host.json_versions import VERSIONS
from bulkhead_host.view.graph import Edge
from docs.schemas import commands, differences, schemas

SCHEMAS = schemas()
HELD = Path(__file__).parent / "json_paths.json"
"""The paths and types that each version has told."""
LINES = {
    "ps": ["ps"],
    "top": ["top", "--interval-ms", "100"],
    "fault": ["fault", "blink"],
    "why": ["why", "blink"],
    "postmortem": ["postmortem"],
    "call": ["call", "led.STATE"],
    "doctor": ["doctor"],
    "devs": ["devs"],
}
OF_CLASSES = {
    "why": ("[].", Wait),
    "graph": ("[].", Edge),
    "deploy": ("", Deployed),
    "campaign": ("results[].", Result),
}


@pytest.mark.parametrize("name", LINES)
def test_json_is_as_the_reference_tells(desk: Desk, name: str) -> None:
    desk.board.services[6].fault = abi.FAULT_NAMES.index("BUDGET")
    desk.board.faults["blink"] = (7, 2, 2, 0, 0, 0, 1, 1500)
    place = [desk.port] if name == "devs" else ["--port", desk.port]
    done = CliRunner().invoke(group, [*LINES[name], "--json", *place])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert differences(SCHEMAS[name], json.loads(done.stdout)) == []


def test_the_json_of_check_is_as_the_reference_tells(tmp_path: Path) -> None:
    (tmp_path / "system.toml").write_text("[system]\nname = 1\n")
    done = CliRunner().invoke(group, ["check", str(tmp_path), "--json"])
    found = json.loads(done.stdout)
    assert found["problems"]
    assert differences(SCHEMAS["check"], found) == []


@pytest.mark.parametrize("name", OF_CLASSES)
def test_what_a_command_prints_of_a_class_is_told(name: str) -> None:
    head, kind = OF_CLASSES[name]
    told = {path.removesuffix("[]") for path in SCHEMAS[name]}
    assert {f"{head}{field.name}" for field in fields(kind)} <= told


def test_every_command_that_prints_json_has_a_schema() -> None:
    assert set(commands()) == set(SCHEMAS)


def test_what_a_version_has_told_stays_until_the_next() -> None:
    for name, held in json.loads(HELD.read_text(encoding="utf-8")).items():
        if VERSIONS[name] != held["version"]:
            assert VERSIONS[name] == held["version"] + 1, f"hold {name} in {HELD.name} anew"
            continue
        now = {path: words.partition(": ")[0] for path, words in SCHEMAS[name].items()}
        changed = {path for path, kind in held["paths"].items() if now.get(path) != kind}
        assert not changed, f"{name}: {changed} takes a new version in json_versions.py"


def test_the_versions_are_printed_for_who_looks_first() -> None:
    done = CliRunner().invoke(group, ["--json-versions"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, VERSIONS)
    assert set(VERSIONS) == set(commands()) == set(json.loads(HELD.read_text(encoding="utf-8")))
