"""A network for an emulated board: a line on its UART, PPP, and the gateway.

    with EmulatedBoard(image=image) as board:
        network = Network(board, tcp={1883: Broker})
        ...
        network.cut(for_ms=2000)

With `reaches_host=False` nothing but the board's clock and `seed` decides what happens, so that
the same run gives the same result every time.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import cast

from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.net.conditions import Conditions, Plan
from bulkhead_host.emulator.net.events import Events
from bulkhead_host.emulator.net.gateway import BOARD, HOST, Answer, Gateway
from bulkhead_host.emulator.net.ppp import Ppp
from bulkhead_host.emulator.net.tcp import FarEnd
from bulkhead_host.emulator.repairs import Uart

BAUDRATE = 115_200
_BITS_A_BYTE = 10  # start, eight bits, stop
_NS_A_MS = 1_000_000
_QUEUE_BYTES_MAX = 64 * 1024
_MADE_UP_EPOCH_S = 1_767_225_600  # 2026-01-01: what the time is where nothing is the host's


class Network:
    """What a board's UART is connected to. `packets` counts those of IP that came from it."""

    def __init__(  # noqa: PLR0913  (all by keyword)
        self,
        board: EmulatedBoard,
        *,
        uart: int = 0,
        baudrate: int = BAUDRATE,
        conditions: Conditions = Conditions(),  # noqa: B008  (frozen)
        tcp: Mapping[int, Callable[[], FarEnd]] | None = None,
        udp: Mapping[int, Answer] | None = None,
        names: Mapping[str, bytes] | None = None,
        forwards: Mapping[int, int] | None = None,
        reaches_host: bool = True,
    ) -> None:
        self.conditions = conditions
        self.packets = 0
        self._random = random.Random(conditions.seed)
        self._byte_ms = _BITS_A_BYTE * 1000 / baudrate
        self._uart = cast(Uart, board.chip.mcu.uart[uart])
        self._events = Events(board.chip.clock)
        self._queue: deque[int] = deque()
        self._is_sending = False
        self._cuts = 0
        self.gateway = Gateway(
            self._events,
            lambda packet: self._through(packet, self.link.send),
            tcp=tcp or {},
            udp=udp or {},
            names=names or {},
            forwards=forwards or {},
            epoch_s=time.time if reaches_host else self._made_up_epoch_s,
            reaches_host=reaches_host,
        )
        self.link = Ppp(
            host=HOST,
            board=BOARD,
            events=self._events,
            transmit=self._transmit,
            on_packet=self._take_packet,
            on_down=self.gateway.drop,
        )
        self._uart.on_byte = self._take_byte
        self._uart.byte_ns = self._byte_ms * _NS_A_MS
        for at_ms, for_ms in conditions.cuts:
            self._events.after(at_ms, partial(self.cut, for_ms=for_ms))

    @property
    def is_up(self) -> bool:
        """True while the board has an address."""
        return self.link.is_up

    @property
    def is_cut(self) -> bool:
        """True while the line is dead."""
        return self._cuts > 0

    def cut(self, *, for_ms: float | None = None) -> None:
        """Let the line be dead, for a time or until `mend`: bytes on it are lost, both ways."""
        self._cuts += 1
        if for_ms is not None:
            self._events.after(for_ms, self.mend)

    def mend(self) -> None:
        """Let the line be whole again, when each cut has ended."""
        self._cuts = max(0, self._cuts - 1)

    def close(self) -> None:
        """Close all connections, and let the line go."""
        self.gateway.drop()
        self._events.clear()
        self._uart.on_byte = None
        self._uart.byte_ns = 0.0

    def _take_byte(self, byte: int) -> None:
        if not self.is_cut:
            self.link.feed(byte)

    def _take_packet(self, packet: bytes) -> None:
        self.packets += 1
        self._through(packet, self.gateway.take)

    def _through(self, packet: bytes, deliver: Callable[[bytes], None]) -> None:
        """Let a packet take the network, which may lose it, or take its time."""
        how = self.conditions
        if how.loss and self._random.random() < how.loss:
            return
        delay_ms = how.delay_ms + (self._random.random() * how.jitter_ms if how.jitter_ms else 0)
        if delay_ms:
            self._events.after(delay_ms, lambda: deliver(packet))
        else:
            deliver(packet)

    def _transmit(self, frame: bytes) -> None:
        if len(self._queue) + len(frame) <= _QUEUE_BYTES_MAX:
            self._queue.extend(frame)
        if not self._is_sending and self._queue:
            self._is_sending = True
            self._events.after(self._byte_ms, self._send_byte)

    def _send_byte(self) -> None:
        byte = self._queue.popleft()
        if not self.is_cut:
            self._uart.feed_byte(byte)
        self._is_sending = bool(self._queue)
        if self._is_sending:
            self._events.after(self._byte_ms, self._send_byte)

    def _made_up_epoch_s(self) -> float:
        return _MADE_UP_EPOCH_S + self._events.now_ms / 1000


@contextmanager
def networked(board: EmulatedBoard, plan: Plan | None) -> Iterator[Network | None]:
    """Give a board a network while the block runs, or none."""
    if plan is None:
        yield None
        return
    network = Network(board, conditions=plan.conditions, forwards=dict(plan.forwards))
    try:
        yield network
    finally:
        network.close()
