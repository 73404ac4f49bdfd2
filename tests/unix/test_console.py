"""The console service under attack: 10,000 hostile frames, and nothing but counts changes."""

from itertools import islice
from pathlib import Path

import pytest
from hostile import Hostile, answer, open_session
from unix_console import unix_console

from bulkhead_host import abi
from bulkhead_host.errors import NotPermitted
from bulkhead_host.link.client import Client

KEY = bytes(range(50, 82))
FRAMES = 10_000
AT_ONCE = 250
TIMEOUT_S = 300


def test_ten_thousand_hostile_frames_are_refused_counted_and_change_nothing(
    micropython: Path, tmp_path: Path
) -> None:
    with unix_console(micropython, tmp_path, KEY) as line:
        client = Client(line, first_sequence=1, timeout_s=TIMEOUT_S, key=KEY)
        client.control("crasher", "hold")
        before = client.table()
        session = open_session(line, KEY)
        taken = [session.order(bytes([abi.CONTROL, 2]) + b"nobody") for _ in range(3)]
        for number, order in enumerate(taken, 1):
            sealed = answer(line, abi.encode(abi.ORDER, 200, order))
            assert sealed.kind == abi.ANSWER
            refusal = abi.Answers(session, number).opened(sealed.payload)
            assert refusal == bytes([abi.STATUS, abi.UNKNOWN])
        hostile = Hostile(seed=1, session=session, taken=taken)
        lines = list(hostile.lines(FRAMES))
        for start in range(0, FRAMES, AT_ONCE):
            line.write(b"".join(lines[start : start + AT_ONCE]))
            client.listen(0)
        after = client.table()
        assert [(one.name, one.generation, one.fault) for one in after.services] == [
            (one.name, one.generation, one.fault) for one in before.services
        ]
        assert after.services[3].state == "held"
        losses, expected = after.losses, hostile.expected
        assert losses.damaged == expected.damaged
        assert losses.refused == expected.refused
        assert losses.replayed == expected.replayed
        assert min(expected.damaged, expected.refused, expected.replayed) > FRAMES // 10
        assert before.losses.refused == 0
        client.control("crasher", "release")
        assert client.table().services[3].restarts == before.services[3].restarts + 1


def test_a_closed_board_is_read_by_who_has_its_key_alone(
    micropython: Path, tmp_path: Path
) -> None:
    with unix_console(micropython, tmp_path, KEY, reading="closed") as line:
        client = Client(line, first_sequence=1, timeout_s=TIMEOUT_S, key=KEY)
        assert client.hello().reading_is_closed
        assert client.table().names == ["supervisor", "logger", "console", "crasher"]
        assert client.fault_text("crasher") == ""
        assert None not in list(islice(client.watch(interval_ms=50), 3))
        bare = [kind for kind in abi.READING if kind != abi.WATCH]
        for number, kind in enumerate(bare):
            refusal = answer(line, abi.encode(kind, 200 + number, b"console"))
            assert (refusal.kind, refusal.payload) == (abi.STATUS, bytes([abi.NO_SESSION]))
        stranger = Client(line, first_sequence=100, timeout_s=5, key=bytes(32))
        assert stranger.hello().application == "console"
        with pytest.raises(NotPermitted, match="another key"):
            stranger.table()
