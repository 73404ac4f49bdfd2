"""The frame of a service whose `main` is an `async def`: its traps are awaited.

    status = await sys.call(led, TOGGLE)

`await` has to carry a trap's word to the kernel and its result back. One object a task serves
every await: it hands out the word, and ends with a StopIteration that is kept for each result, so
that no await allocates once its result has been seen. On the Pico that is 50 us more than `yield`;
frame methods that are generators themselves take 78 us more and 64 bytes, a helper generator
around a plain frame method 98 us and 80 bytes.
"""

from bulkhead.frame import Frame
import micropython


class NotAwaited(Exception):
    """A trap was made before the last one was awaited."""


class Await:
    """The awaitable of one task: yields the trap word it holds, ends with the trap's result.

    MicroPython looks for what `await` needs in the instance before the class, where it is bound
    to what does it without a method call.
    """

    def __init__(self):
        self.words = words = []  # the word of the trap being made, no other
        ends = {}

        @micropython.native
        def send(result):
            end = ends.get(result)
            if end is None:
                end = ends[result] = StopIteration(result)
            raise end

        self.send = send
        self.__next__ = words.pop  # type: ignore[method-assign]

    @micropython.native
    def __iter__(self):
        """Return what `await` resumes."""
        return self

    __await__ = __iter__

    def __next__(self):
        """Return the trap word. CPython looks here."""
        return self.words.pop()


def _unawaited(words):
    words.clear()
    raise NotAwaited("await each trap of an async service before the next")


def _awaited(method):
    """Return a method of AsyncFrame for a method of Frame that is not often called."""

    def trap(self, *operands, **named):
        return self._put(method(self, *operands, **named))

    return trap


class AsyncFrame(Frame):
    """One incarnation's frame, the `sys` that `async def main(sys)` gets: see `Frame`."""

    def __init__(self, registers, handles):
        super().__init__(registers, handles)
        self.awaitable = Await()
        for name in ("call", "send"):
            setattr(self, name, self._message(getattr(self, name)))
        self.recv = self._recv(self.recv)  # type: ignore[method-assign]
        self.reply_recv = self._reply_recv(self.reply_recv)  # type: ignore[method-assign]

    # What is called most is a closure: it finds all it needs without looking up an attribute.

    def _message(self, word_of):
        awaitable = self.awaitable
        words = awaitable.words
        append = words.append
        unawaited = _unawaited

        @micropython.native
        def trap(handle, operation, arg=None, timeout_ms=None):
            if words:
                unawaited(words)
            append(word_of(handle, operation, arg, timeout_ms))
            return awaitable

        return trap

    def _recv(self, word_of):
        awaitable = self.awaitable
        words = awaitable.words
        append = words.append
        unawaited = _unawaited

        @micropython.native
        def trap(timeout_ms=None):
            if words:
                unawaited(words)
            append(word_of(timeout_ms))
            return awaitable

        return trap

    def _reply_recv(self, word_of):
        awaitable = self.awaitable
        words = awaitable.words
        append = words.append
        unawaited = _unawaited

        @micropython.native
        def trap(status, arg=None, timeout_ms=None):
            if words:
                unawaited(words)
            append(word_of(status, arg, timeout_ms))
            return awaitable

        return trap

    def _put(self, word):
        words = self.awaitable.words
        if words:
            _unawaited(words)
        words.append(word)
        return self.awaitable

    reply = _awaited(Frame.reply)
    reply_to = _awaited(Frame.reply_to)
    reply_fault = _awaited(Frame.reply_fault)
    notify = _awaited(Frame.notify)
    sleep = _awaited(Frame.sleep)
    acknowledge = _awaited(Frame.acknowledge)
    reopen = _awaited(Frame.reopen)
    copy = _awaited(Frame.copy)
    mint = _awaited(Frame.mint)
    delete = _awaited(Frame.delete)
    revoke = _awaited(Frame.revoke)
    recv_from = _awaited(Frame.recv_from)
    call_lending = _awaited(Frame.call_lending)
    lease_read = _awaited(Frame.lease_read)
    lease_write = _awaited(Frame.lease_write)
    call_granting = _awaited(Frame.call_granting)
    reply_granting = _awaited(Frame.reply_granting)
    start = _awaited(Frame.start)
    stop = _awaited(Frame.stop)
    inspect = _awaited(Frame.inspect)
    inspect_capability = _awaited(Frame.inspect_capability)
    next_fault = _awaited(Frame.next_fault)
    fault_text = _awaited(Frame.fault_text)
    inject = _awaited(Frame.inject)
