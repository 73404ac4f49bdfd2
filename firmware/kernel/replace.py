"""New code for a task behind the same endpoint: load it, put it in place, take it back.

LOAD imports the new modules beside the old ones, as a step of the task that ordered it. SWAP waits
for nothing: where the task rests at a `recv` steps of its own end the old code, hand its state
over and begin the new; what reaches it meanwhile waits, and is the new code's, or the old's again
if that cannot hand over. Who ordered it waits for that, and lends its priority. The task's
generation, its handles, its mailbox and those who wait for it stay. Until the new code has
received for the first time a fault of it brings the old back, with the state it had left, and
nobody else is told. SETTLE ends the trial; before, REVERT takes the new code back. What is tried
when, and for how long, is the updater's business.
"""

from kernel.abi import *
from kernel.capabilities import NoRight, target_of
from kernel.faults import is_closing, withdraw
from kernel.irq import dismiss
from kernel.layout import *
from kernel.limits import LOAD_BUDGET_US, STATE_BYTES_MAX, TIME_HALF, TIME_MASK
from kernel.message import admit
from kernel.outputs import make_safe, release_outputs
from kernel.priority import raise_to
from kernel.ready import push_back
from kernel.records import is_plain
from kernel.tasks import make_frame, make_generator
from kernel.timeouts import end_wait, wait_for
from kernel.trace import note_event
from port.modules import Modules

_ENDS = 1 << (RECV >> TRAP_SHIFT) | 1 << (REPLY_RECV >> TRAP_SHIFT) | 1 << (ATTEND >> TRAP_SHIFT)
_RESTS = (RECEIVING, ATTENDING)
_REASON_MAX = 200


class Trial:
    """New code of one task, and the old. Code is `port.modules`'s, or in tests (main,)."""

    def __init__(self, old, new, modules=None):
        self.old = old
        self.new = new
        self.modules = modules
        self.handed = None
        self.is_swapped = False
        self.has_received = False
        self.is_busy = False  # while the task makes the steps that exchange its code


def replace(kernel, w, task, trap):
    """Be the trap REPLACE: the target is its operation, what to do is in the first register.

    Gives OK, UNKNOWN with the reason in `arg`, FULL for later, or DEAD without new code.
    """
    target = target_of(w, task, trap)
    verb = w[task + REGISTER_TIMEOUT]
    if target in (0, task) or not LOAD <= verb <= SETTLE:
        raise NoRight("replace: there is no such task, or step")
    frame = kernel.frames[task >> RECORD_SHIFT]
    operand = frame.arg
    frame.arg = None
    w[task + RESULT] = DEAD
    trial = kernel.trials.get(target)
    if verb == LOAD:
        load(kernel, w, task, target, operand)
    elif trial:
        w[task + RESULT] = OK
        if trial.is_busy or verb == ASK and not trial.has_received:
            w[task + RESULT] = FULL
        elif verb == SWAP:
            return swap(kernel, w, task, target, trial, operand)
        elif verb == REVERT:
            return take_back(kernel, w, task, target, trial)
        elif verb == SETTLE:  # from now on the code is the task's
            del kernel.trials[target]
    return task


def load(kernel, w, task, target, folder):
    """Have `task` import the target's modules from `folder`, None for where they are shipped.

    They run as its next step, but may import what the manifest of `target` names.
    """
    entry = kernel.table[(target >> RECORD_SHIFT) - 1][ROW_ENTRY]
    if not isinstance(entry, str):  # in tests
        kernel.trials[target] = Trial((entry,), (folder,))
        w[task + RESULT] = OK
    elif kernel.loading:
        w[task + RESULT] = FULL
    else:
        number = task >> RECORD_SHIFT
        loader = loading(kernel, number, target, entry, folder, kernel.generators[number])
        loader.send(None)
        kernel.generators[number] = loader
        kernel.loading = number


def swap(kernel, w, task, target, trial, version):
    """Put the loaded code in place of the old, whose `version` the new is told.

    A task that neither runs nor is ready to starts with the new code when it next starts.
    """
    state = w[target + STATE]
    if trial.is_swapped:
        kernel.frames[task >> RECORD_SHIFT].arg = "it has been swapped"
        w[task + RESULT] = UNKNOWN
    elif is_at_end(w, target):
        put_in(trial, trial.new)
        trial.is_swapped = trial.has_received = True
    elif state not in _RESTS and (state != SLEEPING or next_served(w, target)):
        w[task + RESULT] = FULL
    else:
        ends = _ENDS | (1 << (SLEEP >> TRAP_SHIFT) if state == SLEEPING else 0)
        return order(kernel, w, task, target, trial, trial.new, ends, (version,))
    return task


