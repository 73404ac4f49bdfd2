"""New code for a task behind the same endpoint: load it, put it in place, take it back.

LOAD imports the new modules beside the old ones. SWAP waits for nothing: where the task rests at a
`recv` it ends the old code, hands its state over and begins the new. The task's generation, its
handles, its mailbox and those who wait for it stay. Until the new code has received for the first
time a fault of it brings the old back, with the state it had left, and nobody else is told.
SETTLE ends the trial; before, REVERT takes the new code back. What is tried when, and for how
long, is the updater's business.
"""

import sys

from kernel.abi import (
    ATTEND, ATTENDING, AWAITING, DEAD, DORMANT, EVENT_STARTED, FAULTED, FULL, LOAD,
    OK, RECEIVING, RECV, RECV_FROM, REPLY_RECV, RUNNING, SERVED, SETTLE, SLEEP, SLEEPING,
    TRAP_SHIFT, UNKNOWN,
)  # fmt: skip
from kernel.capabilities import NoRight
from kernel.control import check_control
from kernel.faults import fault, mask_lines, take_doom, withdraw
from kernel.layout import (
    FAULT_MASK, GENERATION, PEER, RECORD, RECORD_SHIFT, REGISTER_TIMEOUT, RESULT, ROW_ENTRY,
    SERVING, STATE, STEP_DEADLINE, TASKS_END,
)  # fmt: skip
from kernel.limits import LOAD_BUDGET_US, STATE_BYTES_MAX, TIME_MASK
from kernel.message import admit
from kernel.outputs import make_safe, release_outputs
from kernel.records import as_step
from kernel.tasks import make_frame, make_ready
from kernel.timeouts import end_wait
from kernel.trace import note_event

_ENDS = (1 << (RECV >> TRAP_SHIFT)) | (1 << (RECV_FROM >> TRAP_SHIFT))
_ENDS |= (1 << (REPLY_RECV >> TRAP_SHIFT)) | (1 << (ATTEND >> TRAP_SHIFT))
_RESTS = (RECEIVING, AWAITING, ATTENDING)
_REASON_MAX = 200


class Trial:
    """New code of one task, and the old. Code is (main, modules by name, folder)."""

    def __init__(self, old, new):
        self.old = old
        self.new = new
        self.handed = None
        self.is_swapped = False
        self.has_received = False


