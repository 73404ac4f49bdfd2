"""The verbs of services: what each offers in a state, with its result where that is known."""

from collections.abc import Iterator
from typing import Any

from bulkhead_host.explore.choices import (
    FAULT,
    WAIT,
    Choice,
    Hand,
    Held,
    Verb,
    crash,
    gives,
    returns,
)
from bulkhead_host.explore.embedding import Embedding
from bulkhead_host.explore.stand_ins import TIME_MASK

CALL_VALUE, SEND_VALUE, REPLY_VALUE = 1, 2, 3
REPLY_STATUS = 5


def _call(name: str, *, ms: int = 1, accepts: bool = False, lends: bool = False) -> Verb:
    """Return the verb of a call with a timeout of so many ms."""

    def verb(hand: Hand) -> Iterator[Choice]:
        abi, layout = hand.abi, hand.layout
        word = abi.CALL + abi.TIMED + 1 + (abi.READABLE if lends else 0)
        registers: tuple[tuple[int, int], ...] = ((layout.REGISTER_TIMEOUT, ms),)
        if accepts:
            registers += ((layout.REGISTER_HANDLE, abi.ACCEPTING),)
        for held in hand.targets(abi.MAY_CALL):
            if not hand.is_own(held):
                yield Choice(
                    *("call", f"{name} {held.slot}", held.handle + word, registers, CALL_VALUE),
                    expects=gives(WAIT if held.is_alive else abi.DEAD),
                )

    return verb


def _call_by_default(hand: Hand) -> Iterator[Choice]:
    """Call with the default timeout: the commonest form."""
    abi = hand.abi
    for held in hand.targets(abi.MAY_CALL):
        if not hand.is_own(held):
            yield Choice(
                *("call", f"calld {held.slot}", held.handle + 1 + abi.CALL, (), CALL_VALUE),
                expects=gives(WAIT if held.is_alive else abi.DEAD),
            )


