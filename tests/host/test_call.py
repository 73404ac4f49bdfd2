"""`bulkhead call`: what services offer, what a command line means, and what a person is told."""

import json
from pathlib import Path

import pytest
from desk import Desk, bulkhead
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.commands.call import call, value_of
from bulkhead_host.errors import BulkheadError, DeviceTimeout, UsageError
from bulkhead_host.link.client import Client
from bulkhead_host.paths import source_root
from bulkhead_host.system.operations import load_interface, parse_interface

SHIPPED = source_root() / "services"
VALUES = (
    *(None, True, False, 0, -1, 1 << 31, -(1 << 200), 1.5, "", "grün", b"", b"\x00\xff"),
    *((), (1, "two", b"3", None, False, 4.0)),
)


def value(target: str, *words: str) -> object:
    service, _, name = target.partition(".")
    operation = load_interface(service, [SHIPPED]).named(name)
    return value_of(operation, list(words), service=service)


@pytest.mark.parametrize("given", VALUES, ids=ascii)
def test_a_value_goes_over_the_link_and_is_the_same(given: object) -> None:
    data = abi.encode_value(given)
    back = abi.decode_value(data)
    assert (back, type(back)) == (given, type(given))


@pytest.mark.parametrize("given", VALUES, ids=ascii)
def test_a_value_that_is_cut_off_or_has_more_behind_it_is_refused(given: object) -> None:
    data = abi.encode_value(given)
    for damaged in (*(data[:end] for end in range(len(data))), data + b"N"):
        with pytest.raises(ValueError, match=r"value|cut off"):
            abi.decode_value(damaged)


@pytest.mark.parametrize("given", [[1], {1}, ((1,),), object()])
def test_what_no_message_holds_is_refused_before_it_is_sent(given: object) -> None:
    board = FakeBoard()
    with pytest.raises(UsageError):
        Client(FakeLine(board)).call("led", 1, given)
    assert not board.requests


@pytest.mark.parametrize("folder", sorted(path.parent for path in SHIPPED.glob("*/api.py")))
def test_every_service_that_ships_says_what_its_operations_take(folder: Path) -> None:
    interface = load_interface(folder.name, [SHIPPED])
    for operation in interface.operations:
        assert operation.number < abi.REFUSED
        if "arg: (" in operation.words.partition("->")[0]:
            assert operation.is_tuple
            assert len(operation.parameters or ()) > 1


@pytest.mark.parametrize(
    ("target", "words", "expected"),
    [
        ("led.SET", ("1",), 1),
        ("led.set", ("value=0",), 0),
        ("led.1", ("True",), True),
        ("led.TOGGLE", (), None),
        ("gpio.WRITE", ("pin=2", "level=1"), (2, 1)),
        ("gpio.WRITE", ("level=1", "pin=2"), (2, 1)),
        ("gpio.WRITE", ("2", "1"), (2, 1)),
        ("gpio.WRITE", ("level=1", "2"), (2, 1)),
        ("pwm.SET", ("0", "hz=1000", "share=32768"), (0, 1000, 32768)),
        ("store.GET", ("key=pace",), "pace"),
        ("store.PUT", ("key=pace", "value=500"), ("pace", 500)),
        ("store.PUT", ("a", "1", "b", "b'\\x02'"), ("a", 1, "b", b"\x02")),
        ("names.FIND", ("name=led", "least=2", "ms=10"), ("led", 2, 10)),
        ("crasher.PING", ("a text = it",), "a text = it"),
    ],
)
def test_words_make_the_value(target: str, words: tuple[str, ...], expected: object) -> None:
    assert value(target, *words) == expected


