"""asyncio's streams over the service `net`, which alone has sockets: for `bulkhead.loop`.

    async def main(task):
        streams = Streams(task, task.cap("net"))
        await run(task, program(task), streams.answer)

From then on `asyncio.open_connection` and `asyncio.start_server` are these, so that a program or
library that was written for asyncio's own runs unmodified. Whom it may reach, and the ports where
it listens, are in the manifest under [net]. A stream that waits holds no other task up: `net`
notifies the service once there is something to do. What cannot be is an OSError.

`asyncio` keeps the two in its module, as it does its queue: one service of a system may use it.
"""

import asyncio
from asyncio import CancelledError, Event, create_task, sleep_ms
from errno import (
    EACCES,
    ECONNREFUSED,
    ECONNRESET,
    EHOSTUNREACH,
    EINVAL,
    ENOMEM,
    EOPNOTSUPP,
)

from bulkhead.loop import refuse
from kernel.abi import DEAD, NOTIFIED, OK
from kernel.abi import READABLE as _LENT_TO_READ
from kernel.abi import WRITABLE as _LENT_TO_WRITE
from micropython import const
from time import ticks_diff, ticks_ms

from services.net.api import (
    ACCEPT,
    CLOSE,
    COUNT_MAX,
    DOWN,
    EMPTY,
    ENDED,
    LISTEN,
    NO_ANSWER,
    NO_ROOM,
    NOT_ALLOWED,
    OPEN,
    POLL,
    READ,
    STATUS,
    TCP,
    WRITE,
)

_NEWS = const(1 << 25)  # the highest bit: the others are the service's own
_AT_ONCE = const(256)  # bytes that a stream reads ahead
_AGAIN_MS = const(200)  # before another try, where there is no room, or net was started anew
_WATCH_MS = const(1000)
_IDLE_MS = const(30_000)
_EVERY_ADDRESS = ("0.0.0.0", "", None)
_ERRORS = {
    NOT_ALLOWED: EACCES,
    NO_ROOM: ENOMEM,
    DOWN: EHOSTUNREACH,
    NO_ANSWER: EHOSTUNREACH,
    ENDED: ECONNREFUSED,
}


class Streams:
    """The connections and servers of a service.

    `answer` is what `run` takes: it sees to what `net` notifies of, and hands all else on. Who
    keeps a server's connection waiting for `idle_ms` gives way to others.
    """

    def __init__(self, task, net, answer=refuse, idle_ms=_IDLE_MS):
        self.task = task
        self.net = net
        self.idle_ms = idle_ms
        self.has_begun = False
        self._news = Event()
        self._answer = answer
        setattr(asyncio, "open_connection", self.open_connection)  # noqa: B010
        setattr(asyncio, "start_server", self.start_server)  # noqa: B010

    def answer(self, operation, arg):
        """Wake the streams that wait, or answer a message as the program does."""
        if operation == NOTIFIED:
            if arg & _NEWS:
                self.wake()
                arg &= ~_NEWS
            if not arg:
                return OK, None
        return self._answer(operation, arg)

    def wake(self):
        """Have each stream that waits try again."""
        self._news.set()
        self._news.clear()

    async def news(self):
        """Wait until net has something for a stream, it may be another's."""
        await self._news.wait()

    async def open_connection(self, host, port, ssl=None, server_hostname=None):
        """Connect; return a stream to read from and one to write to, which are the same."""
        _refuse_tls(ssl)
        socket = await self.ask(OPEN, (TCP, host, port, _NEWS))
        stream = Stream(self, socket, (host, port))
        try:
            while await self.ask(POLL, socket) is None:
                await self.news()
        except (CancelledError, OSError):
            await stream.wait_closed()
            raise
        return stream, stream

    async def start_server(self, client, host, port, backlog=5, ssl=None):
        """Have `client(reader, writer)` run as a task for each who connects to a port.

        `net` listens at all addresses of the board, and one waits there to be accepted.
        """
        _refuse_tls(ssl)
        if host not in _EVERY_ADDRESS:
            raise OSError(EINVAL)
        server = Server(self, port, await self.ask(LISTEN, (port, _NEWS)))
        server.task = create_task(server.serve(client))
        await sleep_ms(0)  # it has begun then, and can be cancelled
        return server

    async def ask(self, operation, arg):
        """Call net; return its answer, None for EMPTY. Raises OSError.

        The first call closes what an incarnation has left that was replaced by an update.
        """
        if not self.has_begun:
            self.has_begun = True
            await self._call(CLOSE, None)
            create_task(self._watch())
        status = await self._call(operation, arg)
        if status == OK:
            return self.task.arg
        if status == EMPTY:
            return None
        raise OSError(_ERRORS.get(status, ECONNRESET))

    async def _call(self, operation, arg):
        status = await self.task.call(self.net, operation, arg)
        if status == DEAD and (await self.task.reopen(self.net)) == OK:
            status = await self.task.call(self.net, operation, arg)
            self.wake()  # the others' connections are gone too
        return status

    async def _watch(self):
        """Ask net now and then: one that dies notifies nobody."""
        while True:
            await sleep_ms(_WATCH_MS)
            await self._call(STATUS, None)

    async def lend(self, operation, socket, buffer, rights):
        """Call net with a buffer; return how many bytes were moved, None for EMPTY, -1 at the end.

        Raises OSError where the connection is gone.
        """
        task = self.task
        arg = (socket, len(buffer))
        status = await task.call_lending(self.net, operation, buffer, rights, arg)
        if status == OK:
            return task.arg
        if status == EMPTY:
            return None
        if status == ENDED:
            return -1
        if status == DEAD:
            await task.reopen(self.net)
            self.wake()
        raise OSError(ECONNRESET)


