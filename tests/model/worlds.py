"""The small worlds: who is in each, what each may do, what happens around them."""

from bulkhead_host.explore.spec import Service, World, world
from model.more_worlds import INTERRUPTS_TOO, MESSAGES_TOO, RESOURCES, WRAPS
from model.policies import BLOCK, DROP_OLDEST, FAIL

MESSAGES = {
    # Two tasks that do everything to each other, and die for good.
    "pair": world(
        Service(
            "a",
            3,
            uses=(("b", "call,send,notify"),),
            does="call send notify recv recvt reply reply_recv sleep yield crash",
        ),
        Service(
            "b",
            4,
            mailbox=(1, BLOCK),
            uses=(("a", "call,notify"),),
            does="call notify recv recvt reply reply_recv reply_to yield crash",
        ),
    ),
    # Two clients, one more and one less important than the server, and time going by in steps.
    "clients": world(
        Service("one", 2, uses=(("server", "call"),), does="call call2 sleep yield"),
        Service("two", 4, uses=(("server", "call"),), does="call call2 sleep yield"),
        Service("server", 3, does="recv recvt reply reply_recv reply_to sleep yield"),
        events="time",
    ),
    # The same, where everybody may fail and is started again.
    "restarts": world(
        Service("one", 3, uses=(("server", "call"),), does="call reopen crash"),
        Service("server", 4, mailbox=(1, BLOCK), does="recv reply reply_recv crash"),
        Service(
            "supervisor", 0, uses=(("kernel", "control"),), does="recv start next_fault stop fault"
        ),
    ),
    # Mailboxes of one place.
    "fail": world(
        Service("one", 2, uses=(("box", "send,notify"),), does="send notify sleep"),
        Service("two", 4, uses=(("box", "send"),), does="send sleep yield"),
        Service("box", 3, mailbox=(1, FAIL), does="recv recvt sleep crash"),
        events="time",
    ),
    "block": world(
        Service("one", 2, uses=(("box", "send,notify"),), does="send sendd notify sleep"),
        Service("two", 4, uses=(("box", "send"),), does="send sendd sleep yield"),
        Service("box", 3, mailbox=(1, BLOCK), does="recv recvt sleep crash"),
        events="time",
    ),
    "oldest": world(
        Service("one", 2, uses=(("box", "send,notify"),), does="send notify sleep"),
        Service("two", 4, uses=(("box", "send"),), does="send sleep yield"),
        Service("box", 3, mailbox=(2, DROP_OLDEST), does="recv recvt sleep crash"),
        events="time",
    ),
    # Waits in a chain and in a circle: lent priorities.
    "chain": world(
        Service(
            "a",
            5,
            uses=(
                ("b", "call"),
                ("c", "notify"),
            ),
            does="call recv reply sleep",
        ),
        Service(
            "b",
            4,
            uses=(
                ("c", "call"),
                ("a", "notify"),
            ),
            does="call recv reply_recv",
        ),
        Service(
            "c",
            3,
            uses=(
                ("a", "call"),
                ("b", "notify"),
            ),
            does="call recv recvt reply_recv",
        ),
        Service("top", 1, uses=(("a", "call"),), does="call sleep"),
    ),
    "circle": world(
        Service("a", 5, uses=(("b", "call"),), does="call call2 recv reply"),
        Service("b", 4, uses=(("a", "call"),), does="call call2 recv reply_recv"),
        Service("top", 1, uses=(("a", "call"),), does="call sleep2"),
        events="time",
    ),
    # A caller in the midst of a queue that is called itself, by one more important than the queue.
    "crowd": world(
        Service("server", 6, does="recv sleep2 reply"),
        Service("other", 4, uses=(("server", "call"),), does="call2 sleep"),
        Service("called", 5, uses=(("server", "call"),), does="call2 recv"),
        Service("top", 2, uses=(("called", "call"),), does="call sleep2"),
        events="time",
    ),
    # The commonest traps in their commonest form.
    "short": world(
        Service(
            "one", 3, uses=(("server", "call,send,notify"),), does="calld sendd notify sleep yield"
        ),
        Service("two", 4, uses=(("server", "call,send"),), does="calld sendd call"),
        Service(
            "server",
            4,
            mailbox=(1, BLOCK),
            lines=("edge",),
            does="recv reply reply_recv lease ack yield",
        ),
        events="fire slice time",
    ),
    "leases": world(
        Service("one", 3, uses=(("server", "call"),), does="lend call sleep crash"),
        Service("two", 4, uses=(("server", "call"),), does="lend"),
        Service("server", 3, does="recv lease reply reply_recv reply_to reply_fault yield"),
        events="time",
    ),
}

CAPABILITIES = {
    # One capability that may be granted, one who may hand it on, one it is for, one it is not.
    "grants": world(
        Service(
            "owner",
            3,
            uses=(
                ("x", "call,notify,grant"),
                ("friend", "call"),
            ),
            slots=1,
            does="grant copy mint delete revoke recv crash",
        ),
        Service(
            "friend",
            3,
            uses=(("stranger", "call"),),
            slots=1,
            does="accept recv reply_recv regrant call notify copy delete crash",
        ),
        Service("stranger", 4, slots=1, does="accept reply_recv"),
        Service("x", 4, does="recv reply"),
    ),
    "copies": world(
        Service(
            "owner",
            3,
            uses=(
                ("x", "notify,grant"),
                ("friend", "call"),
            ),
            slots=2,
            does="grant copy delete revoke stale",
        ),
        Service("friend", 3, slots=2, does="accept copy delete revoke notify reply_recv"),
        Service("x", 4, does="recv"),
    ),
    "replies": world(
        Service("client", 4, uses=(("server", "call"),), slots=1, does="callaccept notify delete"),
        Service(
            "server",
            3,
            uses=(("x", "notify,grant"),),
            slots=1,
            does="recv replygrant reply reply_recv copy revoke delete",
        ),
        Service("x", 4, does="recv crash"),
        Service("supervisor", 0, uses=(("kernel", "control"),), does="recv start fault"),
    ),
}