def take_back(kernel, w, task, target, trial):
    """Put the old code in place again, with the state it has left: OK, or FULL for later.

    Callers that were received and not answered are told DEAD.
    """
    is_down = is_at_end(w, target)
    if trial.is_swapped and w[target + STATE] == RUNNING and not is_down:
        w[task + RESULT] = FULL
        return task
    del kernel.trials[target]
    if trial.is_swapped and is_down:
        put_in(trial, trial.old)
    elif trial.is_swapped:
        make_safe(kernel, target)
        return order(kernel, w, task, target, trial, trial.old, _ENDS, None)
    return task


def is_at_end(w, target):
    """Tell whether a task is down, or only closes."""
    return w[target + STATE] in (DORMANT, FAULTED) or is_closing(w, target)


def revert(kernel, target):
    """Bring the old code back in place of a fault; return whether that was done."""
    trial = kernel.trials.get(target)
    if trial is None or not trial.is_swapped or trial.has_received:
        return False
    del kernel.trials[target]
    try:
        begin_exchange(kernel, target, trial, trial.old, _ENDS, None)
    except MemoryError:  # it starts later, with the old code
        put_in(trial, trial.old)
        return False
    return True


def order(kernel, w, task, target, trial, code, ends, told):
    """Have the target exchange its code; let `task` wait for that."""
    begin_exchange(kernel, target, trial, code, ends, told)
    window = kernel.window
    wait_for(w, window[task:], window[target:], task, target, 0)
    w[task + STATE] = ORDERING
    raise_to(w, target, w[task + PRIORITY])
    return 0


def begin_exchange(kernel, target, trial, code, ends, told):
    """Have the next steps of `target` put `code` in place of what it runs.

    `told` is None, or holds the version of a code that is to hand its state over first.
    """
    w = kernel.words
    number = target >> RECORD_SHIFT
    generator = kernel.generators[number]
    resting = rest(w, target) if told else 0
    steps = exchanging(kernel, target, trial, code, ends, generator, resting, told)
    steps.send(None)
    if w[target + STATE] == ATTENDING:
        dismiss(w, target)  # what fires meanwhile waits for the code that comes
    withdraw(w, target)
    kernel.generators[number] = steps
    trial.is_busy = True
    w[target + RESULT] = 0
    push_back(w, target)


def give_outputs(kernel, target):
    """Give a task its outputs, but those that are held until it starts anew."""
    w = kernel.words
    if not w[w[PARTICULARS] + (target >> PARTICULAR_SHIFT) + ENDING] & KEPT_SAFE:
        release_outputs(kernel, target)


def rest(w, target):
    """Return the trap that has `target` wait as it does, for what is left of its time."""
    state = w[target + STATE]
    trap = RECV
    if state == ATTENDING:
        trap = ATTEND
    elif state == SLEEPING:
        trap = SLEEP
    if w[target + TIMED_WAIT]:
        left_us = (w[target + DEADLINE] - w[NOW]) & TIME_MASK
        left_ms = (left_us + 999) // 1000 if left_us < TIME_HALF else 0
        w[target + REGISTER_TIMEOUT] = left_ms + w[target + FAR_MS]
        trap |= TIMED
    return trap


def exchanging(kernel, target, trial, code, ends, old, resting, told):
    """Be the steps of `target` in which its code is exchanged; `old` is what it ran, or None.

    Its own code is called from here and from no function between: on an image with 8 KB of stack
    a call takes 4 % of that.
    """
    w = kernel.words
    number = target >> RECORD_SHIFT
    try:
        yield
        reason = error = state = None
        keeper = kernel.frames[number].keeper if told else None
        if keeper is not None:
            w[STEP_DEADLINE] = (kernel.now() + LOAD_BUDGET_US) & TIME_MASK  # it may be large
            try:
                state = keeper.export_state()
            except (Exception, KeyboardInterrupt) as raised:
                error = raised
            after_own(kernel, target, error)
            reason = take_state(trial, told[0], state, error)
        if reason:
            kernel.generators[number] = old
            old = None
            trial.is_busy = False
            answer_orders(kernel, target, UNKNOWN, reason)
            give_outputs(kernel, target)  # they are held where it caught a kill
            yield resting
        if not told or trial.handed is None:
            answer_served(w, target)
        trial.is_swapped = True
        put_in(trial, code)
        closer, old = old, None
        if closer is not None:
            error = None
            w[STEP_DEADLINE] = (kernel.now() + w[target + BUDGET_US]) & TIME_MASK
            try:
                closer.close()
            except (Exception, KeyboardInterrupt) as raised:
                error = raised
            after_own(kernel, target, error)
            if told is None:
                make_safe(kernel, target)  # it has failed: whatever that did to its outputs
        make_frame(kernel, target).handed = trial.handed
        give_outputs(kernel, target)  # they are held after code that has failed
        begun = trying(kernel, number, code[0], trial, ends)
        begun.send(None)
        for register in range(REGISTERS, REGISTERS_END):
            w[target + register] = 0
        w[target + SERVING] = 0
        kernel.generators[number] = begun
        trial.is_busy = False
        note_event(kernel, EVENT_STARTED, target, 0)
        answer_orders(kernel, target, OK, None)
        yield YIELD
    finally:
        if old is not None:
            old.close()


