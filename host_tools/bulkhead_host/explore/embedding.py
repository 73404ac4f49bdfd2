"""A kernel over services without state, whose whole state can be taken, kept and put back.

All state there is are the kernel's words, a few Python values (stashes, trials of new code, which
generators have begun), and, above a preempted task, five locals of `enter_interrupt_level`.

A state is taken where a service is resumed that the explorer has not chosen a step for: `send`
raises `Parked`, which leaves the dispatcher and loses nothing, since `dispatch` takes the task at
hand as arguments and what it does before the resume has no effect when done twice. That the first
resume after the entry is of that task, with the same result, is checked.

The words of the kernel are a few more, for the values of frames and mailboxes. These functions
of it are replaced, each by a line or two around the real one: `tasks.id` (their made-up
addresses), `levels.land` (which lets `Parked` through), and `replace.trying`,
`replace.exchanging`, `faults.closing` (remembered). What `enter_interrupt_level` does after its
`run` is cut out of its source, so that a state inside it can be kept.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bulkhead_host.explore.spec import BUDGET_US, UNIT_US, Service, World
from bulkhead_host.explore.stand_ins import (
    NONE_WORD,
    Cells,
    Items,
    Memory,
    ModelPort,
    Parked,
    Puppet,
    Reset,
    Violation,
    cell_frame,
)
from bulkhead_host.explore.tree import Tree, parsed

# Where the kernel is: idle, a task parked at the main level, one on top of another, the guest.
IDLE, PARKED, NESTED, GUEST = "I", "P", "N", "G"

_FRAME_WORDS = 8  # of each frame behind the kernel's own words: an instance, and its pair of `arg`
ARG_AT = 5
_ARG_KEY = 77  # the name word of `arg`
TRACE_RECORDS = 2
TRACE_WORDS = 2 * TRACE_RECORDS


class Embedding:
    """The kernel over the services of a world; `choice` is what the parked service does next."""

    def __init__(self, spec: World, root: Path) -> None:
        self.spec = spec
        self.services = spec.services
        self.numbers = {s.name: n for n, s in enumerate(spec.services, 1)}
        narrow = {"limits.TIME_SLICE_US": UNIT_US, "limits.CALL_TIMEOUT_US": 2 * UNIT_US}
        narrow["limits.TRACE_RECORDS"] = TRACE_RECORDS
        narrow["trace._WORDS"] = TRACE_WORDS
        self.tree = Tree(root, {**narrow, **spec.constants})
        self.layout = self.tree["kernel.layout"]
        self.abi = self.tree["kernel.abi"]
        self.refusals = (
            self.tree["kernel.capabilities"].NoRight,
            self.tree["kernel.message"].BadMessage,
            Violation,
        )
        self.memory = Memory()
        self.cells = Cells()
        self.tree.set_casts(self.memory.pointer, self.memory.address)
        self.puppets = [Puppet(self, n) for n in range(len(spec.services) + 1)]
        self.port = ModelPort(
            self.tree["port.soft"].SoftLine, self.layout.SCHEDULED, spec.start_us
        )
        self.extra = 0
        self._set_stage()
        self._replace_functions()
        self.kernel = self._build()
        self.words = self.kernel.words
        self.bytes = memoryview(self.words).cast("B")
        self.tasks = [n << self.layout.RECORD_SHIFT for n in range(1, len(self.services) + 1)]
        self._make_frames()
        self._note_places()

    def _set_stage(self) -> None:
        """Have nobody act, and nothing remembered of the step before."""
        self.kind = IDLE
        self.level: tuple[int, int, int, bool, int] | None = None
        self.was_pending = False
        self.actor = 0
        self.choice: Any = None
        self.step_irq = 0
        self.trials_of: dict[int, list[Any]] = {}  # number: generator, ends, trial, has it begun
        self.injected: dict[int, tuple[Any, int]] = {}  # number: generator, kind
        self.has_full_heap = False
        self.on_trial: set[int] = set()  # before the step: whose new code runs
        self.closers: dict[int, Any] = {}  # number: the generator of its last step
        # number: the generator of an exchange of code, and what it was made of.
        self.exchanges: dict[int, tuple[Any, ...]] = {}
        self.is_rehearsal = False
        self.hard_script: list[Any] | None = None
        # What runs on top while a service closes: see `closed`.
        self.script: tuple[int, ...] | None = None
        self.script_at = 0
        self.script_labels: list[str] = []
        self.closes = 0
        self.offers_needed = 0
        self.is_in_close = False
        self.offers_in_close: Callable[[Embedding], list[Any]] | None = None

    # --- building ---------------------------------------------------------------------------

    def _replace_functions(self) -> None:
        tree = self.tree
        levels, tasks = tree["kernel.levels"], tree["kernel.tasks"]
        tasks.Frame = cell_frame(tasks.Frame, self.cells, self.abi.RECV, self._arg_place)
        boot_frame = tasks.Frame

        def frame(*arguments: Any) -> Any:
            if self.has_full_heap:
                raise MemoryError
            return boot_frame(*arguments)

        tasks.Frame = frame
        self._frame_kind = boot_frame
        tasks.id = lambda frame: 4 * (frame.at - ARG_AT)
        self._run, self._dispatch = levels.run, tree["kernel.dispatch"].dispatch
        self._enter = levels.enter_interrupt_level
        self._leave = _second_half(levels)
        self._land, levels.land = levels.land, self._landed
        self._beginning = tasks.beginning
        self._replace = tree["kernel.replace"]
        self._trying, self._replace.trying = self._replace.trying, self._remember_trial
        self._exchanging = self._replace.exchanging
        self._replace.exchanging = self.begin_exchange
        faults = tree["kernel.faults"]
        self._closing, faults.closing = faults.closing, self._remember_closer
        tasks.GENERATORS = (*tasks.GENERATORS, Puppet)

    def _arg_place(self, name: str) -> int:
        return self.extra + _FRAME_WORDS * self.numbers[name] + ARG_AT

    def _build(self) -> Any:
        port = self.port
        attach = port.attach

        def attach_early(kernel: Any, _enter: object) -> None:
            self.cells.words = kernel.words
            self.memory.take(kernel.words)
            attach(kernel, _enter)

        port.attach = attach_early  # type: ignore[method-assign]
        table = self._table()
        words = self.tree["plan.words"].lay_out(table)
        self.extra = len(words)
        mail = sum(s.mailbox[0] for s in self.services if s.mailbox)
        words.frombytes(bytes(4 * (_FRAME_WORDS * (len(table) + 1) + mail)))
        return self.tree["kernel.boot"].build(table, port, words)

    def _table(self) -> tuple[Any, ...]:
        return tuple(
            self._row(service, self.puppets[number])
            for number, service in enumerate(self.services, 1)
        )

    def _row(self, service: Service, main: Puppet) -> tuple[Any, ...]:
        uses = tuple(
            (target, target, self.rights(held), main.number) for target, held in service.uses
        )
        lines = tuple((line, "test", 0, "rising", service.rate) for line in service.lines)
        flags = self.abi.HARD if service.hard else 0
        period_ms, period_us = service.period
        options = (1000 * period_ms, period_us, service.quota, service.slots, flags)
        return (
            *(service.name, main, service.priority, BUDGET_US, service.mailbox, uses, lines),
            *(None, options, service.name if service.drives else ()),
        )

    def rights(self, names: str) -> int:
        """Return the bits of rights given by their names, with commas between."""
        return sum(getattr(self.abi, f"MAY_{name.upper()}") for name in names.split(","))

    def _make_frames(self) -> None:
        """Have one frame a task for ever, each with its words behind the kernel's."""
        layout, w, kernel = self.layout, self.words, self.kernel
        self.frame_pool: list[Any] = [None]
        kind = self._frame_kind
        for task, service in zip(self.tasks, self.services, strict=True):
            registers = kernel.window[task + layout.REGISTERS : task + layout.REGISTERS_END]
            frame = kind(registers, {"": service.name})
            self.frame_pool.append(frame)
            first = frame.at - ARG_AT
            w[first + 3] = 4 * (first + 4)  # the address of the instance's table
            w[first + 4] = _ARG_KEY
            w[frame.at] = NONE_WORD
        self.items_at = self.extra + _FRAME_WORDS * (len(self.services) + 1)
        kernel.frames[0] = Items(self.cells, self.items_at, len(w) - self.items_at)
        for index in range(self.items_at, len(w)):
            w[index] = NONE_WORD
        kernel.reserve = None
        kernel.replace, kernel.revert = self._replace.replace, self._replace.revert

    def _note_places(self) -> None:
        """Be `port.places.note_places`: the kernel finds values by their words."""
        layout, w = self.layout, self.words
        spots = w[layout.PARTICULARS]
        w[spots + layout.ARG_KEY] = _ARG_KEY
        w[spots + layout.ARG_PLACE] = 0
        w[spots + layout.MAIL_ITEMS] = 4 * self.items_at

    # --- what the kernel calls --------------------------------------------------------------

    def _remember_trial(self, kernel: Any, number: int, main: Any, trial: Any, ends: int) -> Any:
        """Be `replace.trying`, and remember what its generator was made of."""
        generator = self._trying(kernel, number, main, trial, ends)
        self.trials_of[number] = [generator, ends, trial, False]
        return generator

    def _remember_injections(self) -> None:
        """Have `bulkhead.injections` of this tree, once, and remember what it makes."""
        if "bulkhead.injections" in self.tree.modules:
            return
        with self.tree.visible():
            importlib.import_module("bulkhead.injections")
        injections = self.tree["bulkhead.injections"]
        self._stand_in = injections.stand_in

        def stand_in(kind: int, _generator: object, frame: Any, *others: Any) -> Any:
            number = self.numbers[frame.handles[""]]
            made = self._stand_in(kind, self.puppets[number], frame, *others)
            self.injected[number] = (made, kind)
            return made

        injections.stand_in = stand_in

    def begin_injected(self, number: int, kind: int) -> Any:
        """Return the generator that misbehaves in a service's place from its next step on."""
        frame = self.frame_pool[number]
        generator = self._stand_in(kind, self.puppets[number], frame, (), (), 0, None)
        generator.send(None)
        self.injected[number] = (generator, kind)
        return generator

    def _remember_closer(self, kernel: Any, number: int, generator: Any, error: Any) -> Any:
        """Be `faults.closing`, and remember its generator."""
        self.closers[number] = self._closing(kernel, number, generator, error)
        return self.closers[number]

    def is_closing(self, task: int) -> bool:
        """Tell whether a task has ended but for its last step."""
        return bool(self.ending(self.words, task) & self.layout.LAST_STEP)

    def ending(self, words: Any, task: int) -> Any:
        """Return how the end of a task's incarnation stands, in such words."""
        layout = self.layout
        particulars = words[layout.PARTICULARS] + (task >> layout.PARTICULAR_SHIFT)
        return words[particulars + layout.ENDING]

    def resumed(self, number: int, value: object) -> int:
        """Make the step that was chosen for service `number`, or park."""
        if self.is_rehearsal:
            return int(self.abi.NOTIFY)
        if self.hard_script is not None:  # in the hardware interrupt
            if not self.hard_script:
                raise Violation("a hard step goes on after its end")
            return int(self.hard_script.pop(0).perform(self, number))
        known = self.trials_of.get(number)
        if known and self.kernel.generators[number] is known[0]:
            known[3] = True
        if self.actor == 0:
            choice = self._scripted(number)
            if choice is None:
                raise Parked(number, value)
            return int(choice.perform(self, number))
        if number != self.actor:
            raise Violation(f"task {number} runs in place of {self.actor}, which ran")
        self.actor = 0
        self.port.clock.us = self.spec.start_us
        self.words[self.layout.IRQ_PENDING] = self.step_irq
        return int(self.choice.perform(self, number))

    def _scripted(self, number: int) -> Any:
        """Return what service `number` does on top of one that closes, None to park."""
        if not self.is_in_close or self.offers_needed or self.offers_in_close is None:
            return None
        offers = self.offers_in_close(self)
        if self.script is None or len(self.script) <= self.script_at:
            self.offers_needed = len(offers)
            return None
        choice = offers[self.script[self.script_at]]
        self.script_at += 1
        self.script_labels.append(f"{self.services[number - 1].name}: {choice.label}")
        return choice

    def closed(self, number: int) -> None:
        """Be the `finally` blocks of a service: nothing, or a branch at which others run on top.

        The kernel's own frames are on the stack here, so what runs on top cannot park: it follows
        `script`, indices of the choices of one after the other, and `offers_needed` says that it
        is too short, and how many choices there are.
        """
        self.closes += 1
        if self.script is None or self.level is not None or self.is_in_close:
            return
        self.is_in_close = True
        self.words[self.layout.SCHEDULED] = 1
        try:
            self._enter(self.kernel)
        finally:
            self.is_in_close = False

    def _landed(self, kernel: Any, error: BaseException) -> None:
        """Be `levels.land`."""
        if isinstance(error, Parked | Violation | Reset):
            raise error
        if not self.words[self.layout.ARMED] and not isinstance(error, self.refusals):
            raise Violation(f"a handler raised {type(error).__name__}: {error}") from error
        self._land(kernel, error)

    # --- steps ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Go from the boot to the first state."""
        layout, w = self.layout, self.words
        self._set_stage()
        self.port.clock.us = self.spec.start_us
        if self.spec.guest:
            self.kind = GUEST
            w[layout.RUNNING_TASK], w[layout.ARMED], w[layout.SCHEDULED] = 0, 1, 1
        else:
            self._go_on(self._run_kernel)

    def _run_kernel(self) -> None:
        self._run(self.kernel)

    def run_actor(self, choice: Any) -> None:
        """Have the parked service do `choice`, and run the kernel until the next is resumed."""
        w, layout = self.words, self.layout
        self.choice = choice
        task = w[layout.RUNNING_TASK]
        self.actor = task >> layout.RECORD_SHIFT
        self.step_irq = w[layout.IRQ_PENDING]
        w[layout.IRQ_PENDING] = 0
        w[layout.ARMED] = 0
        self.port.clock.us = w[layout.NOW]
        kernel = self.kernel

        def resume() -> None:
            try:
                self._dispatch(w, self.memory.views[task], task, kernel)
            except (Parked, Violation, Reset):
                raise
            except BaseException as error:
                self._landed(kernel, error)
                self._run(kernel)
            if self.actor:
                raise Violation(f"task {self.actor} was set aside before its step was over")

        if choice.kind == "inject":
            self._remember_injections()
            with self.tree.visible():
                self._go_on(resume)
        else:
            self._go_on(resume)

    def enter(self) -> None:
        """Be the callback that the interpreter makes at a branch of the parked service."""
        try:
            self._enter(self.kernel)
        except Parked as parked:
            trace = parked.__traceback__
            while trace is not None and trace.tb_frame.f_code is not self._enter.__code__:
                trace = trace.tb_next
            if trace is None:
                raise
            names = trace.tb_frame.f_locals
            self.level = (
                *(names["outer"], names["began"], names["slice_end"]),
                *(bool(names["shares"]), names["closes"]),
            )
            self.kind = NESTED
            self._check_parked(parked)

    def run_idle(self) -> None:
        """Go on from where the kernel idled."""
        self._go_on(self._run_kernel)

    def _go_on(self, resume: Callable[[], None]) -> None:
        """Run the kernel until a service is resumed, or the level it runs at is over."""
        level = self.level
        try:
            resume()
        except Parked as parked:
            self.kind = PARKED if level is None else NESTED
            self._check_parked(parked)
            return
        if level is None:
            self.kind = IDLE
            return
        outer, began, slice_end, shares, closes = level
        layout = self.layout
        particulars = self.words[layout.PARTICULARS] + (outer >> layout.PARTICULAR_SHIFT)
        now = self.port.clock.us
        clock = self.kernel.clock
        self._leave(
            *(self.kernel, self.words, clock, outer, now, began, BUDGET_US, slice_end, shares),
            *(layout.RESUMED, particulars, closes),
        )
        self.level = None
        self.kind = PARKED if outer else GUEST

    def _check_parked(self, parked: Parked) -> None:
        w, layout = self.words, self.layout
        task = w[layout.RUNNING_TASK]
        if task >> layout.RECORD_SHIFT != parked.number or not w[layout.ARMED]:
            raise Violation(f"task {parked.number} is resumed and is not RUNNING_TASK")
        if parked.value is not None and parked.value != w[task + layout.RESULT]:
            raise Violation(f"task {parked.number} is resumed with another result")

    def begin_task(self, number: int) -> Any:
        """Return the generator of an incarnation that has not made its first step."""
        generator = self._beginning(self.kernel, number)
        generator.send(None)
        return generator

    def begin_trial(self, number: int, trial: Any, ends: int, *, has_begun: bool) -> Any:
        """Return the generator of new code on trial."""
        generator = self._remember_trial(self.kernel, number, self.puppets[number], trial, ends)
        self.kernel.generators[number] = generator
        generator.send(None)
        if has_begun:
            self.is_rehearsal = True
            generator.send(None)
            self.is_rehearsal = False
            self.trials_of[number][3] = True
        return generator

    def begin_last_step(self, number: int) -> Any:
        """Return the generator of the last step of a task that has ended."""
        generator = self._remember_closer(self.kernel, number, self.puppets[number], None)
        generator.send(None)
        return generator

    def begin_exchange(self, *made: Any) -> Any:
        """Be `replace.exchanging`, and remember what its generator was made of."""
        generator = self._exchanging(*made)
        _, target, trial, _, ends, old, resting, told = made
        number = target >> self.layout.RECORD_SHIFT
        self.exchanges[number] = (generator, trial, ends, old is not None, resting, told)
        return generator

    def make_trial(self, number: int, *, is_attached: bool = True) -> Any:
        """Return a trial of new code of a service, for which the old and the new are the same."""
        code: Any = (self.puppets[number],) if is_attached else None
        return self._replace.Trial(code, code)


def _second_half(levels: Any) -> Any:
    """Return what `enter_interrupt_level` does after its one call of `run`, as a function."""
    source = textwrap.dedent(inspect.getsource(levels.enter_interrupt_level))
    tree = parsed(source, levels.__file__)
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef):
        raise TypeError("enter_interrupt_level is no function")
    function.decorator_list = []
    space = vars(levels)
    runs = [index for index, statement in enumerate(function.body) if _is_run(statement)]
    if len(runs) != 1:
        raise ValueError("enter_interrupt_level does not call `run` once")
    function.body = function.body[runs[0] + 1 :]
    function.name = "leave_interrupt_level"
    names = (
        *("kernel", "w", "clock", "outer", "now", "began", "remaining", "slice_end", "shares"),
        *("armed", "particulars", "closes"),
    )
    function.args.args = [ast.arg(arg=name) for name in names]
    ast.fix_missing_locations(tree)
    code: Any = compile(tree, levels.__file__, "exec")
    exec(code, space)
    return space["leave_interrupt_level"]


def _is_run(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Name)
        and statement.value.func.id == "run"
    )
