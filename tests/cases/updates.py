"""Cases: new code in place of a running task's, kept or taken back."""

from bulkhead import DEAD, FULL, OK, TIMEOUT, UNKNOWN
from cases.rig import echo
from kernel.abi import (
    ASK, BLOCK, EXCEPTION, LOAD, RECEIVING, REVERT, SETTLE, SLEEPING, SWAP, SYSCALL,
)  # fmt: skip
from kernel.layout import CLIENTS, MAIL_COUNT


class Count:
    """State that is handed over: what was counted, and by which version."""

    def __init__(self):
        self.value = 0
        self.came_from = None

    def export_state(self):
        return (self.value,)

    def import_state(self, version, state):
        self.came_from = version
        self.value = state[0]


def counter(by):
    """Return code that counts its calls up by a number, and carries the count over."""

    def main(task):
        count = Count()
        task.carry_over(count)
        yield task.recv()
        while True:
            count.value += by
            yield task.reply_recv(OK, count.value)

    return main


def with_updater(rig, code, script, *clients, most_ms=120, **options):
    """Run `script(task, kernel)` beside a server, number 1, and its clients.

    It takes `most_ms`, unless somebody finishes the run.
    """

    def updater(task):
        yield task.sleep(5)
        yield from script(task, task.cap("kernel"))
        yield task.recv()

    rig.add("server", code, **options)
    for index, client in enumerate(clients):
        rig.add("client%d" % index, client, priority=4, uses="server:call,send")
    rig.add("updater", updater, priority=1, uses="kernel:control")
    rig.run(most_ms)
    rig.expect(rig.fault("updater"), 0)


def put(rig, task, kernel, code, version=1):
    """Load and swap; note both statuses, or why not."""
    rig.log.append((yield task.replace(kernel, 1, LOAD, code)))
    status = yield task.replace(kernel, 1, SWAP, version)
    rig.log.append(task.arg or status)


def test_new_code_takes_over_state_and_handles(rig):
    def client(task):
        server = task.cap("server")
        for count in range(4):
            while count == 2 and len(rig.log) < 2:  # both statuses of the swap
                yield task.sleep(1)
            yield task.call(server, 1)
            rig.notes.append(task.arg)

    def script(task, kernel):
        while len(rig.notes) < 2:
            yield task.sleep(1)
        yield from put(rig, task, kernel, counter(100))
        rig.log.append((yield task.replace(kernel, 1, ASK)))
        while (yield task.replace(kernel, 1, ASK)) == FULL:  # until it has begun
            yield task.sleep(1)
        rig.log.append((yield task.replace(kernel, 1, SETTLE)))
        rig.log.append((yield task.replace(kernel, 1, ASK)))
        while len(rig.notes) < 4:
            yield task.sleep(1)
        rig.finish()

    rig.notes.clear()
    with_updater(rig, counter(1), script, client, most_ms=10_000)
    rig.expect(rig.log, [OK, OK, FULL, OK, DEAD])
    rig.expect(rig.notes, [1, 2, 102, 202])
    rig.expect((rig.generation("server"), rig.state("server")), (1, RECEIVING))


def test_version_of_the_state_is_told(rig):
    def newer(task):
        count = Count()
        task.carry_over(count)
        rig.notes.append(count.came_from)
        yield task.recv()

    def script(task, kernel):
        yield from put(rig, task, kernel, newer, 7)
        yield task.sleep(1)

    rig.notes.clear()
    with_updater(rig, counter(1), script)
    rig.expect(rig.notes, [7])


def test_messages_in_the_mailbox_stay(rig):
    def slow(task):
        while True:
            operation = yield task.recv()
            rig.log.append(("old", operation))
            yield task.sleep(20)

    def fresh(task):
        while True:
            rig.log.append(("new", (yield task.recv())))

    def client(task):
        for operation in range(1, 5):
            yield task.send(task.cap("server"), operation)

    def script(task, kernel):
        rig.notes.append(rig.word("server", MAIL_COUNT))
        yield from put(rig, task, kernel, fresh)
        yield task.sleep(5)

    rig.notes.clear()
    with_updater(rig, slow, script, client, mailbox=(8, BLOCK))
    rig.expect(rig.notes, [3])
    rig.expect(rig.log, [("old", 1), OK, OK, ("new", 2), ("new", 3), ("new", 4)])


def test_code_in_the_midst_of_a_call_is_not_replaced(rig):
    def slow(task):
        while True:
            yield task.recv()
            yield task.sleep(20)
            yield task.reply(OK, "old")

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))
        rig.log.append(task.arg)

    def script(task, kernel):
        yield from put(rig, task, kernel, echo)
        yield task.sleep(30)
        rig.log.append((yield task.replace(kernel, 1, SWAP, 1)))

    with_updater(rig, slow, script, client)
    rig.expect(rig.log, [OK, FULL, OK, "old", OK])