class Stream:
    """A connection, to read from and to write to; the methods are those of asyncio's streams."""

    def __init__(self, streams, socket, peer):
        self.streams = streams
        self.socket = socket
        self.peer = peer
        self.out = b""
        self.buffer = bytearray(_AT_ONCE)
        self.begin = self.end = 0  # of what was read ahead
        self.moved_ms = ticks_ms()

    def get_extra_info(self, name):
        """Return (host, port) of the peer, for "peername"."""
        return {"peername": self.peer}[name]

    async def read(self, count=-1):
        """Return bytes that have come, at most `count`; all to the end if that is -1."""
        if count >= 0:
            return self._take(count) if count and await self._fill() else b""
        parts = []
        while await self._fill():
            parts.append(self._take(_AT_ONCE))
        return b"".join(parts)

    async def readinto(self, buffer):
        """Read into a buffer what there is; return how many bytes, 0 at the end."""
        data = await self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    async def readexactly(self, count):
        """Return so many bytes. Raises EOFError when the peer has ended before."""
        parts = []
        while count:
            if not await self._fill():
                raise EOFError
            parts.append(self._take(count))
            count -= len(parts[-1])
        return b"".join(parts)

    async def readline(self):
        """Return a line with its end, or what there was before the peer has ended."""
        parts = []
        while await self._fill():
            at = self.buffer.find(b"\n", self.begin, self.end)
            parts.append(self._take(_AT_ONCE if at < 0 else at + 1 - self.begin))
            if at >= 0:
                break
        return b"".join(parts)

    def write(self, data):
        """Have data sent: `drain` sends them."""
        self.out += data if type(data) is not str else data.encode()

    async def drain(self):
        """Wait until net has taken what was written."""
        data, self.out = memoryview(self.out), b""
        taken = 0
        while taken < len(data):
            piece = data[taken : taken + COUNT_MAX]
            count = await self._move(WRITE, piece, _LENT_TO_READ)
            if count < 0:
                raise OSError(ECONNRESET)
            taken += count
        await sleep_ms(0)  # a loop that writes and drains lets the other tasks run

    def close(self):
        """Do nothing, as asyncio's: `wait_closed` closes."""

    async def wait_closed(self):
        """Close the connection."""
        socket, self.socket = self.socket, 0
        if socket:
            await self.streams.task.call(self.streams.net, CLOSE, socket)
            self.streams.wake()  # who waits for this one, and who waits for room

    async def awrite(self, data, at=0, count=-1):
        """Write and drain, as asyncio's second version had it."""
        if at or count >= 0:
            data = memoryview(data)[at : len(data) if count < 0 else at + count]
        self.write(data)
        await self.drain()

    aclose = wait_closed
    awritestr = awrite

    async def _fill(self):
        """Have something to take; tell whether there is."""
        if self.begin == self.end:
            count = await self._move(READ, self.buffer, _LENT_TO_WRITE)
            self.begin, self.end = 0, max(count, 0)
        return self.begin < self.end

    async def _move(self, operation, buffer, rights):
        """Read or write once net can; return how many bytes, -1 at the end."""
        while True:
            count = await self.streams.lend(operation, self.socket, buffer, rights)
            if count is not None:
                self.moved_ms = ticks_ms()
                return count
            await self.streams.news()

    def _take(self, count):
        """Return bytes that were read ahead, so many at most."""
        begin = self.begin
        self.begin = min(begin + count, self.end)
        return bytes(self.buffer[begin : self.begin])


class Server:
    """One that listens at a port; `async with` closes it."""

    def __init__(self, streams, port, socket):
        self.streams = streams
        self.port = port
        self.socket = socket
        self.task = None
        self.is_closed = False
        self.connected = []  # streams, those among them that are closed until the next comes

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        self.close()
        await self.wait_closed()

    def close(self):
        """Have it end; those who are connected stay."""
        self.is_closed = True
        self.task.cancel()

    async def wait_closed(self):
        """Wait until it has ended."""
        await self.task

    async def serve(self, client):
        """Take connections, and listen anew when net was started anew."""
        try:
            while True:
                stream = await self._accept()
                if stream:
                    create_task(self._attend(client, stream))
        except CancelledError:
            if self.socket:
                await self.streams.task.call(self.streams.net, CLOSE, self.socket)
            if not self.is_closed:
                raise

    async def _attend(self, client, stream):
        """Run the program's part for one connection, which an exception closes."""
        self.connected = [one for one in self.connected if one.socket] + [stream]
        try:
            await client(stream, stream)
        except (CancelledError, Exception):
            await stream.wait_closed()
            raise

    async def _accept(self):
        """Return a connection, or None after what may have brought one."""
        streams = self.streams
        try:
            if not self.socket:
                self.socket = await streams.ask(LISTEN, (self.port, _NEWS))
            found = await streams.ask(ACCEPT, (self.socket, _NEWS))
        except OSError as error:
            if error.errno != ENOMEM:
                self.socket = 0
            await self._end_idle()
            await sleep_ms(_AGAIN_MS)
            return None
        if found is None:
            await streams.news()
            return None
        return Stream(streams, found[0], found[1:])

    async def _end_idle(self):
        """Close the connections where nothing has moved for long: there is room for two."""
        for one in self.connected:
            if ticks_diff(ticks_ms(), one.moved_ms) > self.streams.idle_ms:
                await one.wait_closed()


def _refuse_tls(ssl):
    if ssl:
        raise OSError(EOPNOTSUPP)
