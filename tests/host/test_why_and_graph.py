"""`bulkhead why` and `bulkhead graph`: chains of waits, and who calls whom."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from desk import Desk, bulkhead

from bulkhead_host import abi
from bulkhead_host.commands.why import why
from bulkhead_host.errors import UsageError
from bulkhead_host.link.services import Capability, Service, Table
from bulkhead_host.link.trace import Trace, records
from bulkhead_host.view.graph import columns, edges, label, svg

SLEEP = 7 << 8


def service(name: str, state: str, waits_for: str | None = None) -> Service:
    return Service(
        name=name, priority=4, effective_priority=4, state=state, generation=1, fault=None,
        restarts=0, cpu_us=0, steps=0, clients=0, queue=0, dropped=0, waits_for=waits_for,
    )  # fmt: skip


def table(*services: Service) -> Table:
    return Table(services=services, uptime_ms=1000)


# why


def test_a_chain_of_waits_is_told_to_its_end() -> None:
    chain = why(
        table(
            service("blink", "served", "store"),
            service("store", "calling", "flash"),
            service("flash", "sleeping"),
        ),
        "blink",
    )
    assert [(one.service, one.waits_for) for one in chain] == [
        ("blink", "store"), ("store", "flash"), ("flash", None),
    ]  # fmt: skip
    assert chain[0].text == "has called store, which has received the call and owes the answer"
    assert (
        chain[1].text
        == "has called flash, which has not received the call yet; blink waits for it"
    )
    assert chain[2].text == "sleeps for a time; store waits for it"


def test_a_peer_that_was_called_long_ago_is_no_wait() -> None:
    (only,) = why(table(service("blink", "receiving", "led"), service("led", "running")), "blink")
    assert only.waits_for is None


def test_a_circle_of_waits_is_told_and_ends() -> None:
    chain = why(table(service("a", "sending", "b"), service("b", "sending", "a")), "a")
    assert [one.service for one in chain] == ["a", "b", "a"]
    assert chain[-1].text == "a circle"


def test_a_ready_service_is_behind_what_is_no_less_important() -> None:
    running = replace(service("first", "running"), effective_priority=2)
    less = replace(service("less", "ready"), effective_priority=6)
    (only,) = why(table(running, less, service("mine", "ready")), "mine")
    assert only.text == "is ready, behind first"


@pytest.mark.parametrize("state", abi.STATE_NAMES)
def test_every_state_of_the_kernel_has_words_of_its_own(state: str) -> None:
    chain = why(table(service("mine", state, "peer"), service("peer", "sleeping")), "mine")
    assert chain[0].text
    assert chain[0].text != f"is {state}"


def test_outputs_that_are_safe_are_told_with_since_when_and_how_long() -> None:
    heater = replace(service("heater", "faulted"), fault="EXCEPTION", safe_since_ms=250)
    (wait,) = why(table(heater), "heater")
    assert wait.text.endswith("; its outputs are safe since 0.250 s, for 0.750 s")


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UsageError) as caught:
        why(table(service("blink", "running")), "blnk")
    assert "blink" in caught.value.next_step


def test_why_as_a_program_and_on_a_dump(desk: Desk, tmp_path: Path) -> None:
    blink = desk.board.services[6]
    blink.state, blink.peer = abi.STATE_NAMES.index("served"), 4
    done = bulkhead("why", "blink", port=desk.port)
    assert done.stdout.splitlines()[0].startswith("blink has called led, which has received")
    assert done.stdout.splitlines()[1].startswith("  led waits for messages")
    assert bulkhead("dump", str(tmp_path / "d.json"), port=desk.port).returncode == 0
    done = bulkhead("why", "blink", "--json", "--dump", str(tmp_path / "d.json"))
    assert [one["service"] for one in json.loads(done.stdout)] == ["blink", "led"]


# graph


def step(task: int, trap: int) -> int:
    return abi.EVENT_STEP << 20 | task << 13 | trap


def reach(task: int | None, rights: int, uses: int = 3) -> Capability:
    return Capability(task=task, rights=rights, generation=1, badge=0, uses=uses)


def demo() -> Trace:
    words = [
        (1, 0, abi.EVENT_ENTERED << 20),
        (2, 10, step(3, abi.CALL | 1)),
        (3, 60, step(1, abi.REPLY)),
        (4, 70, step(3, SLEEP)),
    ]
    return Trace(
        records=tuple(records(words)),
        names=("led", "logger", "blink"),
        capabilities={
            "blink": (reach(1, abi.MAY_CALL), reach(2, abi.MAY_SEND, 0), reach(None, 8)),
            "led": (reach(3, abi.MAY_NOTIFY), reach(0, 16)),
            "logger": (),
        },
    )


def test_an_edge_has_what_is_done_how_often_and_how_long_it_takes() -> None:
    call, send, notify = edges(demo())
    assert label(call) == "call x3, 0.05 ms"
    assert (send.source, send.target, label(send)) == ("blink", "logger", "send x0")
    assert (notify.source, notify.target, label(notify)) == ("led", "blink", "notify x3")


def test_a_client_stands_left_of_whom_it_calls() -> None:
    assert columns(demo().names, edges(demo())) == [["blink"], ["led", "logger"]]


def test_a_circle_of_sends_still_gives_columns() -> None:
    both = {"a": (reach(2, abi.MAY_SEND),), "b": (reach(1, abi.MAY_SEND),)}
    trace = Trace(names=("a", "b"), capabilities=both)
    found = columns(trace.names, edges(trace))
    assert sorted(name for column in found for name in column) == ["a", "b"]


def test_the_drawing_is_svg_with_each_service_and_edge() -> None:
    names = demo().names
    drawn = svg(table(*(service(name, "running") for name in names)), edges(demo()), title="t<")
    root = ElementTree.fromstring(drawn)
    inside = {"s": "http://www.w3.org/2000/svg"}
    texts = [one.text for one in root.findall("s:text", inside)]
    assert {"t<", *names, "call x3, 0.05 ms"} <= set(texts)
    assert len(root.findall("s:rect", inside)) == len(names)
    lines = root.findall("s:path", inside)
    assert [one.get("stroke-dasharray") for one in lines] == [None, None, "4 4"]
    assert [one.get("stroke-opacity") for one in lines] == ["1", "0.35", "1"]
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for box in root.findall("s:rect", inside):
        assert 0 <= float(box.get("x", "-1")) <= width - 130
        assert 0 <= float(box.get("y", "-1")) <= height - 44


def test_graph_as_a_program_and_on_a_dump(desk: Desk, tmp_path: Path) -> None:
    desk.board.capabilities["blink"] = [(4, abi.MAY_CALL, 1, 7, 5)]
    out = tmp_path / "demo.svg"
    done = bulkhead("graph", "--seconds", "0", "-o", str(out), port=desk.port)
    assert (done.returncode, done.stdout) == (0, "")
    assert "call x5" in out.read_text()
    assert bulkhead("dump", str(tmp_path / "d.json"), port=desk.port).returncode == 0
    done = bulkhead("graph", "--dump", str(tmp_path / "d.json"))
    assert done.stdout == out.read_text()
    done = bulkhead("graph", "--json", "--dump", str(tmp_path / "d.json"))
    (edge,) = json.loads(done.stdout)
    assert (edge["source"], edge["target"], edge["uses"]) == ("blink", "led", 5)
