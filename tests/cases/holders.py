"""Cases: who holds most of a full heap is the one that fails. A heap that is soon full."""

import gc

from bulkhead import NOTIFIED
from cases.heap import hoard
from cases.rig import burn_us
from kernel.abi import MEMORY

_LONG_MS = 20_000  # more than it takes to fill the heap
_PIECE_BYTES = 4096  # there is none of that size in a heap that is full


def test_supervisor_that_dies_of_a_full_heap_has_its_holder_faulted(rig):
    """It would else die too often, and the board be reset."""
    _fill_up(rig, then_us=0)


def test_holder_that_is_in_the_midst_of_its_step_ends_before_the_supervisor_starts(rig):
    """What it holds is free no earlier, so until then the supervisor dies of that again."""
    _fill_up(rig, then_us=2_000_000)


def _fill_up(rig, then_us):
    """Have a service fill the heap and compute, and the supervisor die of that.

    It does so in its second step, at once: nobody else makes one before it has failed too often.
    """
    starts = []

    def hoarder(task):
        starts.append(0)
        kept = []
        yield task.sleep(5)
        if len(starts) == 1:
            hoard(kept)
            starts.append(0)
            burn_us(rig, then_us)
        yield task.recv()

    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, 2)
        while True:
            if len(starts) > 1:
                bytearray(_PIECE_BYTES)
            if (yield task.recv(2)) == NOTIFIED:
                rig.log.append(((yield task.next_fault(kernel)), task.badge()))
                if rig.log[-1][0] == 2:
                    rig.finish()

    gc.collect()
    rig.add("supervisor", supervisor, priority=0, uses="kernel:control", budget_ms=200)
    rig.add("hoarder", hoarder, budget_ms=_LONG_MS)
    rig.run(_LONG_MS)
    rig.expect((2, MEMORY) in rig.log, True)
