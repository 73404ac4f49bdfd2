"""What each lab asks for: checks of a hand-in, by lab, each named by what it shows."""

from collections.abc import Callable, Generator
from itertools import pairwise
from typing import Any

from course.bench import Bench, expect
from kernel.abi import DEAD, NOTIFIED, OK, REFUSED, TIMEOUT

Check = Callable[[Bench], None]
Steps = Generator[int, int, None]

LABS: dict[str, list[tuple[str, Check]]] = {}


def shows(lab: str, text: str) -> Callable[[Check], Check]:
    """Make a function a check of a lab, with what it shows in words."""

    def mark(check: Check) -> Check:
        LABS.setdefault(lab, []).append((text, check))
        return check

    return mark


def asking(bench: Bench, server: str, *calls: tuple[int, Any], pause_ms: int = 1) -> Any:
    """Return a client that makes calls and notes (status, value) of each."""

    def main(task: Any) -> Steps:
        handle = task.cap(server)
        for operation, arg in calls:
            status = yield task.call(handle, operation, arg)
            bench.noted.append((status, task.arg if status == OK else None))
            yield task.sleep(pause_ms)
            if status == DEAD:
                yield task.reopen(handle)
        while True:
            yield task.recv()

    return main


# Lab 1


def _two_tasks(bench: Bench) -> None:
    bench.log()
    bench.add("fast", bench.part("fast"), priority=4, uses="log:send")
    bench.add("slow", bench.part("slow"), priority=5, uses="log:send")
    bench.run(1000)
    bench.expect_no_fault("fast")
    bench.expect_no_fault("slow")


@shows("lab1", "fast sends every 10 ms")
def fast_is_periodic(bench: Bench) -> None:
    _two_tasks(bench)
    times = bench.times("fast")
    expect(98 <= len(times) <= 101, f"fast has sent {len(times)} times in a second")
    gaps = [later - earlier for earlier, later in pairwise(times)]
    expect(min(gaps) >= 8 and max(gaps) <= 12, f"its gaps are {min(gaps)} to {max(gaps)} ms")


@shows("lab1", "slow sends every 25 ms, whatever its work takes")
def slow_is_periodic(bench: Bench) -> None:
    _two_tasks(bench)
    times = bench.times("slow")
    expect(40 <= len(times) <= 41, f"slow has sent {len(times)} times in a second")


@shows("lab1", "the two share the log: both are heard, by their own operations")
def both_are_heard(bench: Bench) -> None:
    _two_tasks(bench)
    seen = {(sender, operation) for _, sender, operation, _ in bench.records}
    expect(seen == {("fast", 1), ("slow", 2)}, f"the log has {sorted(seen)}")


# Lab 2


def _counter(bench: Bench, *calls: tuple[int, Any]) -> list[Any]:
    bench.add("counter", bench.part("counter"), priority=3, pauses=(50, 50))
    bench.add("client", asking(bench, "counter", *calls), uses="counter:call")
    bench.run(200)
    bench.expect_no_fault("counter")
    return bench.noted


@shows("lab2", "ADD, TOTAL and RESET answer as they say")
def counter_counts(bench: Bench) -> None:
    seen = _counter(bench, (1, 5), (1, 7), (2, None), (3, None), (2, None), (1, 1000), (1, 0))
    wanted = [(OK, 5), (OK, 12), (OK, 12), (OK, 12), (OK, 0), (OK, 1000), (OK, 1000)]
    expect(seen == wanted, f"5, 7, TOTAL, RESET, TOTAL, 1000, 0 gave {seen}")


@shows("lab2", "nonsense is REFUSED, and changes nothing")
def counter_refuses(bench: Bench) -> None:
    wrong = (None, "5", 2.0, True, -1, 1001, b"1", (1, 2))
    calls = [(1, one) for one in wrong] + [(0, None), (4, None), (191, 3), (2, None)]
    seen = _counter(bench, (1, 3), *calls)
    expect(seen[1:-1] == [(REFUSED, None)] * (len(calls) - 1), f"the answers were {seen[1:]}")
    expect(seen[-1] == (OK, 3), f"the total was 3, and is {seen[-1][1]}")


# Lab 3


def _oven(bench: Bench, *bakes_ms: int) -> None:
    bench.add("oven", bench.part("oven"), priority=3)

    def baker(ms: int) -> Any:
        def main(task: Any) -> Steps:
            begun = bench.now()
            status = yield task.call(task.cap("oven"), 1, ms)
            bench.noted.append((ms, status, bench.now() - begun))
            while True:
                yield task.recv()

        return main

    for number, ms in enumerate(bakes_ms):
        bench.add(f"baker{number}", baker(ms), uses="oven:call", priority=4)