INTERRUPTS = {
    # A driver with a line, its client and a hog: preemption.
    "driver": world(
        Service("client", 4, uses=(("driver", "call"),), does="call sleep yield"),
        Service("driver", 2, lines=("edge",), does="recv reply reply_recv ack crash"),
        Service("hog", 4, uses=(("driver", "notify"),), does="notify yield"),
        events="fire slice time",
    ),
    # Kills at every point of a step.
    "kills": world(
        Service("client", 3, uses=(("server", "call"),), does="call sleep"),
        Service("server", 4, lines=("edge",), does="recv reply_recv reply ack"),
        Service(
            "supervisor", 1, uses=(("kernel", "control"),), does="recv start fault stop next_fault"
        ),
        events="fire strike time",
    ),
    "guest": world(
        Service("client", 4, uses=(("driver", "call"),), does="call sleep yield"),
        Service("driver", 2, lines=("edge",), does="recv reply_recv ack"),
        events="fire time",
        guest=True,
    ),
    # A hard driver, which is resumed in the interrupt, at any moment between two steps.
    "hard": world(
        Service(
            "stop",
            3,
            uses=(("watcher", "notify"),),
            lines=("edge",),
            hard=True,
            does="attend ack notify crash",
        ),
        Service("watcher", 4, does="recv recvt yield crash"),
        Service(
            "supervisor", 1, uses=(("kernel", "control"),), does="recv start fault stop next_fault"
        ),
        events="fire strike time",
    ),
}

CONTROL = {
    # What a service drives is safe from its end to its next beginning, whatever ended it.
    "outputs": world(
        Service("motor", 3, lines=("edge",), drives=True, does="recv ack sleep crash return"),
        Service("heater", 4, drives=True, does="updated recv reply crash yield"),
        Service("client", 4, uses=(("heater", "call"),), does="call recv"),
        Service(
            *("supervisor", 1),
            uses=(("kernel", "control"),),
            does="recv replace start fault stop next_fault",
        ),
        events="fire time strike",
    ),
    # Others run while the `finally` blocks of one that is stopped do.
    "controllers": world(
        Service("boss", 1, uses=(("kernel", "control"),), does="recv start fault stop"),
        Service("victim", 4, does="recv reply crash"),
        Service(
            "other",
            2,
            uses=(
                ("kernel", "control"),
                ("victim", "call"),
            ),
            does="call start fault stop recv",
        ),
        events="close",
    ),
    # The same with one that controls.
    "closing": world(
        Service("supervisor", 1, uses=(("kernel", "control"),), does="recv start fault stop"),
        Service("victim", 4, mailbox=(1, FAIL), does="recv reply crash"),
        Service(
            "other", 2, uses=(("victim", "call,send,notify"),), does="call send notify reopen recv"
        ),
        Service("server", 3, does="recv reply_fault"),
        events="close",
    ),
    # New code in the place of old, that fails or not, while others call.
    "updates": world(
        Service("service", 3, mailbox=(1, FAIL), does="updated recv reply reply_recv sleep crash"),
        Service(
            "client", 4, uses=(("service", "call,send,notify"),), does="call send notify sleep"
        ),
        Service(
            "updater",
            1,
            uses=(("kernel", "control"),),
            does="recv replace start fault stop next_fault",
        ),
        events="time",
    ),
    "stashes": world(
        Service("one", 3, does="stash crash yield return"),
        Service(
            "supervisor", 0, uses=(("kernel", "control"),), does="recv start fault stop next_fault"
        ),
    ),
    "bad": world(
        Service(
            "a", 3, uses=(("b", "call,send"),), does="call send recv reply_recv bad stale callself"
        ),
        Service(
            "b",
            3,
            mailbox=(1, FAIL),
            uses=(("b", "call"),),
            does="recv reply_recv reply bad callself",
        ),
        Service("supervisor", 0, uses=(("kernel", "control"),), does="recv start"),
    ),
}

EVERYTHING = {
    # All that there is, at once: too many states to exhaust; `--max` and `--seconds` say how far.
    "all": world(
        Service(
            "a",
            3,
            mailbox=(1, BLOCK),
            uses=(("b", "call,send,notify,grant"),),
            slots=1,
            does="call calld lend send notify recv recvt reply reply_recv "
            "reply_to reply_fault sleep yield copy delete revoke reopen grant "
            "accept callaccept stash crash",
        ),
        Service(
            "b",
            4,
            mailbox=(1, DROP_OLDEST),
            uses=(("a", "call,send,notify"),),
            lines=("edge",),
            slots=1,
            does="call send notify recv recvt reply reply_recv reply_to lease "
            "sleep ack accept callaccept delete reopen return",
        ),
        Service(
            "supervisor",
            1,
            uses=(
                ("kernel", "control"),
                ("a", "call"),
            ),
            does="recv recvt call next_fault start stop fault",
        ),
        events="fire slice strike time",
    ),
}

WORLDS: dict[str, World] = {
    **MESSAGES,
    **CAPABILITIES,
    **INTERRUPTS,
    **CONTROL,
    **RESOURCES,
    **INTERRUPTS_TOO,
    **MESSAGES_TOO,
    **WRAPS,
    **EVERYTHING,
}
