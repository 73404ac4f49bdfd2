"""Cases: slots that capabilities come and go in, until their generations are used up."""

from bulkhead import FULL, OK
from cases.rig import controlled, echo, until
from kernel.abi import HANDLE_GENERATION_SHIFT, SYSCALL


def exhausted(task, name):
    """Copy and delete until there is no free slot; return the handles there were."""
    handles = []
    while (yield task.copy(task.cap(name))) == OK:
        handles.append(task.arg)
        yield task.delete(task.arg)
    return handles


def test_no_handle_of_a_copy_comes_again(rig):
    def main(task):
        handles = yield from exhausted(task, "server")
        rig.log.append((len(handles), len(set(handles))))
        rig.log.append((yield task.copy(task.cap("server"))))
        rig.finish()
        yield task.recv()

    rig.add("server", echo)
    rig.add("main", main, uses="server:call", slots=3)
    rig.run(2000)
    rig.expect(rig.log, [(3 * 63, 3 * 63), FULL])


def test_exhausted_slot_takes_others_for_who_keeps_no_handle(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        kept = task.arg
        handles = yield from exhausted(task, "server")
        rig.log.append(len(handles))
        rig.log.append((yield task.recycle()))
        rig.log.append((yield task.copy(task.cap("server"))))
        rig.log.append((yield task.call(task.arg, 1, 6)))
        rig.log.append((yield task.call(kept, 1, 7)))
        rig.finish()
        yield task.recv()

    rig.add("server", echo)
    rig.add("main", main, uses="server:call", slots=2)
    rig.run(2000)
    rig.expect(rig.log, [63, OK, OK, OK, OK])
    rig.expect(rig.fault("main"), 0)


def test_recycling_spares_what_is_not_exhausted(rig):
    def main(task):
        yield task.copy(task.cap("server"))
        kept = task.arg
        yield task.delete(kept)
        yield task.recycle()
        yield task.copy(task.cap("server"))
        rig.log.append(task.arg - kept)
        yield task.call(kept, 1)

    rig.add("server", echo)
    rig.add("main", main, uses="server:call", slots=1)
    rig.run(20)
    rig.expect(rig.log, [1 << HANDLE_GENERATION_SHIFT])
    rig.expect(rig.fault("main"), SYSCALL)


def test_next_incarnation_has_all_slots(rig):
    def main(task):
        rig.log.append(len((yield from exhausted(task, "server"))))
        yield task.recv()

    def restart(task, kernel):
        yield from until(task, lambda: len(rig.log) == 1)
        yield task.stop(kernel, 2)
        yield task.start(kernel, 2)
        yield from until(task, lambda: len(rig.log) == 2)

    server = ("server", echo, {})
    controlled(rig, restart, server, ("main", main, {"uses": "server:call", "slots": 1}))
    rig.expect(rig.log, [63, 63])


def test_receiver_of_grants_that_is_exhausted_leaves_the_granter_with_full(rig):
    def server(task):
        task.accept()
        yield task.recv()
        while True:
            yield task.delete(task.granted())
            task.accept()
            yield task.reply_recv(OK)

    def main(task):
        for number in range(64):
            status = yield task.call_granting(task.cap("server"), 1, task.cap("led"))
            if status != OK:
                rig.log.append((number, status))
        rig.finish()
        yield task.recv()

    rig.add("led", echo)
    rig.add("server", server, slots=1)
    rig.add("main", main, uses="led:call,grant server:call")
    rig.run(2000)
    rig.expect(rig.log, [(63, FULL)])
