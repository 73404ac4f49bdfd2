"""Cases: services that make any trap with any operands, and a kernel that stays in order.

Two services draw trap words, registers and values by chance, near what is valid and far from it.
They can reach each other, a server, a mailbox and a line; a third, honest, calls the server and
another that they cannot reach. Between their steps the kernel's words are checked as a whole.
"""

from bulkhead import OK, REFUSED
from kernel.abi import (
    ACCEPTING, ACKNOWLEDGE, BLOCK, CALL, CALLING, DELETE, DORMANT, EXTRA, FAULTED, GRANTING,
    LEASE_READ, LEASE_WRITE, LOADING, MINT, NOTIFY, READABLE, READY, RECEIVING, RECV, REOPEN,
    REPLY, REPLY_RECV, REVOKE, SEND, SENDING, SLEEP, SLEEPING, STASH, TIMED, WRITABLE, YIELD,
)  # fmt: skip
from kernel.layout import (
    ARMED, BASE, CLIENTS, DEADLINE, DEADLINES, NEXT, NEXT_DEADLINE, PEER, PRIORITY, READY_BITS,
    RECORD, SENDERS, STATE, TAILS, TASKS_END, TIMED_WAIT,
)  # fmt: skip
from kernel.limits import TIME_HALF

_VALID = (
    YIELD, CALL, CALL, CALL, SEND, SEND, RECV, RECV, REPLY_RECV, REPLY, NOTIFY, SLEEP, ACKNOWLEDGE,
    MINT, DELETE, REOPEN, REVOKE, LEASE_READ, LEASE_WRITE, STASH,
)  # fmt: skip
_NUMBERS = (0, 1, 2, 3, 5, 100, 8192, 0x3FFFFFFF, -1, -0x40000000)
_NO_TRAPS = (None, -1, -0x40000000, 1 << 40, 1.5, "x", b"", (), True, [])
_WAITING = (CALLING, LOADING, RECEIVING, SENDING, SLEEPING)


class Dice:
    """Numbers drawn from a seed: the same on every interpreter."""

    def __init__(self, seed):
        self.state = seed

    def roll(self, sides):
        """Return a number below `sides`."""
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 8) % sides

    def of(self, things):
        """Return one of some things."""
        return things[self.roll(len(things))]


def draw(task, dice, handles):
    """Fill the frame by chance; return a trap word, or what is none."""
    values = (None, 7, True, "text", b"bytes", (1, "two", None), 1 << 35, 2.5, [1], task, draw)
    task.arg = dice.of(values[:8] if dice.roll(16) else values)
    task.buffer = dice.of((bytearray(8), bytearray(8), b"read me", None, 5))
    registers = task.registers
    for index in range(len(registers)):
        if dice.roll(3) == 0:
            registers[index] = dice.of(_NUMBERS)
    registers[0] = dice.roll(4)
    if dice.roll(3) == 0:
        registers[4] = dice.of(handles) | dice.of((0, ACCEPTING, GRANTING))
    if dice.roll(64) == 0:
        return dice.of(_NO_TRAPS)
    kind = dice.of(_VALID) if dice.roll(32) else dice.roll(32) << 8
    word = kind | dice.roll(4)
    if kind not in (RECV, REPLY_RECV, REPLY, SLEEP, YIELD):
        word |= dice.of(handles) if dice.roll(16) else dice.roll(1 << 13) << 13
    if kind == CALL:
        word |= dice.of((0, 0, READABLE, WRITABLE, READABLE | WRITABLE))
    if dice.roll(8) == 0:
        word |= EXTRA
    return word | TIMED


def chaotic(seed):
    """Return a service that makes traps by chance, for ever."""
    dice = Dice(seed)  # one for all incarnations

    def main(task):
        handles = [handle for name, handle in task.handles.items() if name]
        while True:
            result = yield draw(task, dice, handles)
            if result == OK and dice.roll(4) == 0:  # perhaps a copy
                handles.append(task.arg if type(task.arg) is int else 0)
                del handles[:-12]

    return main


def server(task):
    """Answer operation 7 with the value plus one, and nothing else."""
    operation = yield task.recv()
    while True:
        if operation == 7 and type(task.arg) is int and task.caller():
            operation = yield task.reply_recv(OK, (task.arg + 1) & 0xFFFF)
        elif task.caller():
            operation = yield task.reply_recv(REFUSED)
        else:
            operation = yield task.recv()


def honest(rig, name):
    """Return a client of a server, that logs each answer that is wrong."""

    def main(task):
        number = 0
        while True:
            number += 1
            status = yield task.call(task.cap(name), 7, number)
            if (status, task.arg) != (OK, number + 1):
                rig.log.append((name, number, status, task.arg))
            rig.count = number
            yield task.sleep(1)

    return main


