"""States: taken in a form in which what makes no difference is the same, and put back.

Times are relative to now, and what has passed is "passed". Generations are 2 for the present
incarnation and 1 for any other, sequence numbers 8, whatever they were. The trace and the counters
are empty; what nobody will read is 0.
"""

from array import array
from typing import Any

from bulkhead_host.explore.embedding import ARG_AT, IDLE, NESTED, PARKED, TRACE_WORDS, Embedding
from bulkhead_host.explore.spec import BUDGET_US, UNIT_US
from bulkhead_host.explore.stand_ins import NONE_WORD, TIME_MASK

# The canonical result of a task that is ready: the kernel itself gives no such one, so a step
# that writes a ready task's result shows.
KEPT_RESULT = 77
SEQUENCE = 8
PRESENT, PAST = 2, 1  # generations
STALE_TOKEN = (SEQUENCE - 1) << 8 | 1
_HALF = 0x20000000

# What a task's generator is; new code on trial, an exchange of code, and what is injected, are
# tuples.
_NONE, _BEGINS, _RUNS, _RELAPSED, _INJECTED, _CLOSES = range(6)
_EXCHANGES = "exchanges"

# Bytes of the words; kind; level; generators; whether a kill is pending; stashes; trials, hard
# drivers, and whose outputs are held.
State = tuple[bytes, str, Any, tuple[Any, ...], bool, tuple[Any, ...], tuple[Any, ...]]


def restore(world: Embedding, state: State) -> None:
    """Put a state back."""
    data, world.kind, world.level, generators, pending, stashes, others = state
    trials, hard, held = others
    world.bytes[:] = data
    world.port.pending = world.was_pending = pending
    kernel = world.kernel
    kernel.fault_next = 0
    kernel.is_unwritten = False
    kernel.supervisor_faults = 0
    for number, service in enumerate(world.services, 1):
        kernel.held_ms[number] = 1 if service.name in held else world.layout.DRIVEN
    world.port.held = set(held)
    kernel.trials.clear()
    world.trials_of.clear()
    world.injected.clear()
    world.has_full_heap = False
    world.closers.clear()
    world.exchanges.clear()
    for task, is_swapped, has_received, is_busy in trials:
        trial = world.make_trial(task >> world.layout.RECORD_SHIFT)
        kernel.trials[task] = trial
        trial.is_swapped, trial.has_received = is_swapped, has_received
        trial.is_busy = is_busy
    world.on_trial = {task for task, is_swapped, *_ in trials if is_swapped}
    kernel.stashes[:] = stashes
    world.port.clock.us = world.spec.start_us
    world.actor = 0
    world.closes = world.offers_needed = world.script_at = 0
    world.is_in_close = False
    world.script_labels.clear()
    for number, kind in enumerate(generators, 1):
        has_frame = kind and not world.is_closing(number << world.layout.RECORD_SHIFT)
        kernel.frames[number] = world.frame_pool[number] if has_frame else None
        kernel.generators[number] = _generator(world, number, kind)
    for attendant, (trap, error) in zip(kernel.attendants, hard, strict=True):
        _restore_attendant(world, attendant, trap, error, generators)


def _generator(world: Embedding, number: int, kind: Any) -> Any:
    """Return a generator of a kind, None for none."""
    if kind in (_NONE, _RELAPSED):  # one of a hard driver is made by `_restore_attendant`
        return None
    makers = {_BEGINS: world.begin_task, _CLOSES: world.begin_last_step}
    if isinstance(kind, int):
        return world.puppets[number] if kind == _RUNS else makers[kind](number)
    if kind[0] == _INJECTED:
        return world.begin_injected(number, kind[1])
    if kind[0] == _EXCHANGES:
        return _exchange(world, number, kind)
    has_begun, ends, is_attached = kind
    trial = world.kernel.trials.get(number << world.layout.RECORD_SHIFT)
    if not is_attached or trial is None:
        trial = world.make_trial(number, is_attached=False)
    return world.begin_trial(number, trial, ends, has_begun=has_begun)


