"""Boards for tests of campaigns: their injections show in the trace, as the kernel's do."""

from collections.abc import Callable

from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.judge import Judge, Result
from bulkhead_host.campaign.plan import Campaign, FaultKind, Invariants, planned
from bulkhead_host.link.client import Client
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system
from bulkhead_host.system.manifest import Application

APPLICATION, BOARD = load_system(source_root() / "services")
PLAN = Campaign(
    faults=(FaultKind(kind="crash", targets=("blink",)),),
    count=3,
    name="mine",
    digest="d",
    pause_ms_max=0,
    invariants=Invariants(recovered_within_ms=1000, quiet_ms=200),
)
FAULT = planned(PLAN, 0)
FAULTED = abi.STATE_NAMES.index("faulted")
BLINK = 7


class TracedBoard(FakeBoard):
    """A fake board whose injections show in its trace, as the kernel's do."""

    def _inject(self, name: str, kind: int) -> int:
        status = super()._inject(name, kind)
        for service in self.services if status == abi.OK else ():
            if service.name == name:
                task = self.services.index(service) + 1
                self.note(task, abi.EVENT_FAULT, abi.FAULT_NAMES.index("EXCEPTION"))
                self.note(task, abi.EVENT_STARTED, 0)
                self.note(task, abi.EVENT_STEP, 0)
                self.tracebacks[name] = "InjectedCrash: injected by the operator"
        return status

    def note(self, task: int, event: int, detail: int) -> None:
        now = 10_000 * (len(self.trace) + 1)
        self.trace.append((now, event << 20 | task << 13 | detail))


def judged(
    board: FakeBoard,
    plan: Campaign = PLAN,
    later: Callable[[], None] | None = None,
    application: Application = APPLICATION,
) -> Result:
    """Judge a crash of blink; `later` is done a moment after the injection."""
    line_ = FakeLine(board)
    if later is not None:
        line_.after(0.1, later)
    bench = Bench(client=Client(line_), application=application, description=BOARD)
    return Judge(bench, plan).judge(FAULT)
