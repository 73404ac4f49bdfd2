"""One fault under way: what was before, what has been seen, and the waits for what must come."""

from contextlib import suppress
from dataclasses import dataclass, field

from bulkhead_host import abi
from bulkhead_host.campaign.actions import PROBATION_MS, Bench, press, rouse
from bulkhead_host.campaign.kinds import FLOOD, HANG, KILL_IN_UPDATE, Ends, Kind
from bulkhead_host.campaign.plan import Invariants, Planned
from bulkhead_host.campaign.watch import Watch
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.services import Service, Table
from bulkhead_host.link.updater import ENDED, KEPT, state

ROUSE_S = 2
"""After that a service whose next step is the occasion is called: it may rest until then."""

DOWN = ("dormant", "faulted", "ended")
GIVEN_UP = "degraded"
_LOOK_S = 0.02
_LOOK_S_MAX = 0.25
"""Between two looks; the pause grows with what has passed."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """A board between two faults, with its heap after a collection.

    `taken_s` is when the table was read, by the clock of the line. `sent` are the traps of others
    into each mailbox, by holder and by which of its handles, where messages are to be accounted
    for; one that names an incarnation which has ended is not among them: its holder is told DEAD.
    """

    taken_s: float
    table: Table
    heap_free: int
    sent: dict[str, dict[tuple[str, int], int]]

    def was_reset_by(self, uptime_ms: int, *, now_s: float) -> bool:
        """Tell whether a board that is up for so long now was reset after this look.

        A reset takes away what the board had been up for, whenever somebody asks: its uptime alone
        is less only for as long. Half of that is left to what clock and line are wrong by.
        """
        passed_ms = (now_s - self.taken_s) * 1000
        return uptime_ms < passed_ms + self.table.uptime_ms / 2


def look(bench: Bench, invariants: Invariants) -> Look:
    """Return the board as it is, asked until it answers.

    Raises `DeviceTimeout` when it should have been back and does not.
    """
    clock_s = bench.client.transport.clock_s
    until_s = clock_s() + invariants.recovered_within_ms / 1000
    while True:
        try:
            table = bench.client.table()
            taken_s = clock_s()
            sent = _sent(bench, table) if invariants.messages_accounted else {}
            heap_free = bench.client.heap_free()
            return Look(taken_s=taken_s, table=table, heap_free=heap_free, sent=sent)
        except DeviceTimeout:
            if clock_s() >= until_s:
                raise


def _sent(bench: Bench, table: Table) -> dict[str, dict[tuple[str, int], int]]:
    services = bench.application.services
    sent: dict[str, dict[tuple[str, int], int]] = {one.name: {} for one in services if one.mailbox}
    numbers = {table.names.index(name) + 1: name for name in sent if name in table.names}
    for service in services:
        if any(use.target in sent and use.rights & abi.MAY_SEND for use in service.uses):
            for slot, one in enumerate(bench.client.capabilities(service.name)):
                name = numbers.get(one.task or 0)
                is_alive = name and one.generation == generation(table.named(name))
                if name and is_alive and one.rights & abi.MAY_SEND:
                    sent[name][service.name, slot] = one.uses
    return sent


def generation(service: Service | None) -> int:
    """Return a service's generation, 0 for none."""
    return service.generation if service is not None else 0


