"""Code that cannot wait, and makes calls all the same: a driver that was written for `machine`.

A function cannot wait for a call. So `Replay.run` runs it up to a call whose answer it needs,
makes that, and runs it again from its start with the answers there are, until it returns. Where
the driver's time is kept, what gives no answer but that it failed, a write or a sleep, is taken to
have succeeded and made before the next answer is; where one has failed the function is run again
and told so. Each call is made
once, each sleep is slept once, and a clock says the same again; all else is done as often. The
function has to ask for the same the second time: what an object remembers of the first is taken
back, where `keep_state` names it.

`Bus` of i2c, `Spi` of spi and `Pin` of gpio ask by it; those that share one keep their order.
"""

import time

from bulkhead import DEAD, OK
from kernel.abi import READABLE, WRITABLE
from micropython import const

_SLEEPS = ("sleep", "sleep_ms", "sleep_us")
_CLOCKS = ("ticks_ms", "ticks_us", "ticks_cpu", "time", "time_ns")
_MODULES = ("time", "utime")
_POSTED_MAX = const(32)  # made without a look at the function in between
_MS_US = const(1000)
_SLEEP = const(-1)  # in place of a handle
_NOTED = const(-2)


class _Pending(BaseException):
    """A call has to be made before the driver can go on; no driver catches it."""


