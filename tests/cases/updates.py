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

    def main(sys):
        count = Count()
        sys.carry_over(count)
        yield sys.recv()
        while True:
            count.value += by
            yield sys.reply_recv(OK, count.value)

    return main


def with_updater(rig, code, script, *clients, **options):
    """Run `script(sys, kernel)` beside a server, number 1, and its clients."""

    def updater(sys):
        yield sys.sleep(5)
        yield from script(sys, sys.cap("kernel"))
        yield sys.recv()

    rig.add("server", code, **options)
    for index, client in enumerate(clients):
        rig.add("client%d" % index, client, priority=4, uses="server:call,send")
    rig.add("updater", updater, priority=1, uses="kernel:control")
    rig.run(120)
    rig.expect(rig.fault("updater"), 0)


def put(rig, sys, kernel, code, version=1):
    """Load and swap; note both statuses, or why not."""
    rig.log.append((yield sys.replace(kernel, 1, LOAD, code)))
    status = yield sys.replace(kernel, 1, SWAP, version)
    rig.log.append(sys.arg or status)


def test_new_code_takes_over_state_and_handles(rig):
    def client(sys):
        server = sys.cap("server")
        for count in range(4):
            while count == 2 and len(rig.log) < 2:  # both statuses of the swap
                yield sys.sleep(1)
            yield sys.call(server, 1)
            rig.notes.append(sys.arg)

    def script(sys, kernel):
        while len(rig.notes) < 2:
            yield sys.sleep(1)
        yield from put(rig, sys, kernel, counter(100))
        rig.log.append((yield sys.replace(kernel, 1, ASK)))
        yield sys.sleep(1)
        rig.log.append((yield sys.replace(kernel, 1, ASK)))
        rig.log.append((yield sys.replace(kernel, 1, SETTLE)))
        rig.log.append((yield sys.replace(kernel, 1, ASK)))

    rig.notes.clear()
    with_updater(rig, counter(1), script, client)
    rig.expect(rig.log, [OK, OK, FULL, OK, OK, DEAD])
    rig.expect(rig.notes, [1, 2, 102, 202])
    rig.expect((rig.generation("server"), rig.state("server")), (1, RECEIVING))


def test_version_of_the_state_is_told(rig):
    def newer(sys):
        count = Count()
        sys.carry_over(count)
        rig.notes.append(count.came_from)
        yield sys.recv()

    def script(sys, kernel):
        yield from put(rig, sys, kernel, newer, 7)
        yield sys.sleep(1)

    rig.notes.clear()
    with_updater(rig, counter(1), script)
    rig.expect(rig.notes, [7])


def test_messages_in_the_mailbox_stay(rig):
    def slow(sys):
        while True:
            operation = yield sys.recv()
            rig.log.append(("old", operation))
            yield sys.sleep(20)

    def fresh(sys):
        while True:
            rig.log.append(("new", (yield sys.recv())))

    def client(sys):
        for operation in range(1, 5):
            yield sys.send(sys.cap("server"), operation)

    def script(sys, kernel):
        rig.notes.append(rig.word("server", MAIL_COUNT))
        yield from put(rig, sys, kernel, fresh)
        yield sys.sleep(5)

    rig.notes.clear()
    with_updater(rig, slow, script, client, mailbox=(8, BLOCK))
    rig.expect(rig.notes, [3])
    rig.expect(rig.log, [("old", 1), OK, OK, ("new", 2), ("new", 3), ("new", 4)])


def test_code_in_the_midst_of_a_call_is_not_replaced(rig):
    def slow(sys):
        while True:
            yield sys.recv()
            yield sys.sleep(20)
            yield sys.reply(OK, "old")

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1)))
        rig.log.append(sys.arg)

    def script(sys, kernel):
        yield from put(rig, sys, kernel, echo)
        yield sys.sleep(30)
        rig.log.append((yield sys.replace(kernel, 1, SWAP, 1)))

    with_updater(rig, slow, script, client)
    rig.expect(rig.log, [OK, FULL, OK, "old", OK])