def _call_itself(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    for held in hand.targets(abi.MAY_CALL):
        if hand.is_own(held):
            word = held.handle + 1 + abi.CALL + abi.TIMED
            yield Choice("call", "call itself", word, hand.one_ms, CALL_VALUE)


def _grant(hand: Hand) -> Iterator[Choice]:
    """Call, and grant a capability along."""
    abi = hand.abi
    for held in hand.targets(abi.MAY_CALL):
        for granted in hand.targets(abi.MAY_GRANT):
            label = f"call {held.slot} granting {granted.slot}"
            word = held.handle + 1 + abi.CALL + abi.TIMED + abi.EXTRA
            yield Choice("call", label, word, hand.one_ms + _granting(hand, granted), CALL_VALUE)


def _grant_without_right(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    for held in hand.targets(abi.MAY_CALL):
        for granted in hand.held:
            if not granted.rights & abi.MAY_GRANT and held.is_alive:
                label = f"call {held.slot} granting {granted.slot} without right"
                word = held.handle + 1 + abi.CALL + abi.TIMED + abi.EXTRA
                registers = hand.one_ms + _granting(hand, granted)
                yield Choice("call", label, word, registers, CALL_VALUE, expects=gives(FAULT))


def _reply_granting(hand: Hand) -> Iterator[Choice]:
    for granted in hand.targets(hand.abi.MAY_GRANT):
        label = f"reply granting {granted.slot}"
        word = hand.abi.REPLY + hand.abi.EXTRA
        yield Choice("reply", label, word, _granting(hand, granted), REPLY_VALUE)


def _granting(hand: Hand, granted: Held) -> tuple[tuple[int, int], ...]:
    return ((hand.layout.REGISTER_HANDLE, granted.handle | hand.abi.GRANTING),)


def _send(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    for held in hand.targets(abi.MAY_SEND):
        if hand.w[held.target + hand.layout.MAILBOX]:
            yield Choice(
                *("send", f"send {held.slot}", held.handle + 1 + abi.SEND + abi.TIMED),
                *(hand.one_ms, SEND_VALUE),
                expects=None if held.is_alive else gives(abi.DEAD),
            )


def _send_by_default(hand: Hand) -> Iterator[Choice]:
    """Send with the default timeout."""
    abi = hand.abi
    for held in hand.targets(abi.MAY_SEND):
        if hand.w[held.target + hand.layout.MAILBOX]:
            word = held.handle + 1 + abi.SEND
            yield Choice("send", f"sendd {held.slot}", word, (), SEND_VALUE)


def _notify(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    for held in hand.targets(abi.MAY_NOTIFY):
        yield Choice(
            *("notify", f"notify {held.slot}", held.handle + abi.NOTIFY),
            ((hand.layout.REGISTER_TIMEOUT, 1),),
            expects=gives(abi.OK if held.is_alive else abi.DEAD),
            posts=(held.target, 1),
        )


def _recv(hand: Hand) -> Iterator[Choice]:
    yield Choice("recv", "recv", hand.abi.RECV)


def _recv_timed(hand: Hand) -> Iterator[Choice]:
    yield Choice("recv", "recv 1 ms", hand.abi.RECV + hand.abi.TIMED, hand.one_ms)


def _recv_accepting(hand: Hand) -> Iterator[Choice]:
    accepting = ((hand.layout.REGISTER_HANDLE, hand.abi.ACCEPTING),)
    yield Choice("recv", "recv accepting", hand.abi.RECV, accepting)


def _reply(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    yield Choice(
        *("reply", "reply", abi.REPLY + REPLY_STATUS, (), REPLY_VALUE),
        status=REPLY_STATUS,
        expects=gives(abi.OK),
    )


def _reply_recv(hand: Hand) -> Iterator[Choice]:
    word = hand.abi.REPLY_RECV + REPLY_STATUS
    yield Choice("reply_recv", "reply_recv", word, (), REPLY_VALUE, status=REPLY_STATUS)


def _reply_to(hand: Hand) -> Iterator[Choice]:
    """Reply to a caller by its token: one that waits, and one out of an earlier call."""
    w, layout = hand.w, hand.layout
    for task in hand.world.tasks:
        sequence = w[task + layout.SEQUENCE]
        number = task >> layout.RECORD_SHIFT
        if w[task + layout.STATE] == hand.abi.SERVED and w[task + layout.PEER] == hand.task:
            yield _reply_by_token(hand, "reply_to", f"reply to {number}", sequence, number)
    for task in hand.world.tasks:
        earlier = (w[task + layout.SEQUENCE] - 1) & layout.SEQUENCE_MASK
        number = task >> layout.RECORD_SHIFT
        yield _reply_by_token(hand, "late", f"reply late to {number}", earlier, number)


def _reply_by_token(hand: Hand, kind: str, label: str, sequence: int, number: int) -> Choice:
    abi = hand.abi
    token = sequence << hand.layout.TOKEN_SHIFT | number
    return Choice(
        *(kind, label, abi.REPLY + abi.TIMED + REPLY_STATUS),
        *(((hand.layout.REGISTER_TIMEOUT, token),), REPLY_VALUE),
        status=REPLY_STATUS,
        expects=gives(abi.OK),
    )


def _reply_fault(hand: Hand) -> Iterator[Choice]:
    caller = ((hand.layout.REGISTER_CALLER, hand.w[hand.task + hand.layout.SERVING]),)
    abi = hand.abi
    yield Choice("reply_fault", "reply_fault", abi.REPLY_FAULT, caller, expects=gives(abi.OK))


def _yield(hand: Hand) -> Iterator[Choice]:
    yield Choice("yield", "give way", hand.abi.YIELD)


def _sleep(ms: int) -> Verb:
    def verb(hand: Hand) -> Iterator[Choice]:
        registers = ((hand.layout.REGISTER_TIMEOUT, ms),)
        yield Choice("sleep", f"sleep {ms}", hand.abi.SLEEP + hand.abi.TIMED, registers)

    return verb


def _attend(hand: Hand) -> Iterator[Choice]:
    yield Choice("attend", "attend", hand.abi.ATTEND)


def _copy(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    expects = gives(abi.OK if _has_free_slot(hand) else abi.FULL)
    for held in hand.held:
        word = held.handle + abi.MINT + abi.ALL_RIGHTS
        yield Choice("mint", f"copy {held.slot}", word, expects=expects)


def _has_free_slot(hand: Hand) -> bool:
    w, layout = hand.w, hand.layout
    first = w[hand.task + layout.CAPABILITIES]
    end = first + layout.CAPABILITY * w[hand.task + layout.CAPABILITY_COUNT]
    return any(
        not w[here + layout.TARGET] >> layout.RIGHTS_SHIFT & layout.RIGHTS_MASK
        and not w[here + layout.PARENT]
        and w[here + layout.TARGET] >> layout.SLOT_SHIFT <= hand.abi.HANDLE_GENERATION_MASK
        for here in range(first, end, layout.CAPABILITY)
    )


def _mint(hand: Hand) -> Iterator[Choice]:
    """Copy with fewer rights, and try to with more."""
    abi = hand.abi
    for held in hand.held:
        fewest = held.rights & -held.rights
        word = held.handle + abi.MINT
        yield Choice("mint", f"mint {held.slot}", word + fewest)
        missing = ~held.rights & (abi.MAY_CALL | abi.MAY_SEND | abi.MAY_NOTIFY | abi.MAY_GRANT)
        if missing:
            word += held.rights | missing & -missing
            yield Choice("mint", f"mint {held.slot} with more", word, expects=gives(FAULT))


def _delete(hand: Hand) -> Iterator[Choice]:
    for held in hand.held:
        word = held.handle + hand.abi.DELETE
        yield Choice("delete", f"delete {held.slot}", word, expects=gives(hand.abi.OK))


def _recycle(hand: Hand) -> Iterator[Choice]:
    word = hand.abi.DELETE + hand.abi.RECYCLE
    yield Choice("recycle", "recycle", word, expects=gives(hand.abi.OK))


def _revoke(hand: Hand) -> Iterator[Choice]:
    for held in hand.held:
        word = held.handle + hand.abi.REVOKE
        yield Choice("revoke", f"revoke {held.slot}", word, expects=gives(hand.abi.OK))


def _reopen(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    for held in hand.held:
        word = held.handle + abi.REOPEN
        yield Choice("reopen", f"reopen {held.slot}", word, expects=gives(abi.OK, abi.DEAD))


def _stale(hand: Hand) -> Iterator[Choice]:
    """Use a handle of a slot that was freed since, or of none."""
    abi = hand.abi
    for held in hand.held:
        is_derived = hand.w[held.here + hand.layout.PARENT]
        generation = 1 << abi.HANDLE_GENERATION_SHIFT
        bad = held.handle + generation if is_derived else held.handle | 9 * generation
        for name, word in (("notify", abi.NOTIFY), ("call", abi.CALL), ("delete", abi.DELETE)):
            label = f"{name} a stale handle {held.slot}"
            yield Choice("stale", label, bad + word, expects=gives(FAULT))


def _lease(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    yield _lease_one(hand, "lease read", abi.LEASE_READ, abi.READABLE)
    yield _lease_one(hand, "lease write", abi.LEASE_WRITE, abi.WRITABLE)


def _lease_one(hand: Hand, label: str, word: int, right: int) -> Choice:
    w, layout, abi = hand.w, hand.layout, hand.abi
    token = w[hand.task + layout.SERVING]
    client = (token & layout.TOKEN_TASK) << layout.RECORD_SHIFT
    is_served = (
        client in hand.world.tasks
        and w[client + layout.STATE] == abi.SERVED
        and w[client + layout.PEER] == hand.task
        and w[client + layout.SEQUENCE] == token >> layout.TOKEN_SHIFT
    )
    lent = 4 if is_served and w[client + layout.OPERATION] & right else 0
    wanted = abi.OK if is_served else abi.DEAD

    def judge(world: Embedding, _before: Any, actor: int, result: int) -> bool:
        return result == wanted and bool(world.words[actor + layout.REGISTER_BITS] == lent)

    return Choice("lease", label, word, expects=judge)


def _stash(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    yield Choice("stash", "stash", abi.STASH, (), CALL_VALUE, expects=gives(abi.OK))
    kept = hand.world.kernel.stashes[hand.number] is not None
    word = abi.STASH + 1
    yield Choice("unstash", "unstash", word, expects=gives(abi.OK if kept else abi.UNKNOWN))


def _acknowledge(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    for held in hand.targets(abi.MAY_ACKNOWLEDGE):
        expects = gives(FAULT if _is_storm(hand, held.target) else abi.OK)
        yield Choice("ack", "acknowledge", held.handle + abi.ACKNOWLEDGE, expects=expects)


def _is_storm(hand: Hand, line: int) -> bool:
    """Tell whether a line has fired more often in its window than it may."""
    w, layout = hand.w, hand.layout
    if w[line + layout.LINE_MASKED] != layout.FIRED:
        return False
    window_us = hand.world.tree["kernel.limits"].RATE_WINDOW_US
    age_us = (w[line + layout.LINE_FIRED_AT] - w[line + layout.LINE_WINDOW]) & TIME_MASK
    before = w[line + layout.LINE_IN_WINDOW] if age_us < window_us else 0
    return bool(before + 1 > w[line + layout.LINE_RATE])


def _crash(_hand: Hand) -> Iterator[Choice]:
    yield crash("crash")


def _return(_hand: Hand) -> Iterator[Choice]:
    yield crash("return", StopIteration)


def _bad(hand: Hand) -> Iterator[Choice]:
    yield Choice("bad", "send a list", hand.abi.REPLY_RECV + 200)
    yield Choice("bad", "no trap", 31 << hand.abi.TRAP_SHIFT, expects=gives(FAULT))


def _start(hand: Hand) -> Iterator[Choice]:
    abi = hand.abi
    for task, number, name in hand.others():
        if _is_down(hand, task) or hand.world.is_closing(task):
            word = hand.control() + abi.START + number
            yield Choice("start", f"start {name}", word, expects=gives(abi.OK))


def _stop(hand: Hand) -> Iterator[Choice]:
    """Stop a service for good."""
    abi = hand.abi
    for task, number, name in hand.others():
        if not _is_down(hand, task):
            word = hand.control() + abi.STOP + number
            yield Choice("stop", f"stop {name}", word, expects=gives(abi.OK))


def _fault(hand: Hand) -> Iterator[Choice]:
    """Stop a service with a fault."""
    abi = hand.abi
    for task, number, name in hand.others():
        if not _is_down(hand, task):
            word = hand.control() + abi.STOP + number
            status = abi.UNKNOWN if hand.world.is_closing(task) else abi.OK
            yield Choice("stop", f"fault {name}", word, (), abi.INJECTED, expects=gives(status))


def _is_down(hand: Hand, task: int) -> bool:
    return hand.w[task + hand.layout.STATE] in (hand.abi.DORMANT, hand.abi.FAULTED)


def _replace(hand: Hand) -> Iterator[Choice]:
    """Put new code in the place of what says `updated`, or take it back."""
    world, abi = hand.world, hand.abi
    for task, number, name in hand.others():
        if "updated" not in world.services[number - 1].verbs:
            continue
        is_loaded = task in world.kernel.trials
        for step in ("SWAP", "ASK", "REVERT", "SETTLE") if is_loaded else ("LOAD",):
            yield Choice(
                *("replace", f"{step.lower()} {name}", hand.control() + abi.REPLACE + number),
                ((hand.layout.REGISTER_TIMEOUT, getattr(abi, step)),),
                world.puppets[number],
                expects=returns,
            )


def _updated(_hand: Hand) -> Iterator[Choice]:
    yield from ()


def _start_without_memory(hand: Hand) -> Iterator[Choice]:
    """Start a service where the heap has no room for its frame: one that closes starts later."""
    closing = {f"start {name}" for task, _, name in hand.others() if hand.world.is_closing(task)}
    for choice in _start(hand):
        choice.expects = gives(hand.abi.OK if choice.label in closing else hand.abi.FULL)
        choice.label += " without memory"
        choice.fills_heap = True
        yield choice


def _exhaust(_hand: Hand) -> Iterator[Choice]:
    yield crash("run out of memory", MemoryError)


def _inject(hand: Hand) -> Iterator[Choice]:
    """Have a service misbehave in its next step, or its line fire once too often."""
    terms = hand.world.tree["bulkhead.terms"]
    for task, number, name in hand.others():
        if _is_down(hand, task):
            continue
        for kind in (terms.CRASH, terms.RETURN, terms.BAD_TRAP, terms.INTERRUPT_STORM):
            label = f"inject {terms.INJECTION_NAMES[kind]} into {name}"
            word = hand.control() + hand.abi.INJECT + number
            yield Choice("inject", label, word, (), kind, expects=returns)


def _lend_to_write(hand: Hand) -> Iterator[Choice]:
    for choice in VERBS["lend"](hand):
        choice.label = "to be written: " + choice.label
        choice.word += hand.abi.WRITABLE
        yield choice


def _next_fault(hand: Hand) -> Iterator[Choice]:
    yield Choice("next_fault", "next_fault", hand.control() + hand.abi.NEXT_FAULT)


VERBS: dict[str, Verb] = {
    "accept": _recv_accepting,
    "ack": _acknowledge,
    "attend": _attend,
    "bad": _bad,
    "call": _call("call"),
    "call2": _call("call2", ms=2),
    "callaccept": _call("callaccept", accepts=True),
    "calld": _call_by_default,
    "callself": _call_itself,
    "copy": _copy,
    "crash": _crash,
    "delete": _delete,
    "fault": _fault,
    "exhaust": _exhaust,
    "grant": _grant,
    "inject": _inject,
    "lendw": _lend_to_write,
    "start_full": _start_without_memory,
    "lease": _lease,
    "lend": _call("lend", lends=True),
    "mint": _mint,
    "next_fault": _next_fault,
    "notify": _notify,
    "recv": _recv,
    "recvt": _recv_timed,
    "recycle": _recycle,
    "regrant": _grant_without_right,
    "reopen": _reopen,
    "replace": _replace,
    "reply": _reply,
    "reply_fault": _reply_fault,
    "reply_recv": _reply_recv,
    "reply_to": _reply_to,
    "replygrant": _reply_granting,
    "return": _return,
    "revoke": _revoke,
    "send": _send,
    "sendd": _send_by_default,
    "sleep": _sleep(1),
    "sleep2": _sleep(2),
    "stale": _stale,
    "start": _start,
    "stash": _stash,
    "stop": _stop,
    "updated": _updated,
    "yield": _yield,
}
