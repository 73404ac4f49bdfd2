"""Serves an emulated board to other programs, in the calling thread or one of its own.

The loop gives the board a slice of time, carries bytes, and sleeps while device time is where the
wall clock is. A served board is paced always: programs on the host measure their time-outs by
the wall clock, and the board by its own, so that a board that raced ahead while idle (it would,
thousands of times faster than real) would find every host too slow. "full" and "real" differ in
one thing only: "real" says so when the board cannot keep up with a person who watches.
"""

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self, TypeVar

from bulkhead_host.emulator.board import EmulatedBoard, Pace
from bulkhead_host.emulator.bootloader import report_on_stderr
from bulkhead_host.emulator.pace import Pacer
from bulkhead_host.emulator.ports import Outbox, Port

_T = TypeVar("_T")

_CLOSED_US = 100_000  # a board looks every 25 ms
_IDLE_S = 0.01
_UNSENT_BYTES_MAX = 4096
_SAVE_EVERY_S = 1.0
_REPORT_EVERY_S = 10.0
_STOP_TIMEOUT_S = 10.0
_SLOW_SHARE = 0.05
_UP_US_MAX = 2_000_000
"""A board that has not idled by then, by its own clock, does not: it is up all the same."""


class BoardServer:
    """Owns a board while it serves it. `call` is the way in from other threads.

    `on_up` is called once, in the thread that serves, when the board has booted: it waits for
    what comes, or has gone on for two seconds of its own. A busy board is 20 times slower than a
    real one: a program that looked for it earlier would find nobody there.

    As a context manager it serves in a thread of its own and switches the board off at the end.
    """

    def __init__(
        self,
        board: EmulatedBoard,
        port: Port,
        *,
        pace: Pace = "full",
        report: Callable[[str], None] = report_on_stderr,
        on_up: Callable[[], None] | None = None,
    ) -> None:
        self.board = board
        self.port = port
        self._on_up = on_up
        self._report = report if pace == "real" else None
        self._outbox = Outbox(port)
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._pacer = Pacer(board.chip, rate=board.rate)
        self._next_save_s = self._next_report_s = time.monotonic()
        self._reported_lost_ns = 0.0
        self._was_there = False
        self._closed_until_us = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self) -> None:
        """Serve until `stop` is called, from another thread or a signal handler."""
        self.board.start()
        self._pacer = Pacer(self.board.chip, rate=self.board.rate)
        self.board.console.set_terminal_attached(False)
        while not self._is_stopping.is_set():
            self._step()
        self._run_calls()

    def start(self) -> None:
        """Serve in a thread of its own."""
        self.board.start()
        self._thread = threading.Thread(target=self._run_in_thread, name="board", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Make `run` return soon; safe in a signal handler."""
        self._is_stopping.set()
        self._wake()

    def close(self) -> None:
        """Stop serving, switch the board off, save its flash and remove the port."""
        self.stop()
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT_S)
        self.board.stop()
        self.port.close()
        self._wake_sender.close()
        self._wake_receiver.close()
        if self._failure is not None:
            raise self._failure

    def call(self, function: Callable[[EmulatedBoard], _T], *, timeout_s: float = 10) -> _T:
        """Run `function` on the board between two slices, and return its result.

        For use while the board is served in a thread: `server.call(lambda board:
        board.pin(15).press())`. Exceptions come back to the caller, also the one that has ended
        the serving.
        """
        if self._failure is not None:
            raise self._failure
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(function(self.board))
            except BaseException as error:
                future.set_exception(error)

        self._calls.put(run)
        self._wake()
        return future.result(timeout_s)

    def _run_in_thread(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._failure = error

    def _step(self) -> None:
        self._run_calls()
        is_attached = self._look_for_client()
        if self._take_input() and not is_attached:
            # Whoever sent that came after the look, and the answer is for them.
            is_attached = self._look_for_client()
        if not self._outbox.must_wait:
            self.board.advance_once(self._pacer.allowed_ns())
        self._give_output(is_attached=is_attached)
        self._housekeeping()
        behind_ns = self._pacer.allowed_ns() - self.board.chip.nanos
        is_idle = behind_ns < _IDLE_S * 1e9 / 2
        if self._on_up is not None:
            self._look_whether_up(is_idle=is_idle)
        if self._outbox.must_wait or is_idle:
            self._sleep()

    def _look_whether_up(self, *, is_idle: bool) -> None:
        has_booted = is_idle and self.board.console.is_configured
        if self._on_up is not None and (has_booted or self.board.clock_us >= _UP_US_MAX):
            self._on_up()
            self._on_up = None

    @property
    def _takes_input(self) -> bool:
        # A board that restarts has no port for a moment; what is sent then waits for it.
        console = self.board.console
        has_room = console.is_configured and console.unsent_size < _UNSENT_BYTES_MAX
        return has_room and not self._is_held

    def _look_for_client(self) -> bool:
        """Return whether a client is there, which the board is told.

        A board has to notice that a client has left, so the next one waits a moment.
        """
        is_there = self.port.update()
        if self._was_there and not is_there:
            self._closed_until_us = self.board.clock_us + _CLOSED_US
        self._was_there = is_there
        is_attached = is_there and not self._is_held
        self.board.console.set_terminal_attached(is_attached)
        return is_attached

    @property
    def _is_held(self) -> bool:
        return self.board.clock_us < self._closed_until_us

    def _take_input(self) -> bool:
        data = self.port.read() if self._takes_input else b""
        if data:
            self.board.console.write(data)
        return bool(data)

    def _give_output(self, *, is_attached: bool) -> None:
        self._outbox.put(self.board.read())
        if is_attached:
            self._outbox.flush()
        else:
            self._outbox.discard()

    def _sleep(self) -> None:
        waitable: list[socket.socket | int] = [self._wake_receiver]
        if self._takes_input:
            waitable += self.port.waitable()
        with contextlib.suppress(InterruptedError):
            select.select(waitable, [], [], _IDLE_S)
        with contextlib.suppress(BlockingIOError):
            self._wake_receiver.recv(1024)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_sender.send(b"!")

    def _run_calls(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()()

    def _housekeeping(self) -> None:
        now = time.monotonic()
        if now >= self._next_save_s:
            self._next_save_s = now + _SAVE_EVERY_S
            self.board.save_flash()
        if self._report is not None and now >= self._next_report_s:
            self._next_report_s = now + _REPORT_EVERY_S
            lost_s = (self._pacer.lost_ns - self._reported_lost_ns) / 1e9
            self._reported_lost_ns = self._pacer.lost_ns
            if lost_s > _SLOW_SHARE * _REPORT_EVERY_S:
                self._report(f"the board lost {lost_s:.1f} s of the last {_REPORT_EVERY_S:g} s")
