"""Cases: handles and what becomes of them: copy, mint, delete, revoke."""

from bulkhead import DEAD, FULL, OK, UNKNOWN
from cases.rig import echo, idle, told
from kernel.abi import (
    HANDLE_GENERATION_SHIFT, HANDLE_SHIFT, MAY_ACKNOWLEDGE, MAY_CALL, MAY_CONTROL,
    MAY_GRANT, MAY_NOTIFY, MAY_SEND, SYSCALL,
)  # fmt: skip
from kernel.layout import (
    BADGE_MAX, CAPABILITIES, CAPABILITY, CAPABILITY_COUNT, FRAME, NOW, RECORD_SHIFT, TASKS_END,
)  # fmt: skip

FIRST_GENERATION = 1 << HANDLE_GENERATION_SHIFT


def badge_server(task):
    """Answer every call with the badge it came with."""
    yield task.recv()
    while True:
        yield task.reply_recv(OK, task.badge())


def alone(rig, main, *, uses="server:call", slots=2, server=echo):
    """Run `main` beside a server that it may use."""
    rig.add("server", server, mailbox=(2, 0))
    rig.add("main", main, uses=uses, slots=slots)
    rig.run(20)


def faulting(rig, main, **options):
    """Run `main`, which has to end with a SYSCALL fault, and the server without one."""
    alone(rig, main, **options)
    rig.expect((rig.fault("main"), rig.fault("server")), (SYSCALL, 0))


def test_copy_reaches_what_the_original_reaches(rig):
    def main(task):
        rig.log.append((yield task.copy(task.cap("server"))))
        rig.log.append((yield task.call(task.arg, 1, 5)))
        rig.log.append(task.arg)

    alone(rig, main)
    rig.expect(rig.log, [OK, OK, 6])