@shows("lab3", "each is answered when its own time is over")
def bakes_side_by_side(bench: Bench) -> None:
    _oven(bench, 90, 30, 60, 30)
    bench.run(200)
    bench.expect_no_fault("oven")
    seen = [(ms, status) for ms, status, _ in bench.noted]
    expect(seen == [(ms, OK) for ms in (30, 30, 60, 90)], f"the answers were {seen}")
    late = max(took - ms for ms, _, took in bench.noted)
    expect(late <= 5, f"an answer came {late} ms late")


@shows("lab3", "HOW_MANY is answered at once, and counts")
def counts_at_once(bench: Bench) -> None:
    _oven(bench, 90, 30)
    counts: list[tuple[int, int]] = []

    def watcher(task: Any) -> Steps:
        yield task.sleep(10)
        for _ in range(3):
            begun = bench.now()
            yield task.call(task.cap("oven"), 2)
            counts.append((task.arg, bench.now() - begun))
            yield task.sleep(40)

    bench.add("watcher", watcher, uses="oven:call", priority=5, restart="temporary")
    bench.run(200)
    seen = [count for count, _ in counts]
    expect(seen == [2, 1, 0], f"at 10, 50 and 90 ms it counted {seen}")
    expect(max(took for _, took in counts) <= 2, f"it took {counts}")


@shows("lab3", "a caller that has gone, and nonsense, disturb nobody")
def goes_on_without_a_caller(bench: Bench) -> None:
    _oven(bench, 60, 40)
    wrong = asking(bench, "oven", (1, "long"), (1, -5), (1, 501), (7, 1))
    bench.add("prankster", wrong, uses="oven:call", priority=6)
    bench.at(20, lambda: bench.house.fail("baker0"))
    bench.run(150)
    bench.expect_no_fault("oven")
    answers = [one for one in bench.noted if len(one) == 3]
    refused = [one for one in bench.noted if len(one) == 2]
    expect((40, OK) in [one[:2] for one in answers], "who baked beside it got no answer")
    expect([one[0] for one in refused] == [REFUSED] * 4, f"nonsense was answered {refused}")


# Lab 4


def _sink(bench: Bench, *, fails_at: tuple[int, ...] = (), ignores: tuple[int, ...] = ()) -> None:
    kept: list[int] = bench.noted
    done: set[int] = set()

    def sink(task: Any) -> Steps:
        while True:
            yield task.recv()
            number = task.arg
            if number in ignores and number not in done:
                done.add(number)
                continue
            if number in fails_at and number not in done:
                done.add(number)
                raise ValueError(number)
            if number not in kept:
                kept.append(number)
            yield task.reply(OK)

    bench.add("sink", sink, priority=3)
    bench.add("carrier", bench.part("carrier"), uses="sink:call", priority=4)
    bench.run(3000)
    bench.expect_no_fault("carrier")
    expect(kept == list(range(1, 21)), f"the sink has {kept}")


@shows("lab4", "all numbers arrive, in their order")
def arrives(bench: Bench) -> None:
    _sink(bench)


@shows("lab4", "a server that fails in a call gets that number again, when it is back")
def survives_failures(bench: Bench) -> None:
    _sink(bench, fails_at=(1, 7, 8, 9, 20))


@shows("lab4", "a server that does not answer is asked again, soon")
def survives_silence(bench: Bench) -> None:
    _sink(bench, ignores=(2, 3, 4, 5, 6, 7, 8, 9), fails_at=(12,))


# Lab 5


@shows("lab5", "the total goes on after POISON")
def outlives_poison(bench: Bench) -> None:
    calls = [(1, 5), (9, None), (9, None), (1, 2), (9, None), (1, 1)]
    bench.add("counter", bench.part("counter"), priority=3, pauses=(50, 50))
    bench.add("client", asking(bench, "counter", *calls, pause_ms=150), uses="counter:call")
    bench.run(1500)
    totals = [value for status, value in bench.noted if status == OK]
    expect(totals == [5, 7, 8], f"5, POISON twice, 2, POISON, 1 gave the totals {totals}")


@shows("lab5", "it begins with 0")
def begins_with_nothing(bench: Bench) -> None:
    seen = _counter(bench, (1, 0), (1, "x"), (4, 1))
    expect(seen == [(OK, 0), (REFUSED, None), (REFUSED, None)], f"0, 'x', 4 gave {seen}")


