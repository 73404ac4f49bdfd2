"""`bulkhead why` and `bulkhead graph`: chains of waits, and who calls whom."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from desk import Desk, bulkhead

from bulkhead_host import abi
from bulkhead_host.commands.graph import drawing
from bulkhead_host.commands.why import why
from bulkhead_host.errors import UsageError
from bulkhead_host.link.services import Capability, Service, Table
from bulkhead_host.link.trace import Trace, records
from bulkhead_host.view.graph import dot, edges, label

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


@pytest.mark.parametrize(
    ("state", "fault", "words"),
    [
        ("faulted", "EXCEPTION", "has failed (EXCEPTION) and waits to be started again"),
        ("ended", "EXCEPTION", "has failed (EXCEPTION) and is not started again, as its "),
        ("ended", "RETURNED", "has run to its end and is not started again, as its manifest "),
    ],
)
def test_what_follows_the_end_of_a_service_is_told(state: str, fault: str, words: str) -> None:
    (wait,) = why(table(replace(service("motor", state), fault=fault)), "motor")
    assert wait.text.startswith(words)


def test_outputs_that_are_safe_are_told_with_since_when_and_how_long() -> None:
    heater = replace(service("heater", "faulted"), fault="EXCEPTION", safe_since_ms=250)
    (wait,) = why(table(heater), "heater")
    assert wait.text.endswith("; its outputs are safe since 0.250 s, for 0.750 s")


def test_a_service_that_never_failed_was_given_up_for_another_of_its_group() -> None:
    motor = replace(service("motor", "degraded"), fault="EXCEPTION")
    mine, group = table(motor, service("stop", "degraded")), "another of its group"
    for name, who in (("motor", f"it, or {group},"), ("stop", group)):
        assert why(mine, name)[0].text.startswith(f"was given up: {who} failed too often; ")


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


@pytest.mark.parametrize(("times", "text"), [(1, "sleeps for a time"), (9, "is ready, behind ")])
def test_why_looks_again_at_what_is_ready_while_the_board_answers(
    desk: Desk, times: int, text: str
) -> None:
    seen = []

    def ready_at_first(kind: int, payload: bytes) -> tuple[int, bytes]:
        if kind == abi.SERVICE and payload.endswith(b"blink"):
            seen.append(kind)
            state = "ready" if len(seen) <= times else "sleeping"
            payload = payload[:2] + bytes([abi.STATE_NAMES.index(state)]) + payload[3:]
        return kind, payload

    desk.board.services[0].state = abi.STATE_NAMES.index("running")
    desk.board.twist = ready_at_first
    assert text in bulkhead("why", "blink", port=desk.port).stdout


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


def drawn(found: Trace, **options: bool) -> ElementTree.Element:
    services = table(*(service(name, "running") for name in found.names))
    return ElementTree.fromstring(drawing(dot(services, edges(found), title='t<"\\', **options)))


def parts(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    groups = root.iter("{http://www.w3.org/2000/svg}g")
    return [one for one in groups if one.get("class") == kind]


def words(part: ElementTree.Element) -> list[str]:
    return ["".join(one.itertext()) for one in part.iter("{http://www.w3.org/2000/svg}text")]


def test_the_drawing_has_each_service_and_each_edge_with_its_words() -> None:
    root = drawn(demo())
    assert 't<"\\' in words(root)
    assert {words(one)[0] for one in parts(root, "node")} == {"led", "logger", "blink"}
    found = sorted(words(one) for one in parts(root, "edge"))
    assert found == [[], ["call x3, 0.05 ms"], ["notify x3"]]


def test_a_client_stands_left_of_whom_it_calls() -> None:
    places = {
        words(one)[0]: float(next(one.iter("{http://www.w3.org/2000/svg}text")).get("x", "0"))
        for one in parts(drawn(demo()), "node")
    }
    assert places["blink"] < min(places["led"], places["logger"])


def test_a_name_of_a_board_is_no_command_of_the_drawing() -> None:
    names = ('a"]; b [label="x', "<b>bold", "back\\slash")
    root = drawn(Trace(names=names))
    assert {words(one)[0] for one in parts(root, "node")} == set(names)


def test_a_hub_says_in_words_what_would_cover_all_else() -> None:
    names = ("console", "logger", *(f"s{number}" for number in range(8)))
    everybody = {f"s{number}": (reach(2, abi.MAY_SEND, 5),) for number in range(8)}
    console = (*(reach(3 + number, abi.MAY_CALL, 0) for number in range(7)), reach(10, 1, 4))
    found = Trace(names=names, capabilities={**everybody, "console": console})
    root = drawn(found)
    notes = {words(one)[0]: words(one)[2:] for one in parts(root, "node")}
    assert notes["logger"] == ["8 reach it, x40"]
    assert notes["console"] == ["may reach 8"]
    assert [words(one) for one in parts(root, "edge")] == [["call x4"]]
    assert len(parts(drawn(found, has_all=True), "edge")) == 16


def test_a_circle_of_sends_is_drawn() -> None:
    both = {"a": (reach(2, abi.MAY_SEND),), "b": (reach(1, abi.MAY_SEND),)}
    assert len(parts(drawn(Trace(names=("a", "b"), capabilities=both)), "edge")) == 2


def test_graph_as_a_program_and_on_a_dump(desk: Desk, tmp_path: Path) -> None:
    desk.board.capabilities["blink"] = [(4, abi.MAY_CALL, 1, 7, 5)]
    out = tmp_path / "demo.svg"
    done = bulkhead("graph", "--seconds", "0", "-o", str(out), port=desk.port)
    assert (done.returncode, done.stdout) == (0, "")
    assert "call x5" in out.read_text()
    assert bulkhead("dump", str(tmp_path / "d.json"), port=desk.port).returncode == 0
    done = bulkhead("graph", "--dump", str(tmp_path / "d.json"))
    assert done.stdout == out.read_text()
    done = bulkhead("graph", "--format", "dot", "--dump", str(tmp_path / "d.json"))
    assert done.stdout.startswith("digraph")
    done = bulkhead("graph", "--json", "--dump", str(tmp_path / "d.json"))
    (edge,) = json.loads(done.stdout)
    assert (edge["source"], edge["target"], edge["uses"]) == ("blink", "led", 5)
