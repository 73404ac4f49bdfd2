"""Do what a line says that comes over a connection: all by asyncio's own names."""

import asyncio

from bulkhead import OK
from bulkhead.loop import run
from bulkhead.streams import Streams

_PORT = 1804
_IDLE_MS = 5000
_HERE = "127.0.0.1"
_PIECE = bytes(range(250))


async def main(task):
    counter = Counter()
    streams = Streams(task, task.cap("net"), counter.answer, _IDLE_MS)
    await run(task, program(counter), streams.answer)


class Counter:
    """What another task counts while streams wait."""

    def __init__(self):
        self.count = 0
        self.server = None

    def answer(self, _operation, _arg):
        return OK, self.count

    async def run(self):
        while True:
            await asyncio.sleep_ms(10)
            self.count += 1


async def program(counter):
    async def attend(reader, writer):
        words = (await reader.readline()).decode().split()
        try:
            told = await _COMMANDS[words[0]](counter, reader, writer, *words[1:])
        except OSError as error:
            told = "OSError %d" % error.errno
        writer.write(told + "\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    counting = asyncio.create_task(counter.run())
    async with await asyncio.start_server(attend, "0.0.0.0", _PORT) as server:
        counter.server = server
        await counting


async def echo(_counter, reader, writer):
    """Send back whatever comes."""
    while data := await reader.read(100):
        await writer.awrite(data)
    return "."


async def send(_counter, _reader, writer, count):
    """Send so many bytes."""
    for _ in range(int(count) // len(_PIECE)):
        writer.write(_PIECE)
        await writer.drain()
    return "."


async def take(_counter, reader, _writer, count):
    """Take so many bytes."""
    data = await reader.readexactly(int(count))
    return "%d %d" % (len(data), sum(data))


async def fetch(_counter, _reader, _writer, port, what):
    """Connect, send a line, and read until the end."""
    reader, writer = await asyncio.open_connection(_HERE, int(port))
    writer.write(what + "\n")
    await writer.drain()
    said = await reader.read()
    await writer.aclose()
    return repr(said)


async def hurry(_counter, _reader, _writer, port):
    """Wait for somebody who says nothing, but not for long."""
    reader, writer = await asyncio.open_connection(_HERE, int(port))
    try:
        await asyncio.wait_for_ms(reader.readline(), 50)
    except asyncio.TimeoutError:
        return "late"
    finally:
        await writer.aclose()


async def at_home(counter, _reader, _writer):
    """Listen where net cannot."""
    return str(await asyncio.start_server(echo, _HERE, _PORT))


async def elsewhere(_counter, _reader, _writer, port):
    """Listen where the manifest has nothing."""
    return str(await asyncio.start_server(echo, "0.0.0.0", int(port)))


async def around(_counter, _reader, _writer):
    """Connect by what asyncio has of its own."""
    from asyncio import stream

    said = []
    for way in (
        lambda: stream.open_connection(_HERE, _PORT),
        lambda: stream.start_server(echo, _HERE, _PORT),
    ):
        try:
            await way()
            said.append("reached")
        except ImportError as error:
            said.append(str(error))
    return "|".join(said)


async def connected(counter, _reader, _writer):
    """Tell how many connections the server knows of."""
    return str(len(counter.server.connected))


async def crash(_counter, _reader, _writer):
    raise ValueError("as it was told")


_COMMANDS = {
    one.__name__: one
    for one in (echo, send, take, fetch, hurry, at_home, elsewhere, around, connected, crash)
}