def take_state(trial, version, state, error):
    """Take what the old code of `version` has exported; return why it is none, or None."""
    if error is None:
        try:
            if type(state) is not bytes or len(state) > STATE_BYTES_MAX:
                state = admit(state)
            trial.handed = version, state
            return None
        except Exception as raised:
            error = raised
    if isinstance(error, KeyboardInterrupt):
        return "export_state takes too long"
    return ("export_state: " + in_words(error))[:_REASON_MAX]


def in_words(error):
    """Return what a task has raised as a text, which runs no code of the task."""
    name = type(error).__name__
    return "%s: %s" % (name, error) if is_plain(error) else name


def after_own(kernel, task, error):
    """Go on with a step after code of `task` in it, which has raised `error`, or None.

    A kill ends that code and not the step, also one that it swallows, unless the task itself is
    to end.
    """
    w = kernel.words
    if isinstance(error, KeyboardInterrupt):
        if is_closing(w, task) or not w[STRUCK] and kernel.port.is_operators(error):
            raise error
    if w[STRUCK] and not is_closing(w, task):
        w[ARMED] = 0  # first: no strike comes from here on
        kernel.port.pad()
        w[STRUCK] = 0
        w[ARMED] = RESUMED
    w[STEP_DEADLINE] = (kernel.now() + w[task + BUDGET_US]) & TIME_MASK


def loading(kernel, number, target, entry, folder, generator):
    """Be the step of a task in which it loads new code for another, then leave it to itself."""
    task = number << RECORD_SHIFT
    w = kernel.words
    modules = error = None
    is_over = False
    try:
        yield
        kernel.acting[:] = number, target >> RECORD_SHIFT
        modules = Modules(entry, folder)
        w[STEP_DEADLINE] = (kernel.now() + LOAD_BUDGET_US) & TIME_MASK
        try:
            __import__(entry)
        except (Exception, KeyboardInterrupt) as raised:
            error = raised
        after_own(kernel, task, error)
        is_over = True
    finally:
        if modules:
            modules.end()
        kernel.loading = 0
        kernel.acting[:] = 0, 0
        if kernel.held_ms[target >> RECORD_SHIFT] != DRIVEN:
            make_safe(kernel, target)  # whatever its modules did to its outputs
        if not is_over:  # it is ended: so is what is left of it
            generator.close()
    reason = None
    if isinstance(error, KeyboardInterrupt):
        reason = "it takes too long to load"
    elif error is not None:
        reason = in_words(error)[:_REASON_MAX]
    elif modules.new[0] is None:
        reason = "it has no main"
    else:
        kernel.trials[target] = Trial(modules.old, modules.new, modules)
    kernel.frames[number].arg = reason
    w[STEP_DEADLINE] = (kernel.now() + w[task + BUDGET_US]) & TIME_MASK
    kernel.generators[number] = generator
    try:
        trap = generator.send(UNKNOWN if reason else OK)
    except StopIteration:
        return
    yield trap


def answer_orders(kernel, target, status, reason):
    """End the wait of those that have ordered the exchange which `target` has made."""
    w = kernel.words
    for task in range(RECORD, w[TASKS_END], RECORD):
        if w[task + STATE] == ORDERING and w[task + PEER] == target:
            kernel.frames[task >> RECORD_SHIFT].arg = reason
            end_wait(w, task, status)


def answer_served(w, target):
    """Tell callers that have been received and not answered that nobody will."""
    client = next_served(w, target)
    while client:
        end_wait(w, client, DEAD)
        client = next_served(w, target)


def put_in(trial, code):
    """Let what is imported from now on be this code; in tests it is no module."""
    if trial.modules:
        trial.modules.put_in(code)


def trying(kernel, number, main, trial, ends):
    """Be the new code's steps until it receives for the first time, then leave it to itself."""
    generator = None
    try:
        yield
        generator = make_generator(main, kernel.frames[number])
        result = None
        while True:
            trap = generator.send(result)
            if ends >> (trap >> TRAP_SHIFT & 31) & 1:
                break
            result = yield trap
        trial.has_received = True
        kernel.generators[number] = generator
        generator = None
        yield trap
    except StopIteration:
        return
    finally:
        if generator is not None:
            generator.close()


def next_served(w, target):
    """Return a task whose call `target` has received and not answered, 0 if there is none."""
    for client in range(RECORD, w[TASKS_END], RECORD):
        if w[client + PEER] == target and w[client + STATE] == SERVED:
            return client
    return 0