class Replacements:
    """The trap REPLACE: the target is its operation, what to do is in the first register."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.verbs = (None, self.swap, self.ask, self.take_back, self.settle)

    def handle(self, w, frames, task, trap):
        """Give OK, UNKNOWN with the reason in `arg`, FULL for later, or DEAD without new code."""
        check_control(w, task, trap)
        target = (trap & 0xFF) << RECORD_SHIFT
        verb = w[task + REGISTER_TIMEOUT]
        if not (RECORD <= target < w[TASKS_END] and 0 <= verb <= SETTLE) or target == task:
            raise NoRight("replace: there is no such task, or step")
        frame = frames[task >> RECORD_SHIFT]
        trial = self.kernel.trials.get(target)
        status = DEAD
        reason = None
        if verb == LOAD:
            status = self.load(task, target, frame.arg)
        elif trial:
            status = self.verbs[verb](target, trial, frame.arg)
        if isinstance(status, str):
            status, reason = UNKNOWN, status[:_REASON_MAX]
        frame.arg = reason
        w[task + RESULT] = status
        return task

    def load(self, task, target, folder):
        """Import the service's modules from `folder`, None for where they are shipped.

        They run as a step of `task`, but may import what the manifest of `target` names.
        """
        kernel = self.kernel
        entry = kernel.table[(target >> RECORD_SHIFT) - 1][ROW_ENTRY]
        if not isinstance(entry, str):  # in tests
            kernel.trials[target] = Trial((entry, {}, None), (folder, {}, None))
            return OK
        if kernel.loading:
            return FULL
        package = entry.rpartition(".")[0]
        if package not in sys.modules:
            __import__(package)
        old = take_out(package, {}, folder or shipped_folder(package))
        reasons = ["it takes too long to load"]
        kernel.acting[:] = task >> RECORD_SHIFT, target >> RECORD_SHIFT
        kernel.loading = task >> RECORD_SHIFT
        as_step(kernel, task, _import, kernel, entry, reasons)
        kernel.loading = 0
        kernel.acting[:] = 0, 0
        new = take_out(package, old[1], old[2])
        if new[0] is None or reasons:
            return reasons[0] if reasons else "it has no main"
        kernel.trials[target] = Trial(old, new)
        return OK

    def swap(self, target, trial, version):
        """Put the loaded code in place of the old, whose `version` the new is told.

        A task that neither runs nor is ready to starts with the new code when it next starts.
        """
        w = self.kernel.words
        state = w[target + STATE]
        if trial.is_swapped:
            return "it has been swapped"
        if state in (DORMANT, FAULTED):
            self._put_in(target, trial, trial.new)
            trial.is_swapped = trial.has_received = True
            return OK
        if state not in _RESTS and (state != SLEEPING or next_served(w, target)):
            return FULL
        reason = self._export(target, trial, version)
        if reason or w[target + STATE] != state:
            return reason or FULL
        if trial.handed is None:
            self._answer_served(target)
        trial.is_swapped = True
        ends = _ENDS | (1 << (SLEEP >> TRAP_SHIFT) if state == SLEEPING else 0)
        return OK if self._exchange(target, trial.new, trial, ends) else "it has been stopped"

    def ask(self, _target, trial, _operand):
        """Tell whether the new code has received for the first time: OK, or FULL not yet."""
        return OK if trial.has_received else FULL

    def take_back(self, target, trial, _operand):
        """Put the old code in place again, with the state it has left: OK, or FULL for later.

        Callers that were received and not answered are told DEAD.
        """
        state = self.kernel.words[target + STATE]
        if trial.is_swapped and state == RUNNING:
            return FULL
        del self.kernel.trials[target]
        if trial.is_swapped:
            if state in (DORMANT, FAULTED):
                self._put_in(target, trial, trial.old)
            else:
                make_safe(self.kernel, target)
                self._answer_served(target)
                self._exchange(target, trial.old, trial, _ENDS)
        return OK

    def settle(self, target, _trial, _operand):
        """End the trial: from now on the code is the task's."""
        del self.kernel.trials[target]
        return OK

    def revert(self, target):
        """Bring the old code back in place of a fault; return whether that was done."""
        trial = self.kernel.trials.get(target)
        if trial is None or not trial.is_swapped or trial.has_received:
            return False
        del self.kernel.trials[target]
        self._answer_served(target)
        try:
            return self._exchange(target, trial.old, trial, _ENDS)
        except MemoryError:  # it starts later, with the old code
            return False

    def _export(self, target, trial, version):
        """Have the old code give its state, if it has a keeper; return why it could not."""
        keeper = self.kernel.frames[target >> RECORD_SHIFT].keeper
        if keeper is None:
            return None
        reasons = ["export_state takes too long"]
        as_step(self.kernel, target, _give, keeper, trial, version, reasons)
        self._end_doomed(target)
        return reasons[0] if reasons else None

    def _exchange(self, target, code, trial, ends):
        """End what the task runs and begin `code` in its place; return whether that was done."""
        kernel = self.kernel
        w = kernel.words
        number = target >> RECORD_SHIFT
        self._put_in(target, trial, code)
        if w[target + STATE] == ATTENDING:
            mask_lines(kernel, target)
        withdraw(w, target)
        w[target + STATE] = SLEEPING
        w[target + SERVING] = 0
        generation = w[target + GENERATION]
        generator = kernel.generators[number]
        kernel.generators[number] = None
        if generator is not None:
            as_step(kernel, target, generator.close)
            self._end_doomed(target)
        if w[target + STATE] != SLEEPING or w[target + GENERATION] != generation:
            return False
        make_frame(kernel, target).handed = trial.handed
        release_outputs(kernel, target)  # they are held after code that has failed
        kernel.generators[number] = begun = trying(kernel, number, code[0], trial, ends)
        begun.send(None)
        note_event(kernel, EVENT_STARTED, target, 0)
        make_ready(w, target)
        return True

    def _answer_served(self, target):
        """Tell callers that have been received and not answered that nobody will."""
        w = self.kernel.words
        client = next_served(w, target)
        while client:
            end_wait(w, client, DEAD)
            client = next_served(w, target)

    def _end_doomed(self, target):
        """End the task if somebody wanted that during a step of it that the kernel made."""
        kernel = self.kernel
        doomed = take_doom(kernel.words)
        if doomed:
            fault(kernel, target, doomed & FAULT_MASK, None)

    def _put_in(self, target, trial, code):
        """Let what is imported from now on be this code."""
        entry = self.kernel.table[(target >> RECORD_SHIFT) - 1][ROW_ENTRY]
        if isinstance(entry, str):
            for modules in (trial.old[1], trial.new[1]):
                for name in modules:
                    sys.modules.pop(name, None)
            sys.modules.update(code[1])
            sys.modules[entry.rpartition(".")[0]].__path__ = code[2]


def trying(kernel, number, main, trial, ends):
    """Be the new code's steps until it receives for the first time, then leave it to itself."""
    generator = None
    try:
        yield
        generator = main(kernel.frames[number])
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


def shipped_folder(package):
    """Return where a service's modules are that the image has."""
    above, _, name = package.rpartition(".")
    return "%s/%s" % (sys.modules[above].__path__, name)


def take_out(package, modules, folder):
    """Put modules and folder in place of a package's present code, which is returned."""
    main = getattr(sys.modules.get(package + ".service"), "main", None)
    whole = sys.modules[package]
    below = package + "."
    present = {name: sys.modules[name] for name in sys.modules if name.startswith(below)}
    for name in present:
        sys.modules.pop(name)
    sys.modules.update(modules)
    before = whole.__path__
    whole.__path__ = folder
    return main, present, before


def _import(kernel, entry, reasons):
    w = kernel.words
    w[STEP_DEADLINE] = (kernel.now() + LOAD_BUDGET_US) & TIME_MASK
    try:
        __import__(entry)
        reasons.clear()
    except Exception as error:
        reasons[0] = "%s: %s" % (type(error).__name__, error)


def _give(keeper, trial, version, reasons):
    try:
        state = keeper.export_state()
        if type(state) is not bytes or len(state) > STATE_BYTES_MAX:
            state = admit(state)
        trial.handed = version, state
        reasons.clear()
    except Exception as error:
        reasons[0] = "export_state: %s: %s" % (type(error).__name__, error)