def ring(w, priority):
    """Return the tasks of a ready queue, first to last."""
    if not w[READY_BITS] >> priority & 1:
        return []
    tasks = []
    task = w[w[TAILS + priority] + NEXT]
    while task not in tasks:
        tasks.append(task)
        task = w[task + NEXT]
    if tasks[-1] != w[TAILS + priority] or task != tasks[0]:
        raise AssertionError("no ring: %r" % tasks)
    return tasks


def senders(w, task):
    """Return the callers that wait at a server, first to last."""
    tasks = []
    here = w[task + SENDERS]
    while here and here not in tasks:
        tasks.append(here)
        here = w[here + NEXT]
    return tasks


def disorder(w):
    """Return all that is wrong with the kernel's words."""
    wrong = []
    tasks = range(RECORD, w[TASKS_END], RECORD)
    ready = []
    for priority in range(8):
        queue = ring(w, priority)
        ready += queue
        if any(w[task + PRIORITY] != priority for task in queue):
            wrong.append("a task is in the queue of another priority")
    if sorted(ready) != [task for task in tasks if w[task + STATE] == READY]:
        wrong.append("ready tasks and ready queues differ")
    for task in tasks:
        clients = [one for one in tasks if w[one + PEER] == task]
        judge_callers(w, task, clients, wrong)
        if w[task + STATE] in (DORMANT, FAULTED) and (w[task + PEER] or w[task + TIMED_WAIT]):
            wrong.append("one that is down waits")
        if w[task + TIMED_WAIT]:
            if not w[DEADLINES] or (w[task + DEADLINE] - w[NEXT_DEADLINE]) & TIME_HALF:
                wrong.append("a deadline is not looked at in time")
            if w[task + STATE] not in _WAITING and w[task + PEER] == 0:
                wrong.append("one that does not wait has a deadline")
    return wrong


def judge_callers(w, task, clients, wrong):
    """Add what is wrong with those that wait for a task."""
    queue = senders(w, task)
    if any(one not in clients or w[one + STATE] != CALLING for one in queue):
        wrong.append("who does not call is in a queue of callers")
    if any(w[one + STATE] == CALLING and one not in queue for one in clients):
        wrong.append("a caller is in no queue")
    priorities = [w[one + PRIORITY] for one in queue]
    if priorities != sorted(priorities):
        wrong.append("callers are not in the order of their priorities")
    if w[task + CLIENTS] != len(clients):
        wrong.append("clients are counted wrong")
    if w[task + PRIORITY] != min([w[task + BASE]] + [w[one + PRIORITY] for one in clients]):
        wrong.append("a priority is not what callers justify")


def chaos(rig, seed, milliseconds):
    """Let two chaotic services run for a while, each started again whenever it fails or rests."""
    starts = [0]

    def controller(task):
        kernel = task.cap("kernel")
        for _ in range(milliseconds // 3):
            yield task.sleep(3)
            words = rig.kernel.words
            words[ARMED] = 0  # nothing preempts it meanwhile
            wrong = disorder(words)
            words[ARMED] = 1
            if wrong:
                rig.log.extend(wrong)
                break
            while (yield task.next_fault(kernel)):
                pass
            for place in (1, 2):
                if rig.word(("one", "two")[place - 1], STATE) in (FAULTED, DORMANT):
                    starts[0] += 1
                    yield task.start(kernel, place)
        rig.finish()
        yield from sink(task)

    reach = "%s:call,send,notify,grant server:call,send,notify sink:send,notify"
    rig.add("one", chaotic(seed), priority=4, uses=reach % "two", lines=("edge",), slots=4)
    rig.add("two", chaotic(seed + 77), priority=5, uses=reach % "one", mailbox=(2, BLOCK), slots=4)
    rig.add("server", server, priority=3, slots=1)
    rig.add("sink", sink, priority=5, mailbox=(2, BLOCK))
    rig.add("private", server, priority=3)
    rig.add("public", honest(rig, "server"), priority=2, uses="server:call")
    rig.add("secret", honest(rig, "private"), priority=2, uses="private:call")
    rig.add("controller", controller, priority=0, uses="kernel:control")
    rig.run(4 * milliseconds)
    rig.expect(rig.log, [])
    for name in ("server", "sink", "private", "public", "secret", "controller"):
        rig.expect((name, rig.fault(name), rig.generation(name)), (name, 0, 1))
    if rig.count < milliseconds // 8 or starts[0] < 3:
        raise AssertionError("nothing happened: %d calls, %d starts" % (rig.count, starts[0]))


def sink(task):
    """Take what is sent."""
    while True:
        yield task.recv()


def test_traps_by_chance_leave_the_kernel_in_order(rig):
    chaos(rig, 1, 150)


def test_traps_by_chance_leave_the_kernel_in_order_with_another_seed(rig):
    chaos(rig, 12, 150)
