"""Requests to a board and their answers: what is lost is asked again, what is slow waited for.

A request that gets no answer is sent again: the line may lose bytes, and reading twice harms
nobody. An answer is known by its request's sequence number, so a late one, or one for a program
that had the port before, is never taken for another's.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar

from bulkhead_host import abi
from bulkhead_host.errors import DeviceTimeout, NotPermitted
from bulkhead_host.link.frames import Frame, FrameParser, Output
from bulkhead_host.link.pace import Pace
from bulkhead_host.link.services import malformed, parse_hello
from bulkhead_host.link.session import Authority, Opening, Refused, Sent
from bulkhead_host.link.transport import Transport, board_of

_T = TypeVar("_T")
_Answers = dict[int, tuple[Sent, list[Frame]]]
"""Of each request, by its sequence number, what was sent and the frames that have come."""

ANSWER_TIMEOUT_S = 2.0
"""Silence after which a request counts as lost."""

ATTEMPTS = 3

FRAMES_MAX = 300
"""Frames of an answer: a table has at most one for each service, and its end."""

_RECENT_LINES = 32


class Incomplete(Exception):
    """A frame of an answer was lost: ask again."""


class _Overtaken(Exception):
    """A later request was answered first."""


class Requests:
    """One line to a board, and what was asked over it.

    `on_output` gets each line of program output and log, as it comes. `first_sequence` fixes
    sequence numbers and nonces, which are random otherwise: for emulated boards that are to do the
    same each time. `key` is the device key; without one it is this user's. On a line of a network
    `board` is the name that the board has to show; elsewhere it is empty.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        on_output: Callable[[str], None] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        first_sequence: int | None = None,
        key: bytes | None = None,
    ) -> None:
        self.transport = transport
        self.pace = Pace(transport.clock_s)
        self._parser = FrameParser()
        nonces = os.urandom if first_sequence is None else Random(first_sequence).randbytes
        self.board = board_of(transport)
        self._authority = Authority(key, nonces=nonces, board=self.board)
        self._on_output = on_output
        self._timeout_s = timeout_s
        self._sequence = os.urandom(1)[0] if first_sequence is None else first_sequence - 1
        self._recent: deque[str] = deque(maxlen=_RECENT_LINES)
        self._heard_bytes = 0
        self._has_answered = False
        self._watch_sequence: int | None = None
        self._line = b""

    @contextmanager
    def waiting(self, timeout_s: float) -> Iterator[None]:
        """Have what is asked in the block wait so long, in seconds, for each answer."""
        before, self._timeout_s = self._timeout_s, timeout_s
        try:
            yield
        finally:
            self._timeout_s = before

    def _request(
        self,
        kind: int,
        payload: bytes,
        collect: Callable[[Sequence[Frame]], _T | None],
        *,
        attempts: int = ATTEMPTS,
    ) -> _T:
        """Send a request and return what `collect` makes of its answers so far, once it does.

        One that the board refuses for want of a session was not done, and is sent once more.
        """
        try:
            return self._ask(kind, payload, collect, attempts=attempts)
        except Refused as refusal:
            self._authority.refused(refusal.status, was_order=self._authority.needs_order(kind))
        try:
            return self._ask(kind, payload, collect, attempts=attempts)
        except Refused as refusal:
            raise NotPermitted(
                f"the board refused: {abi.status_name(refusal.status)}", "try it again"
            ) from None

    def _ask(
        self,
        kind: int,
        payload: bytes,
        collect: Callable[[Sequence[Frame]], _T | None],
        *,
        attempts: int,
    ) -> _T:
        clock_s = self.transport.clock_s
        begun_s = clock_s()
        answers: _Answers = {}
        for attempt in range(attempts):
            sequence = self._next_sequence()
            answers[sequence] = (self._send(kind, payload, sequence), [])
            try:
                answer = self._await(answers, collect)
            except Incomplete:
                continue
            if answer is not None:
                return answer
            if attempt or attempts == 1:  # a prompt may be left right after the first
                self._raise_if_echoed()
        answer = self._await_busy(answers, collect)
        if answer is not None:
            return answer
        raise DeviceTimeout(
            f"no answer from {self.transport.name} in {clock_s() - begun_s:.0f} s",
            f"see how the board is, by its broker: bulkhead fleet ps {self.transport.name}"
            if self.board
            else "see that the board runs Bulkhead and is not at its REPL, or reset it: "
            f"mpremote connect {self.transport.name} reset",
        )

    def _await_busy(
        self, answers: _Answers, collect: Callable[[Sequence[Frame]], _T | None]
    ) -> _T | None:
        """Wait on for an answer while a board that has answered before says nothing at all.

        It may be slow, and busy with what it was asked. The console does one thing after the
        other: once it answers a later hello, what was asked before is lost.
        """

        def collect_before(frames: Sequence[Frame]) -> _T | None:
            found = collect(frames)
            if found is None and frames[-1].kind == abi.HELLO_IS:
                self.pace.note(parse_hello(frames[-1]).uptime_ms)
                raise _Overtaken
            return found

        clock_s = self.transport.clock_s
        until_s = clock_s() + self._timeout_s / self.transport.pace_min
        may_ask = not self.board  # a hello takes a session there
        while may_ask and self._has_answered and clock_s() < until_s:
            sequence = self._next_sequence()
            answers[sequence] = (self._send(abi.HELLO, b"", sequence), [])
            try:
                found = self._await(answers, collect_before)
            except Incomplete:
                continue
            except _Overtaken:
                return None
            if found is not None:
                return found
            self._raise_if_echoed()
        self._has_answered = False
        return None

    def _challenge(self, opening: Opening) -> tuple[Any, bytes]:
        """Have the board open a session; return it, and the board's key."""
        try:
            return self._ask(
                abi.CHALLENGE,
                opening.nonce,
                lambda frames: opening.session(frames[-1]),
                attempts=ATTEMPTS,
            )
        except DeviceTimeout:
            if opening.other_mark or opening.other_name:
                raise opening.refusal() from None
            raise

    def _await(
        self, answers: _Answers, collect: Callable[[Sequence[Frame]], _T | None]
    ) -> _T | None:
        timeout_s = self.pace.line_s(self._timeout_s)
        deadline_s = self.transport.clock_s() + timeout_s
        while (left_s := deadline_s - self.transport.clock_s()) > 0:
            for frame in self._receive(left_s):
                if frame.sequence not in answers:
                    continue
                sent, frames = answers[frame.sequence]
                opened = sent.opened(frame)
                if opened is None:
                    continue
                frames.append(opened)
                if len(frames) > FRAMES_MAX:
                    raise malformed("an answer that has no end")
                answer = collect(frames)
                if answer is not None:
                    return answer
                deadline_s = self.transport.clock_s() + timeout_s
        return None

    def _receive(self, timeout_s: float) -> list[Frame]:
        """Wait for bytes; hand on output, keep what belongs to a watch, return other frames."""
        frames = []
        data = self.transport.read(max(timeout_s, 0))
        self._heard_bytes += len(data)
        for item in self._parser.feed(data):
            if isinstance(item, Output):
                self._recent.append(item.text)
                if self._on_output is not None:
                    self._on_output(item.text)
                continue
            self._has_answered |= item.kind >= abi.HELLO_IS  # a request is an echo
            if item.sequence == self._watch_sequence:
                self._take_watched(item)
            else:
                frames.append(item)
        return frames

    def _take_watched(self, answer: Frame) -> None:
        """Take a frame that belongs to a watch."""

    def _send(self, kind: int, payload: bytes, sequence: int) -> Sent:
        """Send a request, in an order where it takes one."""
        kind, sent = self._authority.sent(kind, payload, self._challenge)
        self._line = abi.encode(kind, sequence, sent.payload)
        self._recent.clear()
        self.transport.write(self._line)
        return sent

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        if self._sequence == self._watch_sequence:
            self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _raise_if_echoed(self) -> None:
        """Raise when what came back is what was sent: MicroPython's prompt echoes it."""
        echo = self._line.strip(abi.MARK + b"\n").decode()
        unfinished = self._parser.unfinished_output.decode("utf-8", errors="replace")
        if any(echo in line for line in (*self._recent, unfinished)):
            raise DeviceTimeout(
                f"the board at {self.transport.name} is at its REPL, where requests are not heard",
                "leave the prompt by closing its terminal, or restart the board: "
                f"mpremote connect {self.transport.name} reset",
            )
