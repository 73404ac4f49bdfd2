"""More small worlds: memory, periods, storms, injections, and counters that come round."""

from bulkhead_host.explore.spec import UNIT_US, Service, World, world
from model.policies import BLOCK, DROP_OLDEST, FAIL

_SUPERVISOR = Service(
    "supervisor", 1, uses=(("kernel", "control"),), does="recv start fault stop next_fault"
)
_STARTER = Service("supervisor", 1, uses=(("kernel", "control"),), does="recv start next_fault")
# Just below where the clock's 30 bits come round: every deadline of these worlds is beyond.
_BEFORE_THE_WRAP_US = (1 << 30) - UNIT_US // 2

RESOURCES: dict[str, World] = {
    # Two units of processor time in any period of three, and one who has no such budget.
    "periods": world(
        Service("hog", 3, period=(3, 2 * UNIT_US), does="yield sleep recv"),
        Service("free", 4, uses=(("hog", "notify"),), does="notify yield sleep"),
        _STARTER,
        events="time slice",
    ),
    "periods2": world(
        Service("one", 3, period=(2, UNIT_US), uses=(("two", "call"),), does="call sleep"),
        Service("two", 4, period=(3, 2 * UNIT_US), does="recv reply reply_recv"),
        _STARTER,
        events="time",
    ),
    # A service that fills the heap, one that a sample finds above its quota, starts without room.
    "memory": world(
        Service("leaks", 3, quota=100, does="recv exhaust sleep"),
        Service("calls", 4, quota=100, uses=(("leaks", "call"),), does="call sleep exhaust"),
        Service(
            *("supervisor", 1),
            uses=(("kernel", "control"),),
            does="recv start start_full next_fault",
        ),
        events="time quota",
    ),
    # A line that may fire twice in a window of three units.
    "storms": world(
        Service("driver", 2, lines=("edge",), rate=2, does="recv ack sleep"),
        Service("other", 4, uses=(("driver", "notify"),), does="notify yield"),
        _STARTER,
        events="fire time",
        constants={"limits.RATE_WINDOW_US": 3 * UNIT_US},
        keeps="rates",
    ),
    "storms2": world(
        Service("driver", 2, lines=("edge", "level"), rate=1, does="recv ack"),
        _STARTER,
        events="fire time",
        constants={"limits.RATE_WINDOW_US": 2 * UNIT_US},
        keeps="rates",
    ),
    "injections": world(
        Service("server", 3, does="recv reply reply_recv sleep"),
        Service("client", 4, uses=(("server", "call"),), does="call sleep yield"),
        Service(
            *("supervisor", 1),
            uses=(("kernel", "control"),),
            does="recv start inject next_fault",
        ),
        events="time",
    ),
    "injections2": world(
        Service("driver", 3, lines=("edge",), does="recv ack sleep"),
        Service("client", 4, uses=(("driver", "call,notify"),), does="call notify recv"),
        Service(
            *("supervisor", 1),
            uses=(("kernel", "control"),),
            does="recv start inject stop",
        ),
        events="fire",
    ),
}

INTERRUPTS_TOO: dict[str, World] = {
    "lines": world(
        Service("driver", 2, lines=("edge", "level"), does="recv recvt ack sleep"),
        Service("other", 3, lines=("button",), uses=(("driver", "call"),), does="recv ack call"),
        events="fire time",
    ),
    # A hard driver beside leases, and beside grants.
    "hardlent": world(
        Service(
            *("stop", 3),
            lines=("edge",),
            uses=(("server", "notify"),),
            hard=True,
            does="attend ack notify",
        ),
        Service("server", 3, does="recv lease reply reply_recv"),
        Service("client", 4, uses=(("server", "call"),), does="lend lendw call"),
        events="fire",
    ),
    "hardgrants": world(
        Service(
            *("stop", 3),
            lines=("edge",),
            uses=(("watcher", "notify"),),
            hard=True,
            does="attend ack notify",
        ),
        Service("watcher", 4, does="recv recvt"),
        Service(
            *("owner", 3),
            uses=(("watcher", "notify,grant"), ("friend", "call")),
            slots=1,
            does="grant copy revoke",
        ),
        Service("friend", 4, slots=1, does="accept notify reply_recv"),
        events="fire",
    ),
    # Three equals, and the slices between them.
    "hogs": world(
        Service("one", 4, does="yield sleep"),
        Service("two", 4, uses=(("one", "notify"),), does="yield notify"),
        Service("three", 4, does="yield recvt"),
        Service("top", 2, lines=("edge",), does="recv ack sleep"),
        events="fire time slice",
    ),
    # Who is stopped while preempted ends when it would go on.
    "doomed": world(
        Service("hog", 4, (1, FAIL), uses=(("server", "call"),), does="call yield recv"),
        Service("server", 5, does="recv reply_recv"),
        Service(
            *("supervisor", 1),
            lines=("edge",),
            uses=(("kernel", "control"), ("hog", "send")),
            does="recv ack start stop fault send",
        ),
        events="fire",
    ),
    # A kill while others run on top, and of those.
    "nested": world(
        Service("hog", 5, does="yield sleep"),
        Service("middle", 3, lines=("edge",), uses=(("hog", "call"),), does="recv ack call sleep"),
        _STARTER,
        events="fire time strike",
    ),
    # A prompt that runs beside services, which fail and are killed.
    "prompt": world(
        Service("console", 2, lines=("input",), does="recv ack sleep crash"),
        Service("logger", 4, (1, DROP_OLDEST), does="recv sleep crash"),
        _STARTER,
        events="fire time",
        guest=True,
    ),
    "promptkills": world(
        Service("driver", 2, lines=("edge",), does="recv ack"),
        Service("hog", 4, uses=(("driver", "call"),), does="call yield"),
        _STARTER,
        events="fire strike",
        guest=True,
    ),
}