def test_caller_that_was_received_and_kept_is_told(rig):
    def hoard(task):
        while True:
            yield task.recv()

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))
        rig.log.append((yield task.call(task.cap("server"), 1, 4)))

    def script(task, kernel):
        yield from put(rig, task, kernel, echo)
        yield task.sleep(5)

    with_updater(rig, hoard, script, client)
    rig.expect(rig.log, [OK, OK, DEAD, OK])
    rig.expect(rig.word("server", CLIENTS), 0)


def test_caller_whose_token_is_handed_over_is_answered_by_the_new_code(rig):
    class Hoard:
        token = 0

        def export_state(self):
            return self.token

        def import_state(self, version, state):
            self.token = state

    def old(task):
        hoard = Hoard()
        task.carry_over(hoard)
        while True:
            yield task.recv()
            hoard.token = task.caller()

    def fresh(task):
        hoard = Hoard()
        task.carry_over(hoard)
        yield task.reply_to(hoard.token, OK, "from the new")
        yield task.recv()

    def client(task):
        rig.log.append((yield task.call(task.cap("server"), 1)))
        rig.log.append(task.arg)

    def script(task, kernel):
        yield from put(rig, task, kernel, fresh)
        yield task.sleep(5)

    with_updater(rig, old, script, client)
    rig.expect(rig.log, [OK, OK, OK, "from the new"])


def failing_start(rig, code):
    """Try `code`, with mail waiting and a client that goes on; return what was logged."""

    def client(task):
        server = task.cap("server")
        for _ in range(4):
            yield task.call(server, 1)
            rig.notes.append(task.arg)
            yield task.sleep(4)

    def script(task, kernel):
        yield from put(rig, task, kernel, code)
        status = FULL
        while status == FULL:  # it has neither received nor failed yet
            yield task.sleep(3)
            status = yield task.replace(kernel, 1, ASK)
        rig.log.append(status)

    rig.notes.clear()
    with_updater(rig, counter(1), script, client, budget_ms=2)
    rig.expect((rig.generation("server"), rig.state("server")), (1, RECEIVING))
    rig.expect(rig.notes, [1, 2, 3, 4])
    return rig.log


def test_code_that_raises_before_it_receives_is_taken_back(rig):
    def bad(task):
        raise ValueError("does not start")
        yield

    rig.expect(failing_start(rig, bad), [OK, OK, DEAD])
    if "does not start" not in rig.words_of("server"):
        raise AssertionError(rig.words_of("server"))
    rig.expect(rig.fault("server"), 0)


def test_code_that_spins_before_it_receives_is_taken_back(rig):
    def bad(task):
        while True:
            pass
        yield

    rig.expect(failing_start(rig, bad), [OK, OK, DEAD])


def test_code_that_returns_or_traps_wrongly_is_taken_back(rig):
    def bad(task):
        yield task.sleep(1)
        yield 31 << 8

    rig.expect(failing_start(rig, bad), [OK, OK, DEAD])


def test_code_that_cannot_take_the_state_is_taken_back(rig):
    class Picky(Count):
        def import_state(self, version, state):
            raise ValueError("from a version I do not know")

    def bad(task):
        task.carry_over(Picky())
        yield task.recv()

    rig.expect(failing_start(rig, bad), [OK, OK, DEAD])


def test_code_that_never_receives_is_taken_back_on_request(rig):
    def bad(task):
        while True:
            yield task.sleep(1000)

    def client(task):
        yield task.sleep(8)
        rig.log.append((yield task.call(task.cap("server"), 1)))
        rig.log.append(task.arg)

    def script(task, kernel):
        yield from put(rig, task, kernel, bad)
        yield task.sleep(10)
        rig.log.append((yield task.replace(kernel, 1, ASK)))
        rig.log.append((yield task.replace(kernel, 1, REVERT)))

    with_updater(rig, counter(1), script, client)
    rig.expect(rig.log, [OK, OK, FULL, OK, OK, 1])
    rig.expect((rig.generation("server"), rig.state("server")), (1, RECEIVING))


def test_fault_after_the_first_receive_is_an_ordinary_one(rig):
    def fragile(task):
        yield task.recv()
        raise ValueError("later")

    def client(task):
        yield task.sleep(10)
        rig.log.append((yield task.call(task.cap("server"), 1)))

    def script(task, kernel):
        yield from put(rig, task, kernel, fragile)
        yield task.sleep(20)

    with_updater(rig, counter(1), script, client)
    rig.expect(rig.log, [OK, OK, DEAD])
    rig.expect((rig.generation("server"), rig.fault("server")), (2, EXCEPTION))