def test_copy_keeps_the_badge(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        yield task.call(task.arg, 1)
        rig.log.append(task.arg)

    alone(rig, main, server=badge_server)
    rig.expect(rig.log, [2])


def test_handle_of_the_first_free_slot_is_not_zero(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        rig.log.append(task.arg)

    alone(rig, main)
    rig.expect(rig.log, [FIRST_GENERATION + (1 << HANDLE_SHIFT)])


def test_copies_fill_the_table_and_not_one_more(rig):
    def main(task):
        for _ in range(3):
            rig.log.append((yield task.copy(task.cap("server"))))

    alone(rig, main)
    rig.expect(rig.log, [OK, OK, FULL])


def test_copy_without_slots_is_full(rig):
    def main(task):
        rig.log.append((yield task.copy(task.cap("server"))))

    alone(rig, main, slots=0)
    rig.expect(rig.log, [FULL])


def test_minted_capability_has_the_rights_asked_for(rig):
    def main(task):
        rig.log.append((yield task.mint(task.cap("server"), MAY_CALL)))
        rig.log.append((yield task.call(task.arg, 1, 1)))
        yield task.sleep(1000)

    alone(rig, main, uses="server:call,send,notify")
    rig.expect(rig.log, [OK, OK])
    rig.expect(rig.capability("main", 1)[0], MAY_CALL)


def lacking(rig, kept, trap_of):
    """Let a task use a minted capability for what it has no right to any more."""

    def main(task):
        yield task.mint(task.cap("server"), kept)
        yield trap_of(task, task.arg)

    faulting(rig, main, uses="server:call,send,notify")


def test_call_without_the_right_faults(rig):
    lacking(rig, MAY_SEND | MAY_NOTIFY, lambda task, handle: task.call(handle, 1))


def test_send_without_the_right_faults(rig):
    lacking(rig, MAY_CALL | MAY_NOTIFY, lambda task, handle: task.send(handle, 1))


def test_notify_without_the_right_faults(rig):
    lacking(rig, MAY_CALL | MAY_SEND, lambda task, handle: task.notify(handle, 1))


def test_acknowledge_without_the_right_faults(rig):
    lacking(rig, MAY_CALL, lambda task, handle: task.acknowledge(handle))


def test_control_without_the_right_faults(rig):
    lacking(rig, MAY_CALL, lambda task, handle: task.stop(handle, 1))


def test_mint_of_a_right_that_is_not_held_faults(rig):
    for right in (MAY_SEND, MAY_NOTIFY, MAY_ACKNOWLEDGE, MAY_CONTROL, MAY_GRANT):
        rig.kernel = None
        rig.rows = []
        faulting(rig, lambda task, right=right: (yield task.mint(task.cap("server"), right)))


def test_mint_without_any_right_faults(rig):
    faulting(rig, lambda task: (yield task.mint(task.cap("server"), 0)))


def test_minted_badge_reaches_the_server(rig):
    def main(task):
        for badge in (0, 77, BADGE_MAX):
            yield task.mint(task.cap("server"), MAY_CALL, badge)
            yield task.call(task.arg, 1)
            rig.log.append(task.arg)

    alone(rig, main, uses="server:call,grant", server=badge_server, slots=3)
    rig.expect(rig.log, [0, 77, BADGE_MAX])


def test_badge_of_ones_own_needs_the_right_to_grant(rig):
    faulting(rig, lambda task: (yield task.mint(task.cap("server"), MAY_CALL, 1)))


def test_badge_above_the_limit_faults(rig):
    def main(task):
        yield task.mint(task.cap("server"), MAY_CALL, BADGE_MAX + 1)

    faulting(rig, main, uses="server:call,grant")


def test_negative_badge_faults(rig):
    def main(task):
        yield task.mint(task.cap("server"), MAY_CALL, -1)

    faulting(rig, main, uses="server:call,grant")


def test_deleted_handle_names_nothing(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        handle = task.arg
        rig.log.append((yield task.delete(handle)))
        yield task.call(handle, 1)

    faulting(rig, main)
    rig.expect(rig.log, [OK])


def test_kept_handle_does_not_name_what_came_into_its_slot(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        kept = task.arg
        yield task.delete(kept)
        yield task.copy(task.cap("server"))
        rig.log.append((task.arg - kept, (yield task.call(task.arg, 1))))
        yield task.call(kept, 1)

    faulting(rig, main, slots=1)
    rig.expect(rig.log, [(FIRST_GENERATION, OK)])


def test_copy_of_a_deleted_copy_goes_on(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        first = task.arg
        yield task.copy(first)
        second = task.arg
        yield task.delete(first)
        rig.log.append((yield task.call(second, 1)))
        yield task.revoke(task.cap("server"))
        rig.log.append((yield task.call(second, 1)))

    alone(rig, main)
    rig.expect(rig.log, [OK, DEAD])


def test_revoked_copies_are_dead_and_the_original_is_not(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        first = task.arg
        yield task.copy(first)
        second = task.arg
        rig.log.append((yield task.revoke(task.cap("server"))))
        for handle in (first, second, task.cap("server")):
            rig.log.append((yield task.call(handle, 1)))

    alone(rig, main)
    rig.expect(rig.log, [OK, DEAD, DEAD, OK])


def test_revoke_spares_what_was_not_derived_from_it(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        first = task.arg
        yield task.copy(task.cap("server"))
        other = task.arg
        yield task.revoke(first)
        for handle in (first, other):
            rig.log.append((yield task.call(handle, 1)))

    alone(rig, main)
    rig.expect(rig.log, [OK, OK])


def test_every_trap_through_a_revoked_capability_answers_dead(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        copy = task.arg
        yield task.revoke(task.cap("server"))
        for trap in (
            task.call(copy, 1), task.send(copy, 1), task.notify(copy, 1), task.reopen(copy)
        ):  # fmt: skip
            rig.log.append((yield trap))

    alone(rig, main, uses="server:call,send,notify")
    rig.expect(rig.log, [DEAD] * 4)


def test_copy_of_a_revoked_capability_is_dead_too(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        copy = task.arg
        yield task.revoke(task.cap("server"))
        yield task.copy(copy)
        rig.log.append((yield task.reopen(task.arg)))
        rig.log.append((yield task.call(task.arg, 1)))

    alone(rig, main)
    rig.expect(rig.log, [DEAD, DEAD])


def test_revoked_capability_keeps_its_slot_until_it_is_deleted(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        copy = task.arg
        yield task.revoke(task.cap("server"))
        rig.log.append((yield task.copy(task.cap("server"))))
        yield task.delete(copy)
        rig.log.append((yield task.copy(task.cap("server"))))

    alone(rig, main, slots=1)
    rig.expect(rig.log, [FULL, OK])


def test_revoked_control_of_tasks_is_gone_at_once(rig):
    def main(task):
        yield task.copy(task.cap("kernel"))
        copy = task.arg
        yield task.revoke(task.cap("kernel"))
        yield task.stop(copy, 1)

    faulting(rig, main, uses="kernel:control")


def test_deleted_manifest_capability_takes_its_copies_along(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        copy = task.arg
        yield task.delete(task.cap("server"))
        rig.log.append((yield task.call(copy, 1)))
        yield task.call(task.cap("server"), 1)

    faulting(rig, main)
    rig.expect(rig.log, [DEAD])


def test_deleted_manifest_slot_is_not_given_to_others(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        yield task.delete(task.cap("server"))
        rig.log.append((yield task.copy(task.arg)))

    alone(rig, main, slots=1)
    rig.expect(rig.log, [FULL])


def test_restart_restores_the_manifests_capabilities_only(rig):
    def main(task):
        server = task.cap("server")
        rig.log.append((yield task.call(server, 1)))
        if len(rig.log) == 1:
            yield task.copy(server)
            yield task.delete(server)
        yield task.recv()

    def control(task):
        yield task.sleep(5)
        kernel = task.cap("kernel")
        yield task.stop(kernel, 2)
        rig.log.append((rig.capability("main", 0)[0], rig.capability("main", 1)[0]))
        yield task.start(kernel, 2)

    rig.add("server", echo)
    rig.add("main", main, uses="server:call", slots=1)
    rig.add("control", control, uses="kernel:control")
    rig.run(20)
    rig.expect(rig.log, [OK, (0, 0), OK])
    rig.expect(rig.capability("main", 0), (MAY_CALL, 1, 2))
    rig.expect(rig.capability("main", 1)[0], 0)


def forged(rig, handle):
    """Call through a handle that nobody gave out."""
    faulting(rig, lambda task: (yield task.call(handle, 1)))


def test_handle_of_a_slot_beyond_the_table_faults(rig):
    forged(rig, 3 << HANDLE_SHIFT)


def test_handle_of_a_free_slot_faults(rig):
    forged(rig, FIRST_GENERATION + (1 << HANDLE_SHIFT))


def test_handle_with_another_generation_faults(rig):
    forged(rig, FIRST_GENERATION)


def test_reopened_copy_names_the_next_incarnation(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        copy = task.arg
        kernel = task.cap("kernel")
        yield task.stop(kernel, 1)
        yield task.start(kernel, 1)
        rig.log.append((yield task.call(copy, 1)))
        rig.log.append((yield task.reopen(copy)))
        rig.log.append((yield task.call(copy, 1)))

    rig.add("server", echo)
    rig.add("main", main, uses="server:call kernel:control", slots=1)
    rig.add("idle", idle)
    rig.run(20)
    rig.expect(rig.log, [DEAD, OK, OK])


def inspected(task, number, slot):
    """Return (target, rights, generation, badge, uses) of a slot, None beyond the last."""
    yield task.inspect(task.cap("kernel"), number)
    table, count = told(task.arg, CAPABILITIES, CAPABILITY_COUNT)
    if slot >= count:
        return None
    yield task.read_words(task.cap("kernel"), table + slot * CAPABILITY, CAPABILITY)
    target, named, _, uses = told(task.arg, 0, 1, 2, 3)
    return target & 0xFFFF, target >> 16 & 0x7F, named & 0xFFFF, named >> 16, uses


def test_supervisor_reads_how_often_each_client_called(rig):
    def client(times):
        def main(task):
            for _ in range(times):
                yield task.call(task.cap("server"), 1)
            yield from idle(task)

        return main

    def watch(task):
        yield task.sleep(10)
        for place in (2, 3):
            rig.log.append((yield from inspected(task, place, 0)))

    rig.add("server", echo)
    rig.add("three", client(3), uses="server:call")
    rig.add("five", client(5), uses="server:call,notify")
    rig.add("watch", watch, uses="kernel:control")
    rig.run(20)
    server = 1 << RECORD_SHIFT
    rig.expect(rig.log, [(server, MAY_CALL, 1, 2, 3), (server, MAY_CALL | MAY_NOTIFY, 1, 3, 5)])


def test_table_in_the_words_has_lines_and_free_slots_and_an_end(rig):
    def main(task):
        for slot in range(4):
            rig.log.append((yield from inspected(task, 2, slot)))

    rig.add("other", idle)
    rig.add("main", main, uses="kernel:control", lines=("edge",), slots=1)
    rig.run(5)
    kernel, line, free, end = rig.log
    lines = rig.kernel.words[TASKS_END]
    rig.expect((kernel[:2], line[:2]), ((0, MAY_CONTROL), (lines, MAY_ACKNOWLEDGE)))
    rig.expect((free[1], end), (0, None))


def test_inspected_capability_shows_that_it_was_revoked(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        yield task.revoke(task.cap("server"))
        rig.log.append((yield from inspected(task, 2, 2)))

    rig.add("server", echo)
    rig.add("main", main, uses="server:call kernel:control", slots=1)
    rig.run(5)
    rig.expect(rig.log, [(1 << RECORD_SHIFT, MAY_CALL, 0, 2, 0)])


def test_words_are_those_there_are(rig):
    def main(task):
        kernel = task.cap("kernel")
        end = len(rig.kernel.words)
        for offset, count in ((0, 60), (end - 2, 2), (end, 0), (end - 2, 3), (end, 1)):
            status = yield task.read_words(kernel, offset, count)
            rig.log.append((status, len(task.arg) if status == OK else 0))
            task.arg = b""

    rig.add("main", main, uses="kernel:control")
    rig.run(5)
    rig.expect(rig.log, [(OK, 60), (OK, 2), (OK, 0), (UNKNOWN, 0), (UNKNOWN, 0)])


def test_words_of_no_task_are_unknown(rig):
    def main(task):
        for place in (0, 3, 255):
            rig.log.append((yield task.inspect(task.cap("kernel"), place)))

    rig.add("server", echo)
    rig.add("main", main, uses="kernel:control")
    rig.run(5)
    rig.expect(rig.log, [UNKNOWN] * 3)


def test_words_take_the_kernel_with_the_right_to_control(rig):
    """The same right to another service is none, and the address of a frame is nobody's."""

    def nosy(task):
        yield task.read_words(task.cap("server"), 0, 1)

    def main(task):
        yield task.inspect(task.cap("kernel"), 1)
        rig.log.append(told(task.arg, FRAME, NOW))
        rig.log.append(rig.kernel.words[NOW])
        yield task.recv()

    rig.add("server", echo)
    rig.add("nosy", nosy, uses="server:control")
    rig.add("main", main, uses="kernel:control")
    rig.run(5)
    rig.expect(rig.fault("nosy"), SYSCALL)
    rig.expect(rig.log[0], (rig.log[1], rig.log[1]))