class Replay:
    """The calls that one function makes, and what came of those that were made."""

    def __init__(self, task):
        self.task = task
        self.asked = []  # by the function, in order: handle, operation, arg, what is lent
        self.answers = []  # status and value of each
        self.sent = 0  # how many of them were made
        self.at = 0
        self.parts = []  # what collects before it asks
        self.keeps_time = False  # the driver sleeps by this, and not while it is run
        self.kept = []  # objects that remember
        self.clock = Clock(self)

    def run(self, function, *arguments):
        """Return what a function does that asks by this: `x = yield from replay.run(f)`."""
        self.asked, self.answers, self.sent = [], [], 0
        states = [(thing, _state(thing)) for thing in self.kept]
        while True:
            self.at = 0
            for thing, state in states:
                _restore(thing, state)
            for part in self.parts:
                part.begin()
            result = None
            has_ended = False
            try:
                result = function(*arguments)
                self.settle()
                has_ended = True
            except _Pending:
                pass
            except Exception:
                if self.sent == len(self.asked):
                    raise
                # What it was told of the last calls was a guess: it may not raise after all.
            before = self.sent
            is_as_told = yield from self._make()
            if has_ended and is_as_told:
                return result
            if self.sent == before:
                raise ValueError("the driver asked for something else when it was run again")

    def keep_time(self, module):
        """Have a driver's module sleep and look at the time by this: before it is run.

        It finds `time` and what was imported from it under their own names. The module is one of
        the service's own folder: of a package, which others may import too, a service gets names
        and no module, which is a ValueError. A driver whose time is not kept sleeps within its
        step, and each time that it is run; what it wrote before has been made by then.
        """
        if type(module) is not type(time):
            raise ValueError("copy the driver's file beside service.py: a package keeps its time")
        self.keeps_time = True
        for name in _MODULES:
            if hasattr(module, name):
                setattr(module, name, self.clock)
        for name in _SLEEPS + _CLOCKS:
            if name not in _MODULES and hasattr(module, name):
                setattr(module, name, getattr(self.clock, name))

    def keep_state(self, thing):
        """Have what an object remembers be the same whenever a function is run again.

        That is for a driver that does something else the second time, as one that looks whether
        it has switched its chip on. Name its object once, when it has been made. Its attributes
        are put back, and what is in those that are a bytearray, a list or a dict.
        """
        self.kept.append(thing)

    def ask(self, handle, operation, arg=None, data=None):
        """Return status and value of a call; `data` is lent, and what it is then is the value."""
        if self._is_new((handle, operation, arg, data)):
            self.answers.append(None)
            raise _Pending
        answer = self.answers[self.at - 1]
        if answer is None:
            raise _Pending
        return answer

    def post(self, handle, operation, arg=None, data=None):
        """Make a call whose only answer is whether it succeeded; return the status."""
        if not self.keeps_time:
            return self.ask(handle, operation, arg, data)[0]
        if self._is_new((handle, operation, arg, data)):
            self.answers.append((OK, None))
            if len(self.asked) - self.sent >= _POSTED_MAX:
                raise _Pending
        return self.answers[self.at - 1][0]

    def sleep_us(self, microseconds):
        """Sleep: whole milliseconds as a service does, what is shorter within its step."""
        self.settle()
        if microseconds > 0:
            self.post(_SLEEP, 0, microseconds)

    def noted(self, name, look):
        """Return what `look` gave when it was first called here."""
        if self.at == len(self.asked) and self.sent < len(self.asked):
            raise _Pending  # what was posted may be a sleep
        if self._is_new((_NOTED, name, None, None)):
            self.answers.append((OK, look()))
            self.sent += 1
        return self.answers[self.at - 1][1]

    def settle(self):
        """Have everything asked for that was only collected so far."""
        for part in self.parts:
            part.settle()

    def _is_new(self, wanted):
        """Take the next thing that is asked for; tell whether it was not, the last time."""
        self.at += 1
        if self.at > len(self.asked):
            self.asked.append(wanted)
            return True
        if self.asked[self.at - 1] != wanted:
            raise ValueError("the driver asked for something else when it was run again")
        return False

    def _make(self):
        """Make the calls that wait for it; tell whether all are as the function was told.

        What follows one that is not is forgotten: the function may not ask for it then.
        """
        while self.sent < len(self.asked):
            told = self.answers[self.sent]
            answer = yield from self._made(*self.asked[self.sent])
            self.answers[self.sent] = answer
            self.sent += 1
            if told is None or told[0] != answer[0]:
                del self.asked[self.sent :], self.answers[self.sent :]
                return False
        return True

    def _made(self, handle, operation, arg, data):
        """Make one call, or sleep; return the answer."""
        if handle == _SLEEP:
            if arg < _MS_US:  # for a chip that wants a pause between two pins
                time.sleep_us(arg)
            else:
                yield self.task.sleep((arg + _MS_US - 1) // _MS_US)
            return OK, None
        if data is None:
            status = yield self.task.call(handle, operation, arg)
            value = self.task.arg
        else:
            lent = bytearray(data)
            rights = READABLE | WRITABLE
            status = yield self.task.call_lending(handle, operation, lent, rights, arg)
            value = self.task.arg if status != OK else bytes(lent)
        if status == DEAD:
            yield self.task.reopen(handle)
        return status, value


def _state(thing):
    """Return the attributes of an object: name, value, and what is in it."""
    found = []
    for name, value in thing.__dict__.items():
        inside = type(value)(value) if type(value) in (bytearray, list, dict) else None
        found.append((name, value, inside))
    return found


def _restore(thing, state):
    """Give an object the attributes back that it had."""
    for name, value, inside in state:
        setattr(thing, name, value)
        if type(inside) is dict:
            value.clear()
            value.update(inside)
        elif inside is not None:
            value[:] = inside


class Clock:
    """What a driver takes for the module `time`: it sleeps once, and the time is that it saw."""

    def __init__(self, replay):
        self.replay = replay
        self.sleep_us = replay.sleep_us
        self.ticks_diff = getattr(time, "ticks_diff", None)
        self.ticks_add = getattr(time, "ticks_add", None)

    def sleep(self, seconds):
        """Sleep for seconds, a float."""
        self.sleep_us(int(seconds * 1_000_000 + 0.5))

    def sleep_ms(self, milliseconds):
        """Sleep for milliseconds."""
        self.sleep_us(milliseconds * _MS_US)

    def ticks_ms(self):
        """Return milliseconds."""
        return self.replay.noted("ticks_ms", time.ticks_ms)

    def ticks_us(self):
        """Return microseconds."""
        return self.replay.noted("ticks_us", time.ticks_us)

    def ticks_cpu(self):
        """Return the finest ticks there are."""
        return self.replay.noted("ticks_cpu", time.ticks_cpu)

    def time(self):
        """Return seconds."""
        return self.replay.noted("time", time.time)

    def time_ns(self):
        """Return nanoseconds."""
        return self.replay.noted("time_ns", time.time_ns)