def test_state_that_cannot_be_exported_leaves_the_old_code(rig):
    class Mutable(Count):
        def export_state(self):
            return [1]

    def old(task):
        task.carry_over(Mutable())
        yield task.recv()

    def script(task, kernel):
        yield from put(rig, task, kernel, echo)

    with_updater(rig, old, script)
    rig.expect(rig.log[0], OK)
    if "export_state: BadMessage" not in rig.log[1]:
        raise AssertionError(rig.log)
    rig.expect((rig.generation("server"), rig.state("server")), (1, RECEIVING))


def test_code_that_rests_in_a_sleep_is_replaced_there(rig):
    def old(task):
        while True:
            yield task.sleep(1000)

    def fresh(task):
        while True:
            rig.log.append("new")
            yield task.sleep(2000)

    def script(task, kernel):
        yield from put(rig, task, kernel, fresh)
        yield task.sleep(1)
        rig.log.append((yield task.replace(kernel, 1, ASK)))

    with_updater(rig, old, script)
    rig.expect(rig.log, [OK, OK, "new", OK])
    rig.expect((rig.generation("server"), rig.state("server")), (1, SLEEPING))


def test_finally_of_the_old_code_runs_before_the_new(rig):
    def old(task):
        try:
            yield task.recv()
        finally:
            rig.log.append("closed")

    def fresh(task):
        rig.log.append("new")
        yield task.recv()

    def script(task, kernel):
        yield from put(rig, task, kernel, fresh)
        yield task.sleep(1)

    with_updater(rig, old, script)
    rig.expect(rig.log, [OK, "closed", OK, "new"])


def test_senders_and_callers_that_wait_get_the_new_code(rig):
    def full(task):
        yield task.recv()
        yield task.sleep(6)
        yield task.sleep(1000)

    def fresh(task):
        while True:
            rig.log.append((yield task.recv()))
            yield task.reply(OK)

    def quiet(task):
        yield task.sleep(1000)

    def client(task):
        server = task.cap("server")
        yield task.send(server, 1)
        yield task.send(server, 2)
        rig.notes.append((yield task.send(server, 3)))

    def caller(task):
        yield task.sleep(1)
        rig.notes.append((yield task.call(task.cap("server"), 4)))

    def script(task, kernel):
        yield task.sleep(8)
        yield from put(rig, task, kernel, fresh)
        yield task.sleep(5)

    rig.notes.clear()
    with_updater(
        rig, full, script, quiet, client, caller, mailbox=(1, BLOCK), uses="client0:notify"
    )
    rig.expect(rig.log, [OK, OK, 4, 2, 3])
    rig.expect(sorted(rig.notes), [OK, OK])


def test_only_who_may_control_replaces(rig):
    def main(task):
        yield task.replace(task.cap("server"), 1, LOAD, echo)

    rig.add("server", echo)
    rig.add("thief", main, uses="server:call")
    rig.run(10)
    rig.expect(rig.fault("thief"), SYSCALL)


def test_without_loaded_code_there_is_nothing_to_swap(rig):
    def script(task, kernel):
        for verb in (SWAP, ASK, REVERT, SETTLE):
            rig.log.append((yield task.replace(kernel, 1, verb)))
        rig.log.append((yield task.replace(kernel, 1, LOAD, echo)))
        rig.log.append((yield task.replace(kernel, 1, REVERT)))
        rig.log.append((yield task.replace(kernel, 1, SWAP)))

    with_updater(rig, counter(1), script)
    rig.expect(rig.log, [DEAD, DEAD, DEAD, DEAD, OK, OK, DEAD])


def test_second_swap_of_one_code_is_refused(rig):
    def script(task, kernel):
        yield from put(rig, task, kernel, echo)
        rig.log.append((yield task.replace(kernel, 1, SWAP, 1)))
        rig.log.append(task.arg)

    with_updater(rig, counter(1), script)
    rig.expect(rig.log, [OK, OK, UNKNOWN, "it has been swapped"])


def test_call_in_the_queue_of_code_that_is_taken_back_is_answered(rig):
    def bad(task):
        yield task.sleep(10)
        raise ValueError("too late")

    def client(task):
        yield task.sleep(8)
        rig.log.append((yield task.call(task.cap("server"), 1)))
        rig.log.append((yield task.call(task.cap("server"), 1, timeout_ms=0)))

    def script(task, kernel):
        yield from put(rig, task, kernel, bad)
        yield task.sleep(20)

    with_updater(rig, counter(1), script, client)
    rig.expect(rig.log[:3], [OK, OK, OK])
    rig.expect(rig.log[3] in (OK, TIMEOUT), True)
