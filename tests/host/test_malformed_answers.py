"""Whatever a board answers, or a dump holds: an exit code, a sentence, no escape sequence."""

import contextlib
import copy
import io
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi, cli
from bulkhead_host.link import ports
from bulkhead_host.link.client import Client
from bulkhead_host.link.dump import take_dump, to_json

EVIL = "\x1b]0;owned\x07\x1b[2J[bold red]x[/]\u202e\n    9.000 E led: forged"
PIECES = (
    *(b"", b"\1", b"\xff" * 8, bytes(300), b"\xff" * 300, EVIL.encode(), b"9" * 300, b"\0zzz"),
    b"\0n" + (300).to_bytes(2, "little") + b"9" * 300,
    b"\0s\x03\x00\xed\xa0\x80",
    b"\0t\xff",
)
PAYLOAD_MAX = 300
KINDS = (abi.SERVICE, abi.END, abi.TEXT, abi.STATUS, abi.RESULT, abi.HELLO_IS, abi.CHALLENGE_IS)
FROM_BOARD = [
    *(["ps"], ["ps", "--json"], ["fault", "led"], ["fault", "led", "--json"], ["postmortem"]),
    *(["trace", "--seconds", "0.1"], ["trace", "--seconds", "0", "--format", "vcd"]),
    *(["graph", "--seconds", "0.1"], ["why", "led"], ["top", "--json"], ["log", "--for", "0.2"]),
    *(["log", "--for", "0.2", "--json"], ["monitor", "--for", "0.5"], ["dump", "FILE"]),
    *(["call", "led.SET", "1"], ["call", "led.SET", "1", "--json"], ["update", "--list"]),
    *(["inject", "crash", "--target", "led"], ["inject", "kill-in-update", "--target", "led"]),
    *(["update", "--list", "--json"], ["update", "blink"], ["rollback", "led"]),
    *(["reset", "--no-wait"], ["inject", "reset"], ["inject", "link-noise"]),
]
FROM_DUMP = [
    *(["ps"], ["ps", "--json"], ["top", "--json"], ["log"], ["log", "--json"], ["fault", "led"]),
    *(["fault", "led", "--json"], ["postmortem"], ["postmortem", "--json"], ["trace"]),
    *(["trace", "--format", "vcd"], ["graph"], ["why", "led"], ["why", "led", "--json"]),
]
VALUES: tuple[Any, ...] = (
    *(None, -1, 0, 255, 65536, 2**40, 10**30, 1.5, float("nan"), "", EVIL, [], {}, [1], True),
    *({"a": 1}, [EVIL], {EVIL: 1}),
)


def telling_board() -> FakeBoard:
    """Return a board that has something to tell of everything."""
    board = FakeBoard()
    board.trace = [
        (1000 * number, number % 9 << 20 | number % 8 + 1 << 13 | 0x100) for number in range(40)
    ]
    board.capabilities["led"] = [(1, 7, 1, 0, 3)]
    board.services[3].fault = 1
    for name in ("", "led"):
        board.faults[name] = (4, 1, 2, 3, 7, 0, 2, 1500)
    return board


