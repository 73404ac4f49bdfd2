"""The frame of a service whose `main` is an `async def`: its traps are awaited.

    status = await task.call(led, TOGGLE)

In an image the build turns the commonest traps into ones that are yielded (`system/quicken.py` of
the host tools), which costs nothing. The others, and all where code is not built, go through here:
`await` has to carry a trap's word to the kernel and its result back. One object a task serves
every await; it hands out the word, and ends with a StopIteration that is kept for each result, so
that no await allocates once its result has been seen.
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

        @micropython.native  # bytecode would add a traceback to what it raises
        def send(result):
            end = ends.get(result)
            if end is None:
                end = ends[result] = StopIteration(result)
            raise end

        self.send = send
        self.__next__ = words.pop  # type: ignore[method-assign]

    def __iter__(self):
        """Return what `await` resumes."""
        return self

    __await__ = __iter__

    def __next__(self):
        """Return the trap word. CPython looks here."""
        return self.words.pop()


def _put(frame, word):
    """Take a trap word, and return what to await."""
    awaitable = frame.handles[Await]
    if awaitable.words:
        _unawaited(awaitable.words)
    awaitable.words.append(word)
    return awaitable


def _unawaited(words):
    words.clear()
    raise NotAwaited("await each trap of an async service before the next")


def _awaited(method):
    """Return a method of AsyncFrame for a method of Frame that is not often called."""

    def trap(self, *operands, **named):
        return _put(self, method(self, *operands, **named))

    return trap


class AsyncFrame(Frame):
    """One incarnation's frame, the `task` that `async def main(task)` gets: see `Frame`.

    It has the attributes of a Frame and no more, or the kernel would not find the word of `arg`
    (`kernel/window.py`): so the awaitable is among the handles.
    """

    def __init__(self, registers, handles):
        super().__init__(registers, handles)
        self.handles[Await] = Await()

    def call(self, handle, operation, arg=None, timeout_ms=None):
        """Send a message and wait for the reply."""
        return _put(self, Frame.call(self, handle, operation, arg, timeout_ms))

    def recv(self, timeout_ms=None):
        """Wait for a message, a notification or the timeout."""
        return _put(self, Frame.recv(self, timeout_ms))

    def reply_recv(self, status, arg=None, timeout_ms=None):
        """Answer the caller received last and wait for the next."""
        return _put(self, Frame.reply_recv(self, status, arg, timeout_ms))

    def send(self, handle, operation, arg=None, timeout_ms=None):
        """Put a message into a mailbox, wanting no reply."""
        return _put(self, Frame.send(self, handle, operation, arg, timeout_ms))

    reply = _awaited(Frame.reply)
    reply_to = _awaited(Frame.reply_to)
    reply_fault = _awaited(Frame.reply_fault)
    notify = _awaited(Frame.notify)
    sleep = _awaited(Frame.sleep)
    acknowledge = _awaited(Frame.acknowledge)
    hand_over = _awaited(Frame.hand_over)
    write = _awaited(Frame.write)
    reopen = _awaited(Frame.reopen)
    copy = _awaited(Frame.copy)
    mint = _awaited(Frame.mint)
    delete = _awaited(Frame.delete)
    recycle = _awaited(Frame.recycle)
    revoke = _awaited(Frame.revoke)
    call_lending = _awaited(Frame.call_lending)
    lease_read = _awaited(Frame.lease_read)
    lease_write = _awaited(Frame.lease_write)
    call_granting = _awaited(Frame.call_granting)
    reply_granting = _awaited(Frame.reply_granting)
    stash = _awaited(Frame.stash)
    unstash = _awaited(Frame.unstash)
    start = _awaited(Frame.start)
    stop = _awaited(Frame.stop)
    make_safe = _awaited(Frame.make_safe)
    reset_board = _awaited(Frame.reset_board)
    inspect = _awaited(Frame.inspect)
    read_words = _awaited(Frame.read_words)
    next_fault = _awaited(Frame.next_fault)
    fault_text = _awaited(Frame.fault_text)
    read_fault = _awaited(Frame.read_fault)
    inject = _awaited(Frame.inject)
    replace = _awaited(Frame.replace)