def _exchange(world: Embedding, number: int, kind: tuple[Any, ...]) -> Any:
    """Return the generator of an exchange of code that has not made its first step."""
    _, ends, is_attached, has_old, resting, told = kind
    task = number << world.layout.RECORD_SHIFT
    trial = world.kernel.trials[task] if is_attached else world.make_trial(number)
    trial.is_busy = True
    trial.is_swapped = trial.is_swapped or not is_attached
    old = world.puppets[number] if has_old else None
    code: Any = (world.puppets[number],)
    generator = world.begin_exchange(world.kernel, task, trial, code, ends, old, resting, told)
    generator.send(None)
    return generator


def _restore_attendant(
    world: Embedding, attendant: Any, trap: int, error: Any, generators: tuple[Any, ...]
) -> None:
    layout = world.layout
    number = world.words[attendant.line + layout.LINE_OWNER] >> layout.RECORD_SHIFT
    attendant.trap = trap
    attendant.error = error and error()
    attendant.stand_in = attendant.relapse(world.puppets[number])
    attendant.stand_in.send(None)
    attendant.source.bind(world.puppets[number].send)
    if generators[number - 1] == _RELAPSED:
        world.kernel.generators[number] = attendant.stand_in


class _Words:
    """Where the words of one task are, looked up once."""

    def __init__(
        self, world: Embedding, task: int, read_in: tuple[tuple[int, tuple[int, ...]], ...]
    ) -> None:
        layout = world.layout
        self.state = task + layout.STATE
        self.result = task + layout.RESULT
        self.read_in = [(task + field, states) for field, states in read_in]
        self.timed_wait = task + layout.TIMED_WAIT
        self.deadline = task + layout.DEADLINE
        self.far_ms = task + layout.FAR_MS
        self.cpu_limit = task + layout.CPU_LIMIT
        self.serving = task + layout.SERVING
        self.register_handle = task + layout.REGISTER_HANDLE
        self.registers = slice(task + layout.REGISTERS, task + layout.REGISTERS_END)
        self.frame = task + layout.FRAME
        self.arg = world.frame_pool[task >> layout.RECORD_SHIFT].at
        self.frame_address = 4 * (self.arg - ARG_AT)
        self.has_mailbox = world.words[task + layout.MAILBOX] != 0
        particulars = world.words[layout.PARTICULARS] + (task >> layout.PARTICULAR_SHIFT)
        self.cpu_us = task + layout.CPU_US
        self.period_ms = world.words[particulars + layout.PERIOD_MS]
        self.number = task >> layout.RECORD_SHIFT
        self.ending = particulars + layout.ENDING
        self.period_end_ms = particulars + layout.PERIOD_END_MS
        fields = (layout.FAULT, layout.DROPPED, layout.USED_BYTES)
        self.counters = (
            *(self.cpu_us, task + layout.STEPS),
            world.words[layout.STEPPED] + self.number,
            *(particulars + field for field in fields),
        )