def run(words: Sequence[str]) -> None:
    """Run a command to its end; fail on what is none."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["bulkhead", *words]
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as caught,  # anything else is a traceback
    ):
        cli.main()
    assert caught.value.code in (None, 0, 1, 2, 3, 4, 5, 6)
    for text in (out.getvalue(), err.getvalue()):
        assert not set(text) & set("\x1b\x07\u202e")
        assert "    9.000 E led: forged" not in text.splitlines()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("00" * 32)
    monkeypatch.setenv("BULKHEAD_KEY", str(tmp_path / "key"))
    monkeypatch.setattr(sys, "argv", [])


def changed(drawn: random.Random, payload: bytes) -> bytes:
    piece = drawn.choice(PIECES)
    many = bytearray(payload)
    for _ in range(drawn.randrange(6) if payload else 0):
        many[drawn.randrange(len(many))] = drawn.choice((0, 255, 0x1B, drawn.randrange(256)))
    cut = payload[: drawn.randrange(len(payload) + 1)]
    noise = drawn.randbytes(drawn.randrange(330))
    return drawn.choice((cut, piece, payload + piece, piece + payload, bytes(many), noise))[
        :PAYLOAD_MAX
    ]


@pytest.mark.parametrize("words", FROM_BOARD, ids=" ".join)
def test_a_board_that_answers_anything(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = [str(tmp_path / "d.json") if word == "FILE" else word for word in words]
    for seed in range(12):
        drawn = random.Random(f"{seed}:{words}")
        board = telling_board()

        def twist(
            kind: int, payload: bytes, drawn: random.Random = drawn, seed: int = seed
        ) -> tuple[int, bytes]:
            if drawn.random() > (0.05, 0.3, 1)[seed % 3]:
                return kind, payload
            kind = drawn.choice(KINDS) if drawn.random() < 0.1 else kind
            return kind, changed(drawn, payload)

        board.twist = twist
        line = FakeLine(board)
        line.after(0.01, f"    1.000 E x: {EVIL}\r\n".encode().replace(b"\n    9", b"    9"))
        monkeypatch.setattr(ports, "open_serial", lambda _, line=line: line)
        run([*given, "--port", "socket://board:1"])


@pytest.mark.parametrize("kind", [abi.FAULT_TEXT, abi.TRACE])
def test_an_answer_without_an_end_ends(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(FakeBoard):
        """Its fault's text has no end, nor has its trace."""

        def _fault_text(self, sequence: int, name: str, offset: int) -> bytes:
            return abi.encode(abi.TEXT, sequence, b"A" * 300)

        def _trace(self, frame: Any) -> bytes:
            record = abi.TRACE_STRUCT.pack(1, 1 << 20 | 1 << 13)
            return abi.encode(abi.TEXT, frame.sequence, frame.payload + record * 31)

    assert abi.TRACE_READ_MAX <= 31

    class Line(FakeLine):
        """Each request takes its time."""

        def write(self, data: bytes) -> None:
            super().write(data)
            self.pass_time(0.001)

    board = Endless()
    board.faults["led"] = (4, 1, 2, 3, 7, 0, 2, 1500)
    monkeypatch.setattr(ports, "open_serial", lambda _: Line(board))
    words = ["fault", "led"] if kind == abi.FAULT_TEXT else ["trace", "--seconds", "0.1"]
    run([*words, "--port", "socket://board:1"])


def test_a_table_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(FakeBoard):
        """Its table has rows, and no end."""

        def table(self, sequence: int) -> bytes:
            return 400 * abi.encode(abi.SERVICE, sequence, self.services[0].payload(1))

    board = Endless()
    monkeypatch.setattr(ports, "open_serial", lambda _: FakeLine(board))
    run(["ps", "--port", "socket://board:1"])


# Dumps


def dumped() -> dict[str, Any]:
    client = Client(FakeLine(telling_board()))
    found: dict[str, Any] = json.loads(to_json(take_dump(client, log=["    1.000 I led: on"])))
    return found


def places(value: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if place:
        yield place
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, (*place, name))
    if isinstance(value, list):
        for index, one in enumerate(value[:3]):
            yield from places(one, (*place, index))


def change(drawn: random.Random, found: Any, place: tuple[str | int, ...]) -> None:
    for step in place[:-1]:
        found = found[step]
    how = drawn.randrange(4)
    if how == 0:
        del found[place[-1]]
    elif how == 1 and isinstance(found[place[-1]], str):
        found[place[-1]] += EVIL
    else:
        found[place[-1]] = drawn.choice(VALUES)


@pytest.mark.parametrize("words", FROM_DUMP, ids=" ".join)
def test_a_dump_that_holds_anything(words: list[str], tmp_path: Path) -> None:
    whole = dumped()
    file = tmp_path / "d.json"
    file.write_text(json.dumps(whole))
    run([*words, "--dump", str(file)])
    drawn = random.Random(f"dump:{words}")
    for _ in range(60):
        found = copy.deepcopy(whole)
        change(drawn, found, drawn.choice(list(places(found))))
        file.write_text(json.dumps(found))
        run([*words, "--dump", str(file)])


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "null", "{}", "\0", '{"format": 1}'])
def test_a_file_that_is_no_dump_exits_2(text: str, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(text)
    run(["ps", "--dump", str(tmp_path / "d.json")])
