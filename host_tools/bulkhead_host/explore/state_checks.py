"""What must hold in every state: of the kernel's words, as they are told apart by nobody else.

Nothing here calls the kernel. A check takes the state at hand, and says what is wrong in words.
"""

from typing import Any

from bulkhead_host.explore.authority import reach
from bulkhead_host.explore.embedding import GUEST, IDLE, NESTED, PARKED, Embedding

_HALF = 0x20000000
_TIME_MASK = 0x3FFFFFFF
_PRIORITIES = 8
_DEPTH_MAX = 50  # of derived capabilities


class StateChecks:
    """The invariants of a world."""

    def __init__(self, world: Embedding) -> None:
        self.world = world
        self.layout, self.abi = world.layout, world.abi
        abi = world.abi
        self.down = (abi.DORMANT, abi.FAULTED)
        # Those with a PEER.
        self.bound = (abi.CALLING, abi.SERVED, abi.SENDING, abi.ORDERING)
        self.waiting = (*self.bound, abi.RECEIVING, abi.SLEEPING, abi.ATTENDING)
        self.allowed = reach(world)
        self.wrong: list[str] = []

    def name(self, task: int) -> str:
        """Return the name of a service."""
        number = task >> self.layout.RECORD_SHIFT
        known = 0 < number <= len(self.world.services)
        return self.world.services[number - 1].name if known else f"task {number}"

    def judge(self) -> list[str]:
        """Return what is wrong with the state at hand."""
        self.wrong = []
        self.w = self.world.words
        ready = self._ready_queues()
        if self.wrong:
            return self.wrong  # what follows goes by these queues
        self._who_runs()
        self._levels(ready)
        for task in self.world.tasks:
            self._wait(task)
            self._priority(task)
            self._ends(task)
            self._outputs(task)
            self._period(task)
        self._lines()
        self._capabilities()
        if self.world.kind == IDLE and not self.wrong:
            self._audit()
        return self.wrong

    def _audit(self) -> None:
        """Check that the kernel's own look at its words finds nothing, since nothing is wrong."""
        if not self.world.tree["guard.audit"].is_in_order(self.w, len(self.world.tasks)):
            self._say("the kernel takes its words for out of order")

    def _say(self, text: str) -> None:
        self.wrong.append(text)

    def _ready_queues(self) -> list[int]:
        """Check that the queues are rings of what is ready; return it, most important first."""
        w, layout, tasks = self.w, self.layout, self.world.tasks
        ready: list[int] = []
        for priority in range(_PRIORITIES):
            if not w[layout.READY_BITS] >> priority & 1:
                continue
            last = w[layout.TAILS + priority]
            task = w[last + layout.NEXT]
            queue: list[int] = []
            while task in tasks and task not in queue:
                queue.append(task)
                if w[task + layout.PRIORITY] != priority:
                    self._say(f"{self.name(task)} is in the queue of another priority")
                task = w[task + layout.NEXT]
            if task not in tasks:
                self._say("a ready queue holds what is no task")
            elif queue[-1] != last or task != queue[0]:
                self._say("a ready queue is no ring")
            ready += queue
        if sorted(ready) != [t for t in tasks if w[t + layout.STATE] == self.abi.READY]:
            self._say("ready tasks and ready queues differ")
        return ready

    def _who_runs(self) -> None:
        w, layout, world = self.w, self.layout, self.world
        running = w[layout.RUNNING_TASK]
        runs = [t for t in world.tasks if w[t + layout.STATE] == self.abi.RUNNING]
        outer = world.level[0] if world.level else 0
        expected = {PARKED: [running], NESTED: sorted(t for t in (outer, running) if t)}
        if runs != expected.get(world.kind, []):
            self._say(f"RUNNING is the state of {[self.name(t) for t in runs]}")
        if w[layout.ARMED] != (world.kind != IDLE):
            self._say(f"ARMED is {w[layout.ARMED]}")
        if (w[layout.OUTER] != 0) != (world.kind == NESTED and outer != 0):
            self._say(f"OUTER is {self.name(w[layout.OUTER])}")
        if world.kind == NESTED and outer:
            floor = w[w[layout.OUTER] + layout.PRIORITY]
            if w[layout.FLOOR] not in (floor, floor + 1):
                self._say(f"FLOOR is {w[layout.FLOOR]}, the outer task's priority {floor}")
        if world.kind in (PARKED, GUEST) and w[layout.FLOOR] != _PRIORITIES:
            self._say(f"FLOOR is {w[layout.FLOOR]} at the main level")

    def _levels(self, ready: list[int]) -> None:
        """Check who may run in view of who is ready, and what must not be left over."""
        w, layout, kind = self.w, self.layout, self.world.kind
        running = w[layout.RUNNING_TASK]
        is_present = w[layout.NOW] == self.world.port.now()
        top = min((w[task + layout.PRIORITY] for task in ready), default=_PRIORITIES)
        if kind in (PARKED, NESTED) and is_present and top < w[running + layout.PRIORITY]:
            self._say("something more important than what runs is ready")
        if kind == NESTED and w[running + layout.PRIORITY] >= w[layout.FLOOR]:
            self._say("what runs on top is not more important than what it runs on")
        if kind == IDLE and ready:
            self._say("idle with something ready")
        if kind == GUEST and not w[layout.SCHEDULED] and ready:
            self._say("the guest runs and something is ready")
        if kind == IDLE and w[layout.IRQ_PENDING]:
            self._say("idle with an interrupt undelivered")
        if w[layout.STOPPED]:
            self._say(f"STOPPED was written: {w[layout.STOPPED]}")
        if w[layout.STRUCK] and kind not in (PARKED, NESTED):
            self._say("STRUCK is left over")

    def _wait(self, task: int) -> None:
        """Check whom and what a task waits for, and who waits for it."""
        w, layout, abi = self.w, self.layout, self.abi
        state, peer = w[task + layout.STATE], w[task + layout.PEER]
        if (peer != 0) != (state in self.bound):
            self._say(f"{self.name(task)} in state {state} has peer {self.name(peer)}")
            return
        self._callers(task)
        if w[task + layout.TIMED_WAIT]:
            self._deadline(task, state)
        elif state in (abi.CALLING, abi.SERVED, abi.SENDING, abi.ORDERING):
            self._say(f"{self.name(task)} waits for another without a deadline")
        if peer in self.world.tasks:
            self._peer(task, state, peer)
        has_message = w[task + layout.SENDERS] or w[task + layout.MAIL_COUNT]
        if state == abi.RECEIVING and (w[task + layout.PENDING] or has_message):
            self._say(f"{self.name(task)} waits for a message and one is there")

    def _callers(self, task: int) -> None:
        w, layout, tasks = self.w, self.layout, self.world.tasks
        waiters = [c for c in tasks if w[c + layout.PEER] == task]
        if w[task + layout.CLIENTS] != len(waiters):
            self._say(f"{self.name(task)} counts {w[task + layout.CLIENTS]} of {len(waiters)}")
        queue: list[int] = []
        here = w[task + layout.SENDERS]
        while here in tasks and here not in queue:
            queue.append(here)
            here = w[here + layout.NEXT]
        if here:
            self._say(f"the callers of {self.name(task)} are no list")
        if sorted(queue) != [c for c in waiters if w[c + layout.STATE] == self.abi.CALLING]:
            self._say(f"callers of {self.name(task)} and its queue differ")
        order = [w[c + layout.PRIORITY] for c in queue]
        if order != sorted(order):
            self._say(f"callers of {self.name(task)} are not in order")

    def _deadline(self, task: int, state: int) -> None:
        w, layout = self.w, self.layout
        deadline = w[task + layout.DEADLINE]
        if state not in self.waiting:
            self._say(f"{self.name(task)} does not wait and has a deadline")
        too_late = (w[layout.NEXT_DEADLINE] - deadline) & _TIME_MASK
        if not w[layout.DEADLINES] or 0 < too_late < _HALF:
            self._say("a deadline is not looked at in time")
        if (w[layout.NOW] - deadline) & _HALF == 0:
            self._say(f"the deadline of {self.name(task)} was missed")

    def _peer(self, task: int, state: int, peer: int) -> None:
        """Check that what a task waits for is not there already."""
        w, layout, abi = self.w, self.layout, self.abi
        theirs = w[peer + layout.STATE]
        if state == abi.SERVED and theirs in self.down:
            self._say(f"{self.name(task)} is served by one that is down")
        if state == abi.CALLING and theirs == abi.RECEIVING:
            self._say(f"{self.name(task)} calls one that receives")
        if state == abi.SENDING and w[peer + layout.MAIL_COUNT] < w[w[peer + layout.MAILBOX]]:
            self._say(f"{self.name(task)} waits for a place in a mailbox that has one")

    def _priority(self, task: int) -> None:
        """Check a priority by the next in line, and by all who wait for the task, however far."""
        w, layout = self.w, self.layout
        waiters = [c for c in self.world.tasks if w[c + layout.PEER] == task]
        local = min([w[task + layout.BASE], *(w[c + layout.PRIORITY] for c in waiters)])
        if w[task + layout.PRIORITY] != local:
            self._say(f"the priority of {self.name(task)} is not what its callers justify")
        everyone = [task]
        for one in everyone:
            everyone += [
                c for c in self.world.tasks if w[c + layout.PEER] == one and c not in everyone
            ]
        justified = min(w[t + layout.BASE] for t in everyone)
        if w[task + layout.PRIORITY] != justified:
            self._say(f"{self.name(task)} keeps a priority that nobody lends it")

    def _ends(self, task: int) -> None:
        """Check what a task that is down has left, and what one that is up has."""
        w, layout, kernel = self.w, self.layout, self.world.kernel
        number = task >> layout.RECORD_SHIFT
        state = w[task + layout.STATE]
        has = [kernel.frames[number] is not None, kernel.generators[number] is not None]
        if state in self.down:
            if self.world.is_closing(task):
                self._say(f"{self.name(task)} is down and has a step to make")
            if any(has):
                self._say(f"{self.name(task)} is down and has a frame or a generator")
            if state == self.abi.FAULTED and w[task + layout.SERVING]:
                self._say(f"{self.name(task)} is dead and serves somebody")
        elif self.world.is_closing(task):
            self._closes(task, state)
        elif not all(has):
            self._say(f"{self.name(task)} is up and has no frame, or no generator")
        box = w[task + layout.MAILBOX]
        if box and not (
            w[task + layout.MAIL_COUNT] <= w[box] and w[box + layout.MAIL_FIRST] < w[box]
        ):
            self._say(f"the mailbox of {self.name(task)} is torn")

    def _period(self, task: int) -> None:
        """Check that who has used up the budget of a period that goes on has no other step."""
        w, layout = self.w, self.layout
        particulars = w[layout.PARTICULARS] + (task >> layout.PARTICULAR_SHIFT)
        period_ms = w[particulars + layout.PERIOD_MS]
        now_ms = self.world.port.uptime_ms()
        goes_on = 0 < (w[particulars + layout.PERIOD_END_MS] - now_ms) & _TIME_MASK <= period_ms
        left_us = (w[task + layout.CPU_LIMIT] - w[task + layout.CPU_US]) & _TIME_MASK
        is_used_up = left_us == 0 or left_us >= _HALF
        may_be = (*self.down, self.abi.RUNNING)
        closes = w[particulars + layout.ENDING] & layout.LAST_STEP
        is_free = closes or w[task + layout.STATE] in may_be
        if period_ms and goes_on and is_used_up and not is_free:
            self._say(f"{self.name(task)} goes on beyond the budget of its period")

    def _outputs(self, task: int) -> None:
        """Check that outputs are safe while their task is down, and its own once it runs."""
        world = self.world
        number = task >> self.layout.RECORD_SHIFT
        service = world.services[number - 1]
        is_held = service.name in world.port.held
        is_down = self.w[task + self.layout.STATE] in self.down
        if service.drives and is_down and not is_held:
            self._say(f"{service.name} is down and its outputs are not safe")
        runs = world.kernel.generators[number] is world.puppets[number]
        if is_held and runs and not world.is_closing(task):
            self._say(f"{service.name} runs and its outputs are held")
        if service.drives and is_held != (world.kernel.held_ms[number] != self.layout.DRIVEN):
            self._say(f"the kernel is wrong about the outputs of {service.name}")

    def _closes(self, task: int, state: int) -> None:
        """Check a task that has ended but for its last step."""
        w, layout, world = self.w, self.layout, self.world
        number = task >> layout.RECORD_SHIFT
        if state not in (self.abi.READY, self.abi.RUNNING):
            self._say(f"{self.name(task)} closes in state {state}")
        if world.kernel.frames[number] is not None or world.kernel.generators[number] is None:
            self._say(f"{self.name(task)} closes and has a frame, or no step")
        if w[task + layout.SERVING]:
            self._say(f"{self.name(task)} closes and serves somebody")
        if world.kind == PARKED and state == self.abi.RUNNING and not w[layout.STRUCK]:
            self._say(f"{self.name(task)} has ended, goes on and is not struck")

    def _lines(self) -> None:
        w, layout = self.w, self.layout
        will_look = w[layout.IRQ_PENDING]
        for line in range(w[layout.TASKS_END], w[layout.LINES_END], layout.LINE):
            attends = w[w[line + layout.LINE_OWNER] + layout.STATE] == self.abi.ATTENDING
            if w[line + layout.LINE_FIRED] and not will_look:
                self._say("a line has fired and nobody will look")
            if w[line + layout.LINE_HARD] and not attends:
                self._say("a line is hard whose driver does not attend")
            if not w[line + layout.LINE_HARD] and attends and not will_look:
                self._say("a driver attends a line that is not hard")
            if w[line + layout.LINE_FIRED] and w[line + layout.LINE_MASKED] != layout.FIRED:
                self._say("a line has fired and is not masked")
        if w[w[layout.LINES_END] + layout.POSTED] and not will_look:
            self._say("a hard step has left bits and nobody will look")

    # --- capabilities -----------------------------------------------------------------------

    def _capabilities(self) -> None:
        w, layout = self.w, self.layout
        for task in self.world.tasks:
            first = w[task + layout.CAPABILITIES]
            end = first + layout.CAPABILITY * w[task + layout.CAPABILITY_COUNT]
            for here in range(first, end, layout.CAPABILITY):
                if self._held(here) and w[here + layout.PARENT]:
                    self._derived(task, here)

    def _held(self, here: int) -> Any:
        return self.w[here + self.layout.TARGET] >> self.layout.RIGHTS_SHIFT & (
            self.layout.RIGHTS_MASK
        )

    def _derived(self, task: int, here: int) -> None:
        """Check a capability that no manifest names against what it was derived from."""
        w, layout = self.w, self.layout
        if w[task + layout.STATE] == self.abi.FAULTED:
            self._say(f"the dead {self.name(task)} holds what its manifest does not name")
        parent = w[here + layout.PARENT]
        if not w[layout.CAPABILITIES_FROM] <= parent < w[layout.CAPABILITIES_END]:
            self._say("a capability's parent is none")
            return
        if not w[here + layout.NAMED] & layout.GENERATION_MASK:
            return  # revoked: of no use
        rights, target = self._held(here), w[here + layout.TARGET] & layout.OFFSET_MASK
        if not self._held(parent) or not w[parent + layout.NAMED] & layout.GENERATION_MASK:
            self._say("a capability outlives its parent")
            return
        if rights & ~self._held(parent):
            self._say("a capability has rights that its parent has not")
        if w[parent + layout.TARGET] & layout.OFFSET_MASK != target:
            self._say("a capability has another target than its parent")
        for _ in range(_DEPTH_MAX):
            if not parent or not self._held(parent):
                break
            parent = w[parent + layout.PARENT]
        else:
            self._say("capabilities are derived in a circle")
        if rights & ~self.allowed.get((task, target), 0):
            self._say(
                f"{self.name(task)} holds rights {rights} on {self.name(target)},"
                " which no manifest lets it have"
            )