def test_caller_that_was_received_and_kept_is_told(rig):
    def hoard(sys):
        while True:
            yield sys.recv()

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1)))
        rig.log.append((yield sys.call(sys.cap("server"), 1, 4)))

    def script(sys, kernel):
        yield from put(rig, sys, kernel, echo)
        yield sys.sleep(5)

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

    def old(sys):
        hoard = Hoard()
        sys.carry_over(hoard)
        while True:
            yield sys.recv()
            hoard.token = sys.caller()

    def fresh(sys):
        hoard = Hoard()
        sys.carry_over(hoard)
        yield sys.reply_to(hoard.token, OK, "from the new")
        yield sys.recv()

    def client(sys):
        rig.log.append((yield sys.call(sys.cap("server"), 1)))
        rig.log.append(sys.arg)

    def script(sys, kernel):
        yield from put(rig, sys, kernel, fresh)
        yield sys.sleep(5)

    with_updater(rig, old, script, client)
    rig.expect(rig.log, [OK, OK, OK, "from the new"])


def failing_start(rig, code):
    """Try `code`, with mail waiting and a client that goes on; return what was logged."""

    def client(sys):
        server = sys.cap("server")
        for _ in range(4):
            yield sys.call(server, 1)
            rig.notes.append(sys.arg)
            yield sys.sleep(4)

    def script(sys, kernel):
        yield from put(rig, sys, kernel, code)
        yield sys.sleep(3)
        rig.log.append((yield sys.replace(kernel, 1, ASK)))

    rig.notes.clear()
    with_updater(rig, counter(1), script, client, budget_ms=2)
    rig.expect((rig.generation("server"), rig.state("server")), (1, RECEIVING))
    rig.expect(rig.notes, [1, 2, 3, 4])
    return rig.log


def test_code_that_raises_before_it_receives_is_taken_back(rig):
    def bad(sys):
        raise ValueError("does not start")
        yield

    rig.expect(failing_start(rig, bad), [OK, OK, DEAD])
    if "does not start" not in rig.words_of("server"):
        raise AssertionError(rig.words_of("server"))
    rig.expect(rig.fault("server"), 0)


def test_code_that_spins_before_it_receives_is_taken_back(rig):
    def bad(sys):
        while True:
            pass
        yield

    rig.expect(failing_start(rig, bad), [OK, OK, DEAD])


def test_code_that_returns_or_traps_wrongly_is_taken_back(rig):
    def bad(sys):
        yield sys.sleep(1)
        yield 31 << 8

    rig.expect(failing_start(rig, bad), [OK, OK, DEAD])


def test_code_that_cannot_take_the_state_is_taken_back(rig):
    class Picky(Count):
        def import_state(self, version, state):
            raise ValueError("from a version I do not know")

    def bad(sys):
        sys.carry_over(Picky())
        yield sys.recv()

    rig.expect(failing_start(rig, bad), [OK, OK, DEAD])


def test_code_that_never_receives_is_taken_back_on_request(rig):
    def bad(sys):
        while True:
            yield sys.sleep(1000)

    def client(sys):
        yield sys.sleep(8)
        rig.log.append((yield sys.call(sys.cap("server"), 1)))
        rig.log.append(sys.arg)

    def script(sys, kernel):
        yield from put(rig, sys, kernel, bad)
        yield sys.sleep(10)
        rig.log.append((yield sys.replace(kernel, 1, ASK)))
        rig.log.append((yield sys.replace(kernel, 1, REVERT)))

    with_updater(rig, counter(1), script, client)
    rig.expect(rig.log, [OK, OK, FULL, OK, OK, 1])
    rig.expect((rig.generation("server"), rig.state("server")), (1, RECEIVING))


def test_fault_after_the_first_receive_is_an_ordinary_one(rig):
    def fragile(sys):
        yield sys.recv()
        raise ValueError("later")

    def client(sys):
        yield sys.sleep(10)
        rig.log.append((yield sys.call(sys.cap("server"), 1)))

    def script(sys, kernel):
        yield from put(rig, sys, kernel, fragile)
        yield sys.sleep(20)

    with_updater(rig, counter(1), script, client)
    rig.expect(rig.log, [OK, OK, DEAD])
    rig.expect((rig.generation("server"), rig.fault("server")), (2, EXCEPTION))


def test_state_that_cannot_be_exported_leaves_the_old_code(rig):
    class Mutable(Count):
        def export_state(self):
            return [1]

    def old(sys):
        sys.carry_over(Mutable())
        yield sys.recv()

    def script(sys, kernel):
        yield from put(rig, sys, kernel, echo)

    with_updater(rig, old, script)
    rig.expect(rig.log[0], OK)
    if "export_state: BadMessage" not in rig.log[1]:
        raise AssertionError(rig.log)
    rig.expect((rig.generation("server"), rig.state("server")), (1, RECEIVING))