@shows("lab5", "what was told is kept when it fails right after, at any time")
def keeps_what_it_told(bench: Bench) -> None:
    bench.add("counter", bench.part("counter"), priority=3, pauses=(50, 50))

    def client(task: Any) -> Steps:
        counter, told = task.cap("counter"), 0
        for _ in range(8):
            status = yield task.call(counter, 1, 1)
            if status == OK:
                expect(task.arg > told, f"it told {told}, and then {task.arg}")
                told = task.arg
                bench.house.fail("counter")
            yield task.sleep(700)
            yield task.reopen(counter)
        bench.noted.append(told)
        while True:
            yield task.recv()

    bench.add("client", client, uses="counter:call", priority=2)  # it acts before counter does
    bench.run(8000)
    bench.expect_no_fault("client")
    expect(bench.noted == [8], f"eight times 1 gave {bench.noted}")


# Lab 6


def _borrower(bench: Bench, name: str, *, begins_ms: int, returns_ms: int, tries_ms: int) -> Any:
    """Return a client that borrows, prints, returns (or does not), and prints again."""

    def main(task: Any) -> Steps:
        desk = task.cap("desk")
        yield task.sleep(begins_ms)
        task.accept()
        status = yield task.call(desk, 1)
        bench.noted.append((name, "borrow", status))
        if status == OK:
            printer = task.granted()
            yield task.call(printer, 1, name)
            if returns_ms:
                yield task.sleep(returns_ms)
                bench.noted.append((name, "return", (yield task.call(desk, 2))))
            yield task.sleep(tries_ms)
            yield task.call(printer, 1, f"{name} again")
        while True:
            yield task.recv()

    return main


def _lending(bench: Bench, **clients: dict[str, int]) -> list[str]:
    """Run desk, printer and clients; return what was printed."""
    printed: list[str] = []

    def printer(task: Any) -> Steps:
        while True:
            yield task.recv()
            printed.append(task.arg)
            yield task.reply(OK)

    bench.add("printer", printer, priority=2)
    bench.add("desk", bench.part("desk"), priority=3, uses="printer:call,grant", slots=4)
    for name, times in clients.items():
        main = _borrower(bench, name, **times)
        bench.add(name, main, uses="desk:call", slots=2, restart="temporary")
    bench.run(400)
    bench.expect_no_fault("desk")
    return printed


@shows("lab6", "who borrows can print, and after the return no more")
def lends_and_takes_back(bench: Bench) -> None:
    printed = _lending(bench, ann={"begins_ms": 1, "returns_ms": 5, "tries_ms": 5})
    expect(bench.noted == [("ann", "borrow", OK), ("ann", "return", OK)], f"{bench.noted}")
    expect(printed == ["ann"], f"printed was {printed}")


@shows("lab6", "one client has it at a time; the next one gets it after the return")
def lends_to_one(bench: Bench) -> None:
    printed = _lending(
        bench,
        ann={"begins_ms": 1, "returns_ms": 20, "tries_ms": 300},
        bob={"begins_ms": 10, "returns_ms": 1, "tries_ms": 300},
        cid={"begins_ms": 40, "returns_ms": 1, "tries_ms": 300},
    )
    borrowed = {name: status for name, what, status in bench.noted if what == "borrow"}
    expect(borrowed == {"ann": OK, "bob": 1, "cid": OK}, f"BORROW was answered {borrowed}")
    expect(printed == ["ann", "cid"], f"printed was {printed}")


@shows("lab6", "a loan that is not returned ends by itself")
def ends_a_loan(bench: Bench) -> None:
    printed = _lending(
        bench,
        ann={"begins_ms": 1, "returns_ms": 0, "tries_ms": 150},
        bob={"begins_ms": 200, "returns_ms": 1, "tries_ms": 300},
    )
    expect(printed == ["ann", "bob"], f"printed was {printed}")


@shows("lab6", "nobody returns what another has")
def only_the_holder_returns(bench: Bench) -> None:
    thief = asking(bench, "desk", (2, None))

    def late(task: Any) -> Steps:
        yield task.sleep(10)
        yield from thief(task)

    bench.add("thief", late, uses="desk:call")
    printed = _lending(bench, ann={"begins_ms": 1, "returns_ms": 0, "tries_ms": 40})
    expect(printed == ["ann", "ann again"], f"printed was {printed}")
    status = next(one[0] for one in bench.noted if len(one) == 2)
    expect(status == REFUSED, f"RETURN of who has nothing was answered {status}")


# Lab 7


def _button(bench: Bench, edges_ms: list[int]) -> int:
    """Run the driver while edges come; return how often `watcher` was notified."""

    def watcher(task: Any) -> Steps:
        while True:
            if (yield task.recv()) == NOTIFIED:
                bench.noted.append(bench.now())

    bench.add("watcher", watcher, priority=3)
    house = bench.house
    main = bench.part("button")
    bench.add("button", main, priority=1, uses="watcher:notify", lines=("edge",))
    for ms in edges_ms:
        bench.at(ms, lambda: house.port.fire(house.rig.line(0)))
    bench.run(600)
    bench.expect_no_fault("button")
    return len(bench.noted)


