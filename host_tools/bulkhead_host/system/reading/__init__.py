"""What an experienced colleague sees in a service's code: read, and not run.

Each file here has one kind of mistake, as a function that yields `Finding`s of a `Source`. What
is found may be meant: it ends `bulkhead check` with 1, or is a warning, and holds up no build.
"""

from collections.abc import Callable, Iterator, Mapping

from bulkhead_host.paths import source_root
from bulkhead_host.problem import Report
from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import Service
from bulkhead_host.system.reading.buses import wrong_buses
from bulkhead_host.system.reading.callbacks import wrong_callbacks
from bulkhead_host.system.reading.calls import wrong_calls
from bulkhead_host.system.reading.ends import wrong_ends
from bulkhead_host.system.reading.formats import wrong_formats
from bulkhead_host.system.reading.handover import wrong_handovers
from bulkhead_host.system.reading.hard_steps import wrong_hard_steps
from bulkhead_host.system.reading.keywords import wrong_keywords
from bulkhead_host.system.reading.lacking import wrong_lacking
from bulkhead_host.system.reading.loops import wrong_loops
from bulkhead_host.system.reading.names import wrong_names
from bulkhead_host.system.reading.nowhere import wrong_modules
from bulkhead_host.system.reading.objects import wrong_objects
from bulkhead_host.system.reading.pins import early_pins, lost_buses, wrong_pins
from bulkhead_host.system.reading.ranges import wrong_ranges
from bulkhead_host.system.reading.recursion import wrong_recursion
from bulkhead_host.system.reading.replies import wrong_replies
from bulkhead_host.system.reading.sleeps import wrong_sleeps
from bulkhead_host.system.reading.source import Finding, Source, read_sources
from bulkhead_host.system.reading.statuses import wrong_statuses, wrong_truths
from bulkhead_host.system.reading.times import wrong_times
from bulkhead_host.system.reading.values import wrong_values
from bulkhead_host.system.reading.waits import wrong_waits
from bulkhead_host.system.reading.yields import wrong_yields

READERS: tuple[Callable[[Source], Iterator[Finding]], ...] = (
    wrong_waits,
    wrong_yields,
    wrong_names,
    wrong_lacking,
    wrong_modules,
    wrong_keywords,
    wrong_calls,
    wrong_objects,
    wrong_values,
    wrong_ranges,
    wrong_replies,
    wrong_handovers,
    wrong_statuses,
    wrong_truths,
    wrong_formats,
    wrong_times,
    wrong_sleeps,
    wrong_loops,
    wrong_recursion,
    wrong_hard_steps,
    wrong_pins,
    early_pins,
    lost_buses,
    wrong_buses,
    wrong_callbacks,
    wrong_ends,
)


def read_code(
    service: Service, services: Mapping[str, Service], board: Board | None, report: Report
) -> None:
    """Report what is likely wrong in the files of a service, by every reader.

    What ships is left alone: the crasher's mistakes are what it is for.
    """
    if service.folder.resolve().parent == source_root() / "services":
        return
    for source in read_sources(service, services, board):
        for reader in READERS:
            for found in reader(source):
                report.add(
                    source.file,
                    found.line,
                    found.text,
                    found.next_step,
                    is_warning=found.is_warning,
                    is_mistake=not found.is_warning,
                )