MESSAGES_TOO: dict[str, World] = {
    # A server that calls another while it serves, and passes late answers on.
    "relay": world(
        Service("client", 4, uses=(("front", "call"),), does="call call2"),
        Service("front", 3, uses=(("back", "call"),), does="recv call reply reply_to reply_recv"),
        Service("back", 3, does="recv reply_recv sleep"),
        events="time",
    ),
    # Calls, mail and notifications for one endpoint at once.
    "mixed": world(
        Service("caller", 3, uses=(("box", "call,notify"),), does="call notify sleep"),
        Service("mailer", 4, uses=(("box", "send,notify"),), does="send sendd notify yield"),
        Service("box", 3, (1, BLOCK), does="recv recvt reply reply_recv reply_to"),
        events="time",
    ),
    "three": world(
        Service("one", 2, uses=(("server", "call"),), does="call sleep"),
        Service("two", 3, uses=(("server", "call"),), does="call sleep"),
        Service("three", 4, uses=(("server", "call"),), does="call yield"),
        Service("server", 5, does="recv reply_recv reply_to yield"),
        events="time",
    ),
    "supervised": world(
        Service(
            "supervisor", 0, uses=(("kernel", "control"),), does="recv start next_fault crash"
        ),
        Service("one", 3, uses=(("supervisor", "notify"),), does="notify crash recv"),
        Service("two", 3, uses=(("one", "call"),), does="call reopen crash"),
    ),
    "reopens": world(
        Service(
            "client", 3, uses=(("server", "call,send,notify"),), does="calld sendd notify reopen"
        ),
        Service("server", 4, (1, FAIL), does="recv reply crash"),
        _STARTER,
    ),
    # New code, while two call and wait.
    "updatecalls": world(
        Service("service", 3, does="updated recv reply reply_recv crash"),
        Service("one", 4, uses=(("service", "call"),), does="calld call"),
        Service("two", 4, uses=(("service", "call"),), does="calld sleep"),
        Service(
            *("updater", 1), uses=(("kernel", "control"),), does="recv replace start next_fault"
        ),
        events="time",
    ),
    "updatehard": world(
        Service("stop", 3, lines=("edge",), hard=True, does="updated attend ack recv crash"),
        Service(
            *("updater", 1), uses=(("kernel", "control"),), does="recv replace start next_fault"
        ),
        events="fire",
    ),
}

WRAPS: dict[str, World] = {
    # The clock comes round in every wait.
    "wraptime": world(
        Service("one", 2, uses=(("server", "call"),), does="call call2 sleep yield"),
        Service("two", 4, uses=(("server", "call"),), does="calld sleep2"),
        Service("server", 3, does="recv recvt reply reply_recv sleep yield"),
        events="time slice",
        start_us=_BEFORE_THE_WRAP_US,
    ),
    "wrapslices": world(
        Service("client", 4, uses=(("driver", "call"),), does="call sleep yield"),
        Service("driver", 2, lines=("edge",), does="recvt reply_recv ack"),
        Service("hog", 4, uses=(("driver", "notify"),), does="notify yield"),
        events="fire time slice strike",
        start_us=_BEFORE_THE_WRAP_US,
    ),
    # A timeout longer than the kernel's clock can tell, in pieces of one unit.
    "wrapfar": world(
        Service("one", 3, uses=(("server", "call"),), does="call call2 sleep2"),
        Service("server", 4, does="recv recvt reply_recv sleep2"),
        events="time",
        constants={"limits.FAR_PIECE_MS": 1},
    ),
    # Generations 1 to 3, and 1 again.
    "wrapgenerations": world(
        Service("client", 3, (1, FAIL), uses=(("server", "call,send"),), does="call reopen crash"),
        Service("server", 4, (1, FAIL), does="recv reply crash"),
        _STARTER,
        constants={"layout.GENERATION_MASK": 3},
        keeps="generations",
    ),
    # Sequence numbers 0 to 3, and 0 again.
    "wrapsequences": world(
        Service("one", 3, uses=(("server", "call"),), does="call sleep"),
        Service("two", 4, uses=(("server", "call"),), does="call sleep"),
        Service("server", 4, does="recv reply reply_to reply_recv"),
        events="time",
        constants={"layout.SEQUENCE_MASK": 3},
        keeps="sequences",
    ),
    # A slot that is used again and again.
    "wrapslots": world(
        Service(
            *("owner", 3),
            uses=(("x", "notify,grant"), ("friend", "call")),
            slots=1,
            does="grant copy delete revoke recycle",
        ),
        Service("friend", 3, slots=1, does="accept notify delete reply_recv"),
        Service("x", 4, does="recv"),
        constants={"abi.HANDLE_GENERATION_MASK": 3},
        keeps="slots",
    ),
}