@dataclass(kw_only=True)
class Trial:
    """A fault that has been committed. `violations` grow, in words, as it is watched.

    `skipped` says why there is nothing to judge of the target: the fault had no occasion, or its
    manifest has it given up for as many faults as it has had.
    """

    bench: Bench
    invariants: Invariants
    kind: Kind
    fault: Planned
    before: Look
    watch: Watch
    victim: str | None = None
    recovery_ms: float | None = None
    violations: list[str] = field(default_factory=list)
    skipped: str = ""
    _waits_still: bool = False
    _update: str = ""

    @property
    def names(self) -> list[str]:
        """The board's services in start order."""
        return self.before.table.names

    @property
    def task(self) -> int:
        """The target's number, 0 for the board."""
        names = self.names
        return names.index(self.fault.target) + 1 if self.fault.target in names else 0

    def stays_down(self, name: str) -> bool:
        """Return whether a service's manifest has it never started again."""
        service = self.bench.service(name)
        return service is not None and service.restart == "temporary"

    def clock_s(self) -> float:
        """Return the clock of the line to the board: an emulated board's own."""
        return self.bench.client.transport.clock_s()

    def wait(self) -> None:
        """Wait for what the kind says will come, and note what does not."""
        if self.kind.ends is Ends.BOARD:
            self._wait_for_board()
            return
        start_us = 0
        if self.kind.waits:
            start_us = self._wait_for_mark()
        elif self.fault.kind == "lost-interrupt":
            self._wait_for_interrupt()
        elif self.fault.kind == KILL_IN_UPDATE:
            start_us = self._wait_for_update()
        if not self.skipped:
            self._wait_for_victim(start_us)

    def came_late(self) -> bool:
        """Tell whether the occasion came after all, when it was waited for no longer.

        Then the target is judged as if it had come in time, once what it did has been waited for.
        """
        if not self._waits_still:
            return False
        begun_s = self.clock_s()
        self.watch.look()
        while (start_us := self._occasion_us()) is None:
            is_over = self.clock_s() > begun_s + self.invariants.recovered_within_ms / 1000
            if is_over or not self._is_one_down():
                return False
            self._pause(begun_s)
            self.watch.look()
        self._waits_still, self.skipped = False, ""
        self._wait_for_victim(start_us)
        return True

    def _wait_for_victim(self, start_us: int) -> None:
        """Wait until whoever the fault ended runs again, and note who that was."""
        victim = self.task if self.kind.ends is Ends.TARGET else self._faulted()
        if not victim and self.kind.ends is Ends.CLIENT:
            self.violations.append(f"no client of {self.fault.target} was faulted")
        if not victim and self._update == KEPT:
            self.violations.append(f"{self.fault.target} was not killed")
        if victim and not self.violations:
            self.victim = self.names[victim - 1]
            self._wait_for_return(victim, start_us)

    def _pause(self, since_s: float) -> None:
        """Let the board run for a while, longer when the wait has been long."""
        passed_s = self.clock_s() - since_s
        self.bench.client.listen(min(max(passed_s / 4, _LOOK_S), _LOOK_S_MAX))

    def _wait_for_mark(self) -> int:
        """Wait for the occasion; return when it came, in microseconds from the order."""
        begun_s = self.clock_s()
        within_ms = self.invariants.occasion_within_ms
        rests = self.fault.kind == FLOOD
        while self.clock_s() < begun_s + within_ms / 1000:
            self.watch.look()
            seen_us = self._occasion_us()
            if seen_us is not None:
                return seen_us
            if rests and self.clock_s() > begun_s + ROUSE_S:
                rouse(self.bench, self.fault.target)
                rests = False
            self._pause(begun_s)
        self.skipped = f"{self.fault.target} had no occasion within {within_ms} ms"
        self._waits_still = True
        return 0

    def _occasion_us(self) -> int | None:
        """Return when the occasion came, as far as the watch has seen."""
        found = (self.watch.mark_us(self.task), self._fault_us(), self._missed_us())
        return next((one for one in found if one is not None), None)

    def _fault_us(self) -> int | None:
        """Return when what the kind says was faulted, should the mark before it be lost.

        Where that is lost too the table tells that it was, and the newest record about when.
        """
        if not self.kind.faults or not self.watch.lost:
            return None
        for time_us, _, fault in self.watch.faults():
            if fault in self.kind.faults:
                return time_us
        if any(self._runs(name) for name in self.names):
            return self.watch.records[-1].time_us
        return None

    def _missed_us(self) -> int | None:
        """Return about when an occasion came whose marks are lost, where that is certain.

        The supervisor answers each reading of the trace: what a look has brought was one.
        """
        is_certain = self.fault.target == "supervisor" and self.kind.ends is Ends.NOBODY
        if not (is_certain and self.watch.lost and self.watch.records):
            return None
        return self.watch.records[-1].time_us

    def _wait_for_interrupt(self) -> None:
        """See that the lost edge was lost, and that the driver serves the next one."""
        self.watch.look()
        if self.watch.served_interrupt_us(self.task) is not None:
            self.violations.append("the interrupt was not lost")
            return
        press(self.bench, self.fault.target)
        pressed_s = self.clock_s()
        while self.watch.served_interrupt_us(self.task) is None:
            if self.clock_s() > pressed_s + self.invariants.recovered_within_ms / 1000:
                self.violations.append(f"{self.fault.target} served no later interrupt")
                return
            self._pause(pressed_s)
            self.watch.look()

    def _wait_for_update(self) -> int:
        """Wait until the board has kept the new code, or taken it back; return when the kill was.

        That is in microseconds from the order, 0 where the trace does not tell.
        """
        begun_s = self.clock_s()
        within_ms = PROBATION_MS + self.invariants.recovered_within_ms
        while self._update not in ENDED:
            self._pause(begun_s)
            self.watch.look()
            with suppress(DeviceTimeout):
                self._update = state(self.bench.client)[0]
            if self.clock_s() > begun_s + within_ms / 1000:
                self.violations.append(f"the update did not end within {within_ms} ms")
                break
        kills = (time_us for time_us, number, _ in self.watch.faults() if number == self.task)
        return next(kills, 0)

    def _faulted(self) -> int:
        """Return the task that was faulted as the kind says, 0 for none.

        A client may be so only later, by the next reply, where the first had none to harm. Where
        the record is lost the table tells, once whoever is down has been started.
        """
        if self.kind.ends is Ends.NOBODY:
            return 0
        begun_s = self.clock_s()
        self.bench.client.listen(_LOOK_S)
        self.watch.look()
        while not (found := self._seen_faulted()):
            is_over = self.clock_s() > begun_s + self.invariants.recovered_within_ms / 1000
            is_due = self.kind.ends is Ends.CLIENT or (self.watch.lost and self._is_one_down())
            if is_over or not is_due:
                return self._seen_faulted()
            self._pause(begun_s)
            self.watch.look()
        return found

    def _seen_faulted(self) -> int:
        """Return that as far as the watch has seen."""
        wants_target = self.kind.ends is Ends.PERHAPS
        for _, number, fault in self.watch.faults():
            if fault in self.kind.faults and (number == self.task) == wants_target:
                return number
        for number, name in enumerate(self.names, 1):
            if self.watch.lost and (number == self.task) == wants_target and self._runs(name):
                return number
        return 0

    def _wait_for_return(self, task: int, start_us: int) -> None:
        """Wait until a task has been faulted and makes steps again; note how long it took."""
        name = self.names[task - 1]
        if self.stays_down(name):
            return
        service = self.bench.service(name)
        within_ms = self.invariants.recovered_within_ms
        if self.fault.kind == HANG and service is not None:
            within_ms += service.heartbeat_ms  # only then is it taken for hung
        started_s = self.clock_s()
        while self.recovery_ms is None:
            self._pause(started_s)
            self.watch.look()
            passed_ms = (self.clock_s() - started_s) * 1000
            running_us = self.watch.running_us(task, self.kind.starts)
            if running_us is not None:
                self.recovery_ms = passed_ms = (running_us - start_us) / 1000
            elif self.watch.lost and self._runs(name):
                self.recovery_ms = round(passed_ms, 3)
            if passed_ms > within_ms:
                self.skipped = self._why_given_up(name)
                if self.skipped:
                    return
                self.violations.append(f"{name} was not back within {within_ms} ms")
                return

    def _why_given_up(self, name: str) -> str:
        """Return why a service's manifest has it stay down after this; empty where it has not."""
        service, old = self.bench.service(name), self.before.table.named(name)
        if service is None or old is None or not service.policy.restarts_max:
            return ""
        policy = service.policy
        with suppress(DeviceTimeout):
            table = self.bench.client.table()
            now = table.named(name)
            is_given_up = now is not None and now.state == GIVEN_UP
            was_reset = policy.on_giving_up == "reset" and self._was_reset_by(table.uptime_ms)
            if (
                is_given_up or was_reset
            ) and old.restarts + self.kind.starts > policy.restarts_max:
                most = f"{policy.restarts_max} restarts in {policy.window_ms} ms"
                return f"{name} is given up, as its manifest says: more than {most}"
        return ""

    def _runs(self, name: str) -> bool:
        """Look at the table, where the trace has been overrun."""
        try:
            now = self.bench.client.table().named(name)
        except DeviceTimeout:
            return False
        due = generation(self.before.table.named(name)) + self.kind.starts
        return now is not None and now.state not in DOWN and now.generation >= due

    def _is_one_down(self) -> bool:
        """Tell whether a service is down that was not so before."""
        rested = {one.name for one in self.before.table.services if one.state in DOWN}
        with suppress(DeviceTimeout):
            services = self.bench.client.table().services
            return any(one.state in DOWN and one.name not in rested for one in services)
        return True

    def _was_reset_by(self, uptime_ms: int) -> bool:
        return self.before.was_reset_by(uptime_ms, now_s=self.clock_s())

    def _wait_for_board(self) -> None:
        """Wait until every service runs again, by a clock that began anew."""
        within_ms = self.invariants.recovered_within_ms
        started_s = self.clock_s()
        rested = [one.name for one in self.before.table.services if one.state in DOWN]
        while self.clock_s() <= started_s + within_ms / 1000:
            self._pause(started_s)
            try:
                if not self._was_reset_by(self.bench.client.hello().uptime_ms):
                    continue
                table = self.bench.client.table()
            except BulkheadError:
                continue
            if not any(one.state in DOWN and one.name not in rested for one in table.services):
                self.recovery_ms = float(table.uptime_ms)
                return
        self.violations.append(f"the board was not back within {within_ms} ms")