@shows("lab7", "each press is told once")
def tells_presses(bench: Bench) -> None:
    count = _button(bench, [20, 80, 140, 200])
    expect(count == 4, f"of 4 presses it told {count}")


@shows("lab7", "it is told at once, not when the bouncing is over")
def tells_at_once(bench: Bench) -> None:
    _button(bench, [50, 52, 54])
    expect(bench.noted and bench.noted[0] <= 52, f"a press at 50 ms was told at {bench.noted}")


@shows("lab7", "a bouncing contact is one press")
def settles(bench: Bench) -> None:
    edges = [at + bounce for at in (20, 100, 180) for bounce in (0, 1, 2, 4, 5, 7)]
    count = _button(bench, edges)
    expect(count == 3, f"of 3 presses with 6 edges each it told {count}")


# Lab 8

_ATTACKS: tuple[Any, ...] = (
    (1, None), (1, 7), (1, ()), (1, ("key",)), (1, ("key", b"v", 1)), (1, (1, b"v")),
    (1, ("key", "text")), (1, ("", b"v")), (1, ("k" * 17, b"v")), (1, ("key", bytes(33))),
    (2, None), (2, ("key",)), (2, b"key"), (2, "k" * 17), (2, ""), (0, None), (3, "key"),
    (190, ("key", b"v")),
)  # fmt: skip


def _vault(bench: Bench, **attackers: Any) -> None:
    """Run the vault, an honest client who expects an answer in 20 ms, and attackers."""
    bench.add("vault", bench.part("vault"), priority=3, mailbox=(4, 2))
    for name, main in attackers.items():
        bench.add(name, main, uses="vault:call,send", priority=5)

    def honest(task: Any) -> Steps:
        vault = task.cap("vault")
        for number in range(60):
            value = bytes((number,))
            begun = bench.now()
            status = yield task.call(vault, 1, ("mine", value), timeout_ms=20)
            expect(status == OK, f"an honest PUT was answered {status}")
            status = yield task.call(vault, 2, "mine", timeout_ms=20)
            expect((status, task.arg) == (OK, value), f"an honest GET gave {task.arg}")
            expect(bench.now() - begun <= 20, f"that took {bench.now() - begun} ms")
            yield task.sleep(10)
        bench.noted.append("done")
        while True:
            yield task.recv()

    bench.add("honest", honest, uses="vault:call", priority=4)
    bench.run(1500)
    bench.expect_no_fault("vault")
    bench.expect_no_fault("honest")
    expect("done" in bench.noted, "an honest client has not come to its end")


@shows("lab8", "an honest client is served")
def serves(bench: Bench) -> None:
    _vault(bench)


@shows("lab8", "a request that is none is REFUSED")
def refuses(bench: Bench) -> None:
    _vault(bench, rude=asking(bench, "vault", *_ATTACKS))
    answers = [one for one in bench.noted if one != "done"]
    wrong = [call for call, answer in zip(_ATTACKS, answers, strict=False) if answer[0] != REFUSED]
    expect(len(answers) == len(_ATTACKS) and not wrong, f"not REFUSED: {wrong[:3]}")


@shows("lab8", "no client reads or changes what another has")
def keeps_apart(bench: Bench) -> None:
    spy = asking(bench, "vault", (2, "mine"), (1, ("mine", b"forged")), (2, "mine"), pause_ms=25)
    _vault(bench, spy=spy)
    answers = [one for one in bench.noted if one != "done"]
    expect(answers == [(1, None), (OK, None), (OK, b"forged")], f"a spy was answered {answers}")


@shows("lab8", "one client fills its own room, and nobody else's")
def has_a_quota(bench: Bench) -> None:
    puts = [(1, (f"key{number}", bytes(32))) for number in range(12)]
    _vault(bench, hoarder=asking(bench, "vault", *puts, (1, ("key0", b"new")), (2, "key0")))
    answers = [status for status, _ in (one for one in bench.noted if one != "done")]
    expect(answers == [OK] * 8 + [2] * 4 + [OK, OK], f"12 keys were answered {answers}")


@shows("lab8", "callers that die, and messages that want no reply, do no harm")
def survives_the_dead(bench: Bench) -> None:
    def flood(task: Any) -> Steps:
        vault = task.cap("vault")
        while True:
            status = yield task.call(vault, 1, ("k", b"v"), timeout_ms=1)
            if status in (DEAD, TIMEOUT):
                yield task.reopen(vault)
            yield task.send(vault, 1, ("k", b"v"))
            yield task.send(vault, 77, None)
            yield task.sleep(1)

    for ms in range(20, 700, 40):
        bench.at(ms, lambda: bench.house.fail("flood"))
    _vault(bench, flood=flood)
