"""A farm: tests have boards of an inventory, one of which goes away and one of which lies.

The boards answer the link as the console service does; each is a process of its own behind a
pseudo-terminal, so that ending it is what pulling a cable is.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from xml.etree import ElementTree

import pytest
from processes import started

from bulkhead_host.paths import cache_dir, source_root

pytest_plugins = ["pytester"]

CACHE = cache_dir()  # pytester moves the home folder, where it is
SERVE = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from fake_board import FakeBoard, served
with served(FakeBoard()) as port:
    print(port, flush=True)
    signal.pause()
"""
PULL = """
import json, os, signal, time
def test_pulled(kernel):
    if not os.path.exists("pulled"):
        open("pulled", "w").close()
        pid = json.load(open("pids.json"))[kernel.client.transport.name]
        os.kill(pid, signal.SIGKILL)
        while True:
            kernel.services()
    assert kernel.services().named("led")
"""
LEASES_S = "--bulkhead-wait=20"


@pytest.fixture
def boards(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the ports of three boards; `pids.json` says which process is behind each."""
    monkeypatch.setenv("BULKHEAD_CACHE", str(CACHE))
    command = [sys.executable, "-c", SERVE, str(source_root() / "tests")]
    with ExitStack() as held:
        processes: list[Popen[str]] = [
            held.enter_context(started(command, terminal=None)) for _ in range(3)
        ]
        ports = [str(one.stdout and one.stdout.readline()).strip() for one in processes]
        pids = {port: one.pid for port, one in zip(ports, processes, strict=True)}
        (pytester.path / "pids.json").write_text(json.dumps(pids))
        yield ports


def inventory(folder: Path, ports: list[str], more: Mapping[int, str] | None = None) -> str:
    """Write an inventory of boards b0, b1 and b2, with lines of their own; return the option."""
    text = ""
    for index, port in enumerate(ports):
        text += f'[[board]]\nid = "b{index}"\nboard = "pico"\nport = "{port}"\n'
        text += (more or {}).get(index, "") + "\n"
    (folder / "farm.toml").write_text(text)
    return f"--bulkhead-inventory={folder / 'farm.toml'}"


QUARANTINE = 'quarantine = { since = 2026-11-02, reason = "a loose wire" }'


def said(folder: Path, test: str) -> dict[str, str]:
    """Return what the JUnit report says of the board that a test had."""
    case = ElementTree.parse(folder / "report.xml").find(f".//testcase[@name='{test}']")
    assert case is not None
    return {each.get("name", ""): each.get("value", "") for each in case.iter("property")}


def test_a_test_whose_board_is_pulled_out_has_another_one(
    pytester: pytest.Pytester, boards: list[str]
) -> None:
    pytester.makepyfile(PULL + "\ndef test_after(kernel):\n    assert kernel.services()\n")
    farm = inventory(pytester.path, boards)
    result = pytester.runpytest_subprocess(farm, "--junit-xml=report.xml", timeout=100)
    result.assert_outcomes(passed=2)
    pulled = said(pytester.path, "test_pulled[farm]")
    assert pulled["bulkhead_lost"].startswith("b0: ")
    assert pulled["bulkhead_id"] == "b1"
    assert said(pytester.path, "test_after[farm]")["bulkhead_id"] == "b1"


def test_what_a_board_does_wrong_is_never_tried_again(
    pytester: pytest.Pytester, boards: list[str]
) -> None:
    pytester.makepyfile(
        "def test_fails(kernel):\n"
        "    open('runs', 'a').write('x')\n"
        "    assert kernel.service('led').generation == 7\n"
        "def test_hangs(kernel):\n"
        "    kernel.expect('a line that never comes', timeout_ms=0)\n"
    )
    result = pytester.runpytest_subprocess(inventory(pytester.path, boards), timeout=100)
    result.assert_outcomes(failed=2)
    assert (pytester.path / "runs").read_text() == "x"


def test_a_board_in_quarantine_reports_and_does_not_fail_the_run(
    pytester: pytest.Pytester, boards: list[str]
) -> None:
    pytester.makepyfile(
        "def test_fails(kernel):\n    assert kernel.service('led').generation == 7\n"
        "def test_passes(kernel):\n    assert kernel.services()\n"
    )
    farm = inventory(pytester.path, boards[:1], {0: QUARANTINE})
    result = pytester.runpytest_subprocess(farm, "-rx", "--junit-xml=report.xml", timeout=100)
    result.assert_outcomes(passed=1, xfailed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*b0 is in quarantine since 2026-11-02: a loose wire*"])
    assert "a loose wire" in said(pytester.path, "test_passes[farm]")["bulkhead_quarantine"]


def test_workers_have_a_board_each_and_the_one_in_quarantine_last(
    pytester: pytest.Pytester, boards: list[str]
) -> None:
    pytester.makepyfile(
        "import pytest, time\n@pytest.mark.parametrize('n', range(4))\n"
        "def test_it(kernel, n):\n"
        "    name = kernel.client.transport.name.replace('/', '_')\n"
        "    open(name, 'x').close()\n"  # fails where two tests have one board
        "    time.sleep(0.5)\n"
        "    import os; os.unlink(name)\n"
    )
    farm = inventory(pytester.path, boards, {0: QUARANTINE})
    options = ("-n2", LEASES_S, "--junit-xml=report.xml")
    result = pytester.runpytest_subprocess(farm, *options, timeout=100)
    result.assert_outcomes(passed=4)
    had = {said(pytester.path, f"test_it[farm-{n}]")["bulkhead_id"] for n in range(4)}
    assert had <= {"b1", "b2"}


def test_a_test_has_a_board_with_what_it_needs_around(
    pytester: pytest.Pytester, boards: list[str]
) -> None:
    pytester.makeini("[pytest]\nbulkhead_fixtures = loopback probe")
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.bulkhead_needs('loopback')\ndef test_loop(board): pass\n"
        "@pytest.mark.bulkhead_needs('probe')\ndef test_probe(board): pass\n"
    )
    farm = inventory(pytester.path, boards, {2: 'fixtures = ["loopback"]'})
    result = pytester.runpytest_subprocess(farm, "--junit-xml=report.xml", timeout=100)
    result.assert_outcomes(passed=1, deselected=1)
    assert said(pytester.path, "test_loop[farm]")["bulkhead_id"] == "b2"


def test_a_board_that_is_another_than_the_inventory_says_is_left_out(
    pytester: pytest.Pytester, boards: list[str]
) -> None:
    pytester.makepyfile("def test_it(board): pass")
    farm = inventory(pytester.path, boards[:1])
    text = (pytester.path / "farm.toml").read_text()
    (pytester.path / "farm.toml").write_text(text.replace('"pico"', '"pico_w"'))
    result = pytester.runpytest_subprocess(farm, timeout=100)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*b0: it says that it is a pico, and the inventory pico_w*"])


def test_power_is_switched_before_a_board_is_given_up(
    pytester: pytest.Pytester, boards: list[str]
) -> None:
    switch = pytester.path / "switch.sh"
    switch.write_text(f'#!/bin/sh\necho "$1" >>{pytester.path}/switched\n')
    pytester.makepyfile("def test_it(board): pass")
    power = f'power = "sh {switch} {{action}}"'
    farm = inventory(pytester.path, [str(pytester.path / "nothing"), boards[0]], {0: power})
    pytester.runpytest_subprocess(farm, timeout=100).assert_outcomes(passed=1)
    assert (pytester.path / "switched").read_text().split() == ["off", "on"]