class Canon:
    """Takes states of one world."""

    def __init__(self, world: Embedding) -> None:
        self.world = world
        self.layout, self.abi = world.layout, world.abi
        w, layout = world.words, world.layout
        self.trace_first = w[layout.TRACE_END] - TRACE_WORDS
        abi = self.abi
        self.down = (abi.DORMANT, abi.FAULTED)
        self.hears = (abi.RECEIVING, abi.CALLING, abi.SERVED)
        self.read_in = (
            (layout.NEXT, (abi.READY, abi.CALLING)),
            (layout.GRANTED, (abi.CALLING,)),
            (layout.BADGE, (abi.CALLING, abi.SENDING)),
            (layout.OPERATION, (abi.CALLING, abi.SENDING, abi.SERVED)),
        )
        self.words_of = {task: _Words(world, task, self.read_in) for task in world.tasks}
        registers = layout.REGISTERS_END - layout.REGISTERS
        self.no_registers = memoryview(array("i", bytes(4 * registers)))
        self.no_trace = memoryview(array("i", bytes(4 * TRACE_WORDS)))
        self.line_counters = [
            line + field
            for line in range(w[layout.TASKS_END], w[layout.LINES_END], layout.LINE)
            for field in self._line_counters()
        ]
        self.has_passed = False
        self.start = world.spec.start_us
        self.past = (self.start - 1) & TIME_MASK
        self.quarter_shift = world.tree["kernel.limits"].QUARTER_SHIFT
        keeps = world.spec.keeps
        self.keeps_generations = "generations" in keeps
        self.keeps_sequences = "sequences" in keeps
        self.keeps_slots = "slots" in keeps
        self.keeps_rates = "rates" in keeps

    def capture(self) -> State:
        """Return the state at hand, and leave the world as `restore` of it would."""
        world = self.world
        w, layout, kernel = world.words, self.layout, world.kernel
        self.clock = world.port.clock.us & TIME_MASK
        self.has_passed = False
        self._charge()
        self._globals()
        self._capabilities()
        for task in world.tasks:
            self._task(task)
        for task in world.tasks:
            if not self.keeps_generations:
                w[task + layout.GENERATION] = PRESENT
            if not self.keeps_sequences:
                w[task + layout.SEQUENCE] = SEQUENCE
        self._notes()
        self._lines()
        level = world.level
        if level is not None:
            outer, _, slice_end, shares, closes = level
            # When the outer step goes on, nothing of what is left has passed before it began.
            began = (self.start - 1) & TIME_MASK
            level = (outer, began, self._relative(slice_end, earliest=0), shares, closes)
            world.level = level
        w[layout.NOW] = (self.start - self.has_passed) & TIME_MASK
        world.port.clock.us = self.start
        trials = tuple(
            (task, trial.is_swapped, trial.has_received, trial.is_busy)
            for task, trial in sorted(kernel.trials.items())
        )
        hard = tuple(self._attendant(attendant) for attendant in kernel.attendants)
        generators = tuple(self._kind(number) for number in range(1, len(world.tasks) + 1))
        return (
            *(world.bytes.tobytes(), world.kind, level, generators, world.port.pending),
            *(tuple(kernel.stashes), (trials, hard, tuple(sorted(world.port.held)))),
        )

    def _relative(self, time: int, earliest: int = -1) -> int:
        """Return a time as one after the start, the start if this step saw it pass, or past."""
        ahead = (time - self.clock) & TIME_MASK
        if ahead == 0 or ahead >= _HALF:
            now = self.world.words[self.layout.NOW]
            ahead = -1
            if now != self.clock and 0 < (time - now) & TIME_MASK < _HALF:
                self.has_passed = True
                ahead = 0
        return (self.start + max(ahead, earliest)) & TIME_MASK

    def _charge(self) -> None:
        """Charge the running task with the time of its step so far, which NOW is to forget."""
        w, layout = self.world.words, self.layout
        running = w[layout.RUNNING_TASK]
        spent = (self.clock - w[layout.NOW]) & TIME_MASK
        if self.world.kind in (PARKED, NESTED) and running and UNIT_US <= spent < _HALF:
            limit = self.words_of[running].cpu_limit
            w[limit] = (w[limit] - spent) & TIME_MASK

    def _globals(self) -> None:
        world = self.world
        w, layout = world.words, self.layout
        parked = world.kind in (PARKED, NESTED)
        w[layout.SLICE_END] = self._relative(w[layout.SLICE_END]) if parked else self.past
        w[layout.STEP_DEADLINE] = (self.start + BUDGET_US) & TIME_MASK
        w[w[layout.PARTICULARS] + layout.QUARTERS] = self.start >> self.quarter_shift
        nested = world.kind == NESTED
        w[layout.SHARE_END] = self._relative(w[layout.SHARE_END]) if nested else 0
        deadlines = w[layout.DEADLINES]
        w[layout.NEXT_DEADLINE] = self._relative(w[layout.NEXT_DEADLINE]) if deadlines else 0
        if world.kind == IDLE:
            w[layout.SCHEDULED] = 0
            w[layout.RUNNING_TASK] = 0
        world.kernel.window[self.trace_first : w[layout.TRACE_END]] = self.no_trace
        w[layout.TRACE_LAPS] = 0
        w[layout.TRACE_AT] = self.trace_first
        ready = w[layout.READY_BITS]
        for priority in range(8):
            if not ready >> priority & 1:
                w[layout.TAILS + priority] = 0

    def _task(self, task: int) -> None:
        at, abi, w = self.words_of[task], self.abi, self.world.words
        state = w[at.state]
        w[at.result] = KEPT_RESULT if state in (abi.READY, abi.RUNNING) else 0
        for field, states in at.read_in:
            if state not in states:
                w[field] = 0
        if w[at.timed_wait]:
            w[at.deadline] = self._relative(w[at.deadline])
        else:
            w[at.deadline] = w[at.far_ms] = 0
        if at.period_ms:
            self._period(at, state)
        else:
            w[at.cpu_limit] = _HALF - 1
        for field in at.counters:
            w[field] = 0
        if w[at.serving]:
            w[at.serving] = self._token(task, w[at.serving])
        handle = w[at.register_handle] & abi.ACCEPTING
        self.world.kernel.window[at.registers] = self.no_registers
        if state in self.hears:
            w[at.register_handle] = handle
        has_frame = state not in self.down and not self.world.is_closing(task)
        w[at.frame] = at.frame_address if has_frame else 0
        if state not in (abi.CALLING, abi.SENDING):
            w[at.arg] = NONE_WORD
        if at.has_mailbox:
            self._mailbox(task)

    def _period(self, at: _Words, state: int) -> None:
        """Keep how much of its period's budget a task has left, and how long that still lasts."""
        w = self.world.words
        left_us = (w[at.cpu_limit] - w[at.cpu_us]) & TIME_MASK
        left_ms = (w[at.period_end_ms] - self.clock // UNIT_US) & TIME_MASK
        closes = w[at.ending] & self.layout.LAST_STEP
        begins = closes or state in self.down or self._kind(at.number) == _BEGINS
        is_over = begins or not 0 < left_ms <= at.period_ms
        w[at.cpu_limit] = 0 if is_over else left_us
        w[at.period_end_ms] = self.start // UNIT_US + (0 if is_over else left_ms)

    def _token(self, task: int, token: int) -> int:
        """Return the token of a call that is still served, or one that is none any more."""
        layout, w = self.layout, self.world.words
        client = (token & layout.TOKEN_TASK) << layout.RECORD_SHIFT
        if client in self.world.tasks and (
            w[client + layout.SEQUENCE] == token >> layout.TOKEN_SHIFT
            and w[client + layout.PEER] == task
            and w[client + layout.STATE] == self.abi.SERVED
        ):
            if self.keeps_sequences:
                return token
            return int(SEQUENCE << layout.TOKEN_SHIFT | token & layout.TOKEN_TASK)
        return STALE_TOKEN

    def _mailbox(self, task: int) -> None:
        """Let the oldest message be in the first place, and free places be empty."""
        layout, w = self.layout, self.world.words
        box = w[task + layout.MAILBOX]
        depth, first, held = w[box], w[box + layout.MAIL_FIRST], w[task + layout.MAIL_COUNT]
        values = self.world.items_at + w[box + layout.MAIL_VALUES]
        slots = box + layout.MAIL_SLOTS
        mail = []
        for index in range(held):
            at = (first + index) % depth
            mail.append((w[slots + 2 * at], w[slots + 2 * at + 1], w[values + at]))
        mail += [(0, 0, NONE_WORD)] * (depth - held)
        for index, (operation, badge, value) in enumerate(mail[:depth]):
            w[slots + 2 * index], w[slots + 2 * index + 1] = operation, badge
            w[values + index] = value
        w[box + layout.MAIL_FIRST] = 0

    def _capabilities(self) -> None:
        """Let what names a present incarnation name 2, and what names another name 1."""
        layout, world = self.layout, self.world
        w = world.words
        for here in range(
            w[layout.CAPABILITIES_FROM], w[layout.CAPABILITIES_END], layout.CAPABILITY
        ):
            w[here + layout.USES] = 0
            word = w[here + layout.TARGET]
            target = word & layout.OFFSET_MASK
            if word >> layout.SLOT_SHIFT > 1 and not self.keeps_slots:
                below = word & ((1 << layout.SLOT_SHIFT) - 1)
                w[here + layout.TARGET] = 1 << layout.SLOT_SHIFT | below
            named = w[here + layout.NAMED]
            generation = named & layout.GENERATION_MASK
            if not word >> layout.RIGHTS_SHIFT & layout.RIGHTS_MASK:
                w[here + layout.NAMED] = 0
            elif layout.RECORD <= target < w[layout.TASKS_END] and (
                generation and not self.keeps_generations
            ):
                is_present = generation == w[target + layout.GENERATION]
                w[here + layout.NAMED] = named >> 16 << 16 | (PRESENT if is_present else PAST)

    def _notes(self) -> None:
        """Let hard steps write to the first of the two sets of bits."""
        layout, w = self.layout, self.world.words
        notes = w[layout.LINES_END]
        first = notes + layout.POST_WORDS
        if w[notes + layout.POST_SET] > first:
            count = len(self.world.tasks) + 1
            for number in range(count):
                w[first + number] |= w[first + count + number]
                w[first + count + number] = 0
            w[notes + layout.POST_SET] = first

    def _line_counters(self) -> tuple[int, ...]:
        layout = self.layout
        rates = (layout.LINE_FIRED_AT, layout.LINE_WINDOW, layout.LINE_IN_WINDOW)
        return (
            *(layout.LINE_STEP_AT, layout.LINE_COUNT),
            *(() if "rates" in self.world.spec.keeps else rates),
        )

    def _lines(self) -> None:
        w = self.world.words
        if self.keeps_rates:
            self._rates()
        for at in self.line_counters:
            w[at] = 0

    def _rates(self) -> None:
        """Keep when a line fired and its window began, as far back as that makes a difference."""
        layout, w = self.layout, self.world.words
        window_us = self.world.tree["kernel.limits"].RATE_WINDOW_US
        for line in range(w[layout.TASKS_END], w[layout.LINES_END], layout.LINE):
            fired, window = w[line + layout.LINE_FIRED_AT], w[line + layout.LINE_WINDOW]
            if w[line + layout.LINE_MASKED] != layout.FIRED:
                fired = self.clock  # nobody asks any more
            ago = min((self.clock - fired) & TIME_MASK, window_us)
            before = min((fired - window) & TIME_MASK, window_us)
            w[line + layout.LINE_FIRED_AT] = (self.start - ago) & TIME_MASK
            w[line + layout.LINE_WINDOW] = (self.start - ago - before) & TIME_MASK

    def _kind(self, number: int) -> Any:
        """Return what the generator of a task is, as `_generator` takes it."""
        world = self.world
        generator = world.kernel.generators[number]
        if generator is None:
            return _NONE
        if generator is world.puppets[number]:
            return _RUNS
        if any(generator is attendant.stand_in for attendant in world.kernel.attendants):
            return _RELAPSED
        if generator is world.closers.get(number):
            return _CLOSES
        return self._code(number, generator)

    def _code(self, number: int, generator: Any) -> Any:
        """Return what a generator is that has to do with other code, or is about to begin."""
        world = self.world
        trial = world.kernel.trials.get(number << self.layout.RECORD_SHIFT)
        injected = world.injected.get(number)
        if injected and injected[0] is generator:
            return _INJECTED, injected[1]
        exchange = world.exchanges.get(number)
        if exchange and exchange[0] is generator:
            return _EXCHANGES, exchange[2], exchange[1] is trial, *exchange[3:]
        known = world.trials_of.get(number)
        if known and known[0] is generator:
            return known[3], known[1], trial is known[2]
        return _BEGINS

    def _attendant(self, attendant: Any) -> tuple[int, Any]:
        """Return what the next step of a driver that has relapsed will be."""
        world = self.world
        owner = world.words[attendant.line + self.layout.LINE_OWNER] >> self.layout.RECORD_SHIFT
        if world.kernel.generators[owner] is not attendant.stand_in:
            return 0, None
        return attendant.trap, attendant.error and type(attendant.error)