@pytest.mark.parametrize(
    ("target", "words", "cause"),
    [
        ("led.SHINE", (), "no operation SHINE"),
        ("led.SET", (), "takes value, and was given 0"),
        ("led.SET", ("1", "2"), "was given 2"),
        ("led.TOGGLE", ("1",), "takes nothing"),
        ("gpio.WRITE", ("pin=2",), "takes pin, level"),
        ("gpio.WRITE", ("pin=2", "colour=1"), "takes no colour"),
        ("store.PUT", ("pace",), "was given 1"),
        ("nothing.SET", (), "no nothing/api.py"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(
    target: str, words: tuple[str, ...], cause: str
) -> None:
    with pytest.raises(UsageError, match=cause):
        value(target, *words)


def test_a_status_has_the_word_that_the_operation_names() -> None:
    interface = parse_interface(
        "x", "GET = const(1)  # -> OK; GONE\nFULL = const(1)\nGONE = const(1)\nODD = const(9)\n"
    )
    assert interface.status_name(1, interface.named("get")) == "GONE"
    assert interface.status_name(9, interface.named("get")) == "ODD"
    assert interface.status_name(5, interface.named("get")) == "5"


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (abi.TIMEOUT, DeviceTimeout, "not answered within 1000 ms"),
        (abi.DEAD, BulkheadError, "is down"),
    ],
)
def test_what_the_kernel_says_of_a_call_is_an_error(
    status: int, error: type[BulkheadError], words: str
) -> None:
    board = FakeBoard(answers={("led", 2): (status, None)})
    interface = load_interface("led", [SHIPPED])
    with pytest.raises(error, match=words):
        call(Client(FakeLine(board)), interface, interface.named("TOGGLE"))


def test_a_call_of_a_held_service_says_that_it_is() -> None:
    board = FakeBoard(answers={("led", 2): (abi.TIMEOUT, None)})
    (led,) = [one for one in board.services if one.name == "led"]
    led.state = abi.STATE_NAMES.index("held")
    interface = load_interface("led", [SHIPPED])
    with pytest.raises(DeviceTimeout, match="led is held"):
        call(Client(FakeLine(board)), interface, interface.named("TOGGLE"))


def test_a_name_that_nothing_is_known_of_lists_the_services_of_the_application(
    tmp_path: Path,
) -> None:
    for name, text in (("relay/api.py", "GET = const(1)\n"), ("b/service.toml", "")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "service.toml").write_text('[service]\ncode = "relay"\n')
    with pytest.raises(UsageError) as caught:
        load_interface("rely", [tmp_path, SHIPPED])
    assert caught.value.next_step.startswith("one of: relay, twin; ")
    with pytest.raises(UsageError) as caught:
        load_interface("rely", [SHIPPED])
    assert "--app" in caught.value.next_step


def test_call_prints_the_answer(desk: Desk) -> None:
    desk.board.answers = {("thermometer", 1): (abi.OK, 2705)}
    done = bulkhead("call", "thermometer.READ", port=desk.port)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2705\n", "")
    assert desk.board.calls == [("thermometer", 1, None)]


def test_call_json_is_for_programs(desk: Desk) -> None:
    desk.board.answers = {("led", 3): (abi.OK, (1, b"\x02", "three"))}
    done = bulkhead("call", "led.STATE", "--json", port=desk.port)
    assert json.loads(done.stdout) == {
        "service": "led",
        "operation": "STATE",
        "status": "OK",
        "value": [1, {"hex": "02"}, "three"],
    }


def test_another_status_than_ok_is_exit_code_1_with_its_name(desk: Desk) -> None:
    desk.board.answers = {("supervisor", 3): (1, None)}
    done = bulkhead("call", "supervisor.INJECT", "blinky", "1", port=desk.port)
    assert (done.returncode, done.stdout) == (1, "")
    assert "supervisor.INJECT answered UNKNOWN" in done.stderr
    assert desk.board.calls == [("supervisor", 3, ("blinky", 1))]


def test_a_service_that_the_board_does_not_have_is_a_usage_error(desk: Desk) -> None:
    done = bulkhead("call", "store.SAVE", port=desk.port)
    assert done.returncode == 2
    assert "thermometer, blink" in done.stderr


def test_call_without_an_operation_lists_them_and_opens_no_port() -> None:
    done = bulkhead("call", "led", port="/dev/nowhere")
    assert done.returncode == 0
    assert "led.SET  arg: 0 or 1 -> OK\n" in done.stdout


def test_an_applications_own_service_is_found_in_its_folder(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "system.toml").write_text("")
    (tmp_path / "led").mkdir()
    (tmp_path / "led" / "api.py").write_text("GLOW = const(7)  # arg: level -> OK\n")
    done = bulkhead("call", "led.glow", "level=3", "--app", str(tmp_path), port=desk.port)
    assert done.returncode == 0
    assert desk.board.calls == [("led", 7, 3)]