def test_code_that_rests_in_a_sleep_is_replaced_there(rig):
    def old(sys):
        while True:
            yield sys.sleep(1000)

    def fresh(sys):
        while True:
            rig.log.append("new")
            yield sys.sleep(2000)

    def script(sys, kernel):
        yield from put(rig, sys, kernel, fresh)
        yield sys.sleep(1)
        rig.log.append((yield sys.replace(kernel, 1, ASK)))

    with_updater(rig, old, script)
    rig.expect(rig.log, [OK, OK, "new", OK])
    rig.expect((rig.generation("server"), rig.state("server")), (1, SLEEPING))


def test_finally_of_the_old_code_runs_before_the_new(rig):
    def old(sys):
        try:
            yield sys.recv()
        finally:
            rig.log.append("closed")

    def fresh(sys):
        rig.log.append("new")
        yield sys.recv()

    def script(sys, kernel):
        yield from put(rig, sys, kernel, fresh)
        yield sys.sleep(1)

    with_updater(rig, old, script)
    rig.expect(rig.log, [OK, "closed", OK, "new"])


def test_senders_and_callers_that_wait_get_the_new_code(rig):
    def full(sys):
        yield sys.recv()
        yield sys.sleep(6)
        yield sys.recv_from(sys.cap("client0"))

    def fresh(sys):
        while True:
            rig.log.append((yield sys.recv()))
            yield sys.reply(OK)

    def quiet(sys):
        yield sys.sleep(1000)

    def client(sys):
        server = sys.cap("server")
        yield sys.send(server, 1)
        yield sys.send(server, 2)
        rig.notes.append((yield sys.send(server, 3)))

    def caller(sys):
        yield sys.sleep(1)
        rig.notes.append((yield sys.call(sys.cap("server"), 4)))

    def script(sys, kernel):
        yield sys.sleep(8)
        yield from put(rig, sys, kernel, fresh)
        yield sys.sleep(5)

    rig.notes.clear()
    with_updater(
        rig, full, script, quiet, client, caller, mailbox=(1, BLOCK), uses="client0:notify"
    )
    rig.expect(rig.log, [OK, OK, 4, 2, 3])
    rig.expect(sorted(rig.notes), [OK, OK])


def test_only_who_may_control_replaces(rig):
    def main(sys):
        yield sys.replace(sys.cap("server"), 1, LOAD, echo)

    rig.add("server", echo)
    rig.add("thief", main, uses="server:call")
    rig.run(10)
    rig.expect(rig.fault("thief"), SYSCALL)


def test_without_loaded_code_there_is_nothing_to_swap(rig):
    def script(sys, kernel):
        for verb in (SWAP, ASK, REVERT, SETTLE):
            rig.log.append((yield sys.replace(kernel, 1, verb)))
        rig.log.append((yield sys.replace(kernel, 1, LOAD, echo)))
        rig.log.append((yield sys.replace(kernel, 1, REVERT)))
        rig.log.append((yield sys.replace(kernel, 1, SWAP)))

    with_updater(rig, counter(1), script)
    rig.expect(rig.log, [DEAD, DEAD, DEAD, DEAD, OK, OK, DEAD])


def test_second_swap_of_one_code_is_refused(rig):
    def script(sys, kernel):
        yield from put(rig, sys, kernel, echo)
        rig.log.append((yield sys.replace(kernel, 1, SWAP, 1)))
        rig.log.append(sys.arg)

    with_updater(rig, counter(1), script)
    rig.expect(rig.log, [OK, OK, UNKNOWN, "it has been swapped"])


def test_call_in_the_queue_of_code_that_is_taken_back_is_answered(rig):
    def bad(sys):
        yield sys.sleep(10)
        raise ValueError("too late")

    def client(sys):
        yield sys.sleep(8)
        rig.log.append((yield sys.call(sys.cap("server"), 1)))
        rig.log.append((yield sys.call(sys.cap("server"), 1, timeout_ms=0)))

    def script(sys, kernel):
        yield from put(rig, sys, kernel, bad)
        yield sys.sleep(20)

    with_updater(rig, counter(1), script, client)
    rig.expect(rig.log[:3], [OK, OK, OK])
    rig.expect(rig.log[3] in (OK, TIMEOUT), True)
