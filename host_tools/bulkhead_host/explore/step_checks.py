"""What must hold after every step: the words before it compared with those after."""

from typing import Any

from bulkhead_host.explore.canonical import KEPT_RESULT
from bulkhead_host.explore.choices import FAULT, WAIT, Choice
from bulkhead_host.explore.embedding import Embedding
from bulkhead_host.explore.stand_ins import NONE_WORD, TIME_MASK

_HALF = 0x20000000
_REPLIES = ("reply", "reply_recv", "reply_to")


class StepChecks:
    """What a step may do, in one world."""

    def __init__(self, world: Embedding) -> None:
        self.world = world
        layout, abi = world.layout, world.abi
        self.layout, self.abi = layout, abi
        self.bound = (abi.CALLING, abi.SERVED, abi.SENDING, abi.ORDERING)
        self.runs = (abi.READY, abi.RUNNING)
        self.outputs = (
            *(layout.REGISTER_CALLER, layout.REGISTER_BADGE, layout.REGISTER_BITS),
            layout.REGISTER_HANDLE,
        )
        self.wrong: list[str] = []

    def judge(self, before: Any, actor: int, choice: Choice | None) -> list[str]:
        """Return what is wrong with a step: of `actor` by `choice`, or of the world around (0)."""
        self.wrong = []
        self.before, self.actor, self.choice = before, actor, choice
        self.w = self.world.words
        for task in self.world.tasks:
            if self._has_died(task):
                self._check_death(task)
            else:
                self._check_life(task)
        self._check_freed_slots()
        if choice is not None and self._had_ended(actor):
            self._check_last_step(actor)
        elif choice is not None and choice.expects is not None:
            self._check_result(choice)
        return self.wrong

    def _say(self, text: str) -> None:
        self.wrong.append(text)

    def _name(self, task: int) -> str:
        name: str = self.world.services[(task >> self.layout.RECORD_SHIFT) - 1].name
        return name

    def _has_died(self, task: int) -> bool:
        at = task + self.layout.GENERATION
        return bool(self.w[at] != self.before[at])

    def _check_death(self, task: int) -> None:
        layout, w = self.layout, self.w
        fields = (layout.PENDING, layout.MAIL_COUNT, layout.SERVING, layout.SENDERS)
        # While it closes, others may send to the next incarnation.
        if any(w[task + field] for field in fields) and not self.world.script_labels:
            self._say(f"{self._name(task)} has died, and something of it is left")

    def _check_life(self, task: int) -> None:
        layout, abi, w, before = self.layout, self.abi, self.w, self.before
        was, state = before[task + layout.STATE], w[task + layout.STATE]
        result = w[task + layout.RESULT]
        is_ready_still = was == abi.READY and state in self.runs
        if task != self.actor and is_ready_still and not self._begins_anew(task):
            frame = self.world.frame_pool[task >> layout.RECORD_SHIFT]
            is_written = any(w[task + register] for register in self.outputs)
            if result != KEPT_RESULT or is_written or w[frame.at] != NONE_WORD:
                self._say(f"{self._name(task)} was ready, and its result was written")
        self._check_bits(task, state, result)
        self._check_period(task)
        if task == self.actor or state not in self.runs or self._begins_anew(task):
            return
        if was in self.bound:
            self._check_end(task, was, result)
        is_late = before[task + layout.TIMED_WAIT] and self._is_due(task)
        if was == abi.RECEIVING and result == abi.TIMEOUT and not is_late:
            self._say(f"{self._name(task)}'s recv timed out too early")
        if was == abi.SLEEPING and not self._is_due(task):
            self._say(f"{self._name(task)} slept too short")

    def _check_period(self, task: int) -> None:
        """Check that a period, with a budget of its own, begins only when the last is over."""
        layout, w, before = self.layout, self.w, self.before
        particulars = w[layout.PARTICULARS] + (task >> layout.PARTICULAR_SHIFT)
        period_ms = w[particulars + layout.PERIOD_MS]
        end_ms = before[particulars + layout.PERIOD_END_MS]
        goes_on = 0 < (end_ms - self.world.port.uptime_ms()) & TIME_MASK <= period_ms
        if period_ms and goes_on and w[particulars + layout.PERIOD_END_MS] != end_ms:
            self._say(f"a period of {self._name(task)} begins before the last is over")

    def _has_used_up_its_period(self, task: int) -> bool:
        layout, before = self.layout, self.before
        particulars = self.w[layout.PARTICULARS] + (task >> layout.PARTICULAR_SHIFT)
        left_us = (before[task + layout.CPU_LIMIT] - before[task + layout.CPU_US]) & TIME_MASK
        return bool(self.w[particulars + layout.PERIOD_MS] and (left_us <= 1 or left_us >= _HALF))

    def _is_due(self, task: int) -> bool:
        passed = self.world.port.now() - self.before[task + self.layout.DEADLINE]
        return bool(passed & _HALF == 0)

    def _begins_anew(self, task: int) -> bool:
        """Tell whether other code has been put in a task's place that has not begun yet."""
        number = task >> self.layout.RECORD_SHIFT
        generator = self.world.kernel.generators[number]
        new = self.world.trials_of.get(number)
        is_new = new and not new[3] and generator is new[0]
        injected = self.world.injected.get(number)
        is_new = is_new or (injected and generator is injected[0])
        exchange = self.world.exchanges.get(number)
        is_exchanged = exchange is not None and generator is exchange[0]
        return bool(is_new or is_exchanged or self._had_ended(task))

    def _had_ended(self, task: int) -> bool:
        """Tell whether a task had ended, but for its last step, before this step."""
        return bool(self.world.ending(self.before, task) & self.layout.LAST_STEP)

    def _check_last_step(self, task: int) -> None:
        """Check that a task that had ended is at rest, closes, or has begun anew."""
        layout, world = self.layout, self.world
        is_down = self.w[task + layout.STATE] in (self.abi.DORMANT, self.abi.FAULTED)
        starts = world.ending(self.before, task) & layout.AGAIN
        if not (is_down or world.is_closing(task) or self._has_died(task) or starts):
            self._say(f"{self._name(task)} has ended and goes on")

    def _check_bits(self, task: int, state: int, result: int) -> None:
        """Check that bits are delivered, or stay."""
        layout, abi, w, before = self.layout, self.abi, self.w, self.before
        bits = before[task + layout.PENDING] | self._notes(before, task)
        choice, actor = self.choice, self.actor
        if choice is not None and choice.posts and not before[layout.STRUCK]:
            is_given = not self._has_died(actor) and w[actor + layout.RESULT] == abi.OK
            if choice.posts[0] == task and is_given:
                bits |= choice.posts[1]
        kept = w[task + layout.PENDING] | self._notes(w, task)
        if state in self.runs and result == abi.NOTIFIED:
            kept |= w[task + layout.REGISTER_BITS]
        if bits & ~kept:
            self._say(f"notification bits of {self._name(task)} are lost")

    def _notes(self, w: Any, task: int) -> int:
        """Return the bits that hard steps have left for a task."""
        layout = self.layout
        notes = w[layout.LINES_END]
        if not w[notes + layout.POST_SET]:
            return 0
        first = notes + layout.POST_WORDS + (task >> layout.RECORD_SHIFT)
        return int(w[first] | w[first + len(self.world.tasks) + 1])

    def _check_end(self, task: int, was: int, result: int) -> None:
        """Check how the wait of a task for another has ended."""
        layout, abi, before = self.layout, self.abi, self.before
        peer = before[task + layout.PEER]
        asks = was == abi.CALLING and before[task + layout.OPERATION] & abi.EXTRA
        may_be = {
            abi.TIMEOUT: before[task + layout.TIMED_WAIT] and self._is_due(task),
            abi.DEAD: self._has_died(peer) or self._begins_anew(peer),
            abi.FULL: asks,
        }
        if was == abi.ORDERING and result in (abi.OK, abi.UNKNOWN):
            return
        if result in may_be:
            if not may_be[result]:
                self._say(f"the wait of {self._name(task)} ends with {result} for no reason")
        elif was == abi.SERVED:
            self._check_answer(task, result)
        elif was == abi.CALLING:
            self._say(f"{self._name(task)} is answered before it was received")
        elif was == abi.SENDING and result != abi.OK:
            self._say(f"the send of {self._name(task)} gives {result}")

    def _check_answer(self, task: int, result: int) -> None:
        """Check that a call ends by its server's reply, with that status and value."""
        choice = self.choice
        server = self.before[task + self.layout.PEER]
        if choice is None or self.actor != server or choice.kind not in _REPLIES:
            self._say(f"{self._name(task)} is answered by nobody")
        elif result != choice.status:
            self._say(f"{self._name(task)} is answered with {result}")
        else:
            value = self.w[self.world.frame_pool[task >> self.layout.RECORD_SHIFT].at]
            if value != self.world.cells.encode(choice.arg):
                self._say(f"{self._name(task)} gets another value than was replied")

    def _check_freed_slots(self) -> None:
        layout, before = self.layout, self.before
        for task in self.world.tasks:
            table = before[task + layout.CAPABILITIES]
            end = table + layout.CAPABILITY * before[task + layout.CAPABILITY_COUNT]
            for here in range(table, end, layout.CAPABILITY):
                self._check_slot(task, here)

    def _check_slot(self, task: int, here: int) -> None:
        """Check that no handle of a slot that capabilities come and go in is good again."""
        layout, w, before = self.layout, self.w, self.before
        rights = layout.RIGHTS_MASK << layout.RIGHTS_SHIFT
        old, new = before[here + layout.TARGET], w[here + layout.TARGET]
        if (not old & rights) != (not before[here + layout.PARENT]):  # it is the manifest's
            return
        was, now = old >> layout.SLOT_SHIFT, new >> layout.SLOT_SHIFT
        if old & rights and not new & rights and now == was:
            self._say("a handle of a freed slot stays valid")
        is_retired = was > self.abi.HANDLE_GENERATION_MASK
        if now < was and not (is_retired and (self._recycles(task) or self._starts(task))):
            self._say("a handle of a freed slot is good again")

    def _recycles(self, task: int) -> bool:
        return self.actor == task and self.choice is not None and self.choice.kind == "recycle"

    def _starts(self, task: int) -> bool:
        was_down = self.before[task + self.layout.STATE] in (self.abi.DORMANT, self.abi.FAULTED)
        return was_down or self._had_ended(task)

    def _check_result(self, choice: Choice) -> None:
        layout, w, before, actor = self.layout, self.w, self.before, self.actor
        result = WAIT
        is_taken_back = actor in self.world.on_trial and actor not in self.world.kernel.trials
        if self._has_died(actor) or is_taken_back:  # the old code is there again
            result = FAULT
        elif w[actor + layout.STATE] in self.runs:
            result = w[actor + layout.RESULT]
        has_caught = before[layout.STRUCK] and not self.world.was_pending and choice.error is None
        if has_caught:
            if result != FAULT:
                self._say("a step that caught its kill goes on")
        elif result == FAULT and self._has_used_up_its_period(actor):
            return
        elif choice.expects is not None and not choice.expects(self.world, before, actor, result):
            self._say(f"{choice.label} gave {result}")
