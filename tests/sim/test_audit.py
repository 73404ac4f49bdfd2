"""A word of the kernel that has changed by itself: found before the board sleeps, or harmless."""

from typing import Any

import pytest

from cases.ports import CasePort
from cases.rig import Rig, echo
from guard.audit import is_in_order
from kernel.abi import DISORDER
from kernel.layout import (
    CLIENTS,
    DEADLINES,
    GENERATION,
    NEXT,
    NEXT_DEADLINE,
    OUTER,
    PEER,
    PENDING,
    PRIORITY,
    RECORD,
    SENDERS,
    STATE,
    STRUCK,
    TASKS_END,
    TIMED_WAIT,
)

SLEEPER, SERVER, SLOW, CLIENT, OTHER = (RECORD * number for number in range(1, 6))


def system() -> Rig:
    """Return services of which each waits in another way from 10 ms on."""
    rig = Rig(CasePort())

    def sleeper(task: Any) -> Any:
        while True:
            yield task.sleep(1_000)

    def slow(task: Any) -> Any:
        yield task.recv()
        yield task.sleep(30_000)

    def client(task: Any) -> Any:
        yield task.call(task.cap("slow"), 1, None, 20_000)

    rig.add("sleeper", sleeper)
    rig.add("server", echo)
    rig.add("slow", slow, priority=2)
    rig.add("client", client, priority=3, uses="slow:call")
    rig.add("other", client, priority=4, uses="slow:call")
    return rig


# Of each the board would else wait for in vain, or would not know whom it serves.
CHANGES = (
    *((SLEEPER + STATE, bit) for bit in (1, 3, 29)),
    *((SERVER + STATE, bit) for bit in (0, 1, 4)),
    *((CLIENT + STATE, bit) for bit in (0, 1, 2, 4)),
    *((CLIENT + PEER, bit) for bit in (0, 5, 6, 20)),
    *((OTHER + NEXT, bit) for bit in (0, 5, 20)),
    *((SLOW + SENDERS, bit) for bit in (0, 5, 6, 20)),
    *((SLOW + CLIENTS, bit) for bit in (0, 1, 29)),
    *((SLOW + PRIORITY, bit) for bit in (0, 3)),
    *((at + TIMED_WAIT, 0) for at in (CLIENT, OTHER)),
    *((at, 0) for at in (DEADLINES, OUTER, STRUCK)),
    *((NEXT_DEADLINE, bit) for bit in (27, 28)),
    (TASKS_END, 7),
    (SERVER + GENERATION, 17),
    (SERVER + PENDING, 3),
)


@pytest.mark.parametrize(("at", "bit"), CHANGES)
def test_what_waits_in_vain_resets_the_board(at: int, bit: int) -> None:
    rig = system()
    rig.start()

    def flip() -> None:
        rig.kernel.words[at] ^= 1 << bit

    rig.port.at(300, flip)
    rig.run(100)
    assert is_in_order(rig.kernel.words, 5)
    with pytest.raises(SystemExit):
        rig.run(3_000)
    number, cause, *_ = rig.port.crash()
    assert (number, cause) == (0, DISORDER)


def test_a_sound_kernel_is_looked_at_and_goes_on() -> None:
    rig = system()
    rig.run(60_000)
    assert rig.audit.looked > 50_000_000
    assert rig.port.crash() is None


def test_nothing_is_read_outside_of_the_words_whatever_they_are() -> None:
    rig = system()
    rig.run(100)
    words = rig.kernel.words
    kept = words[:]
    for at in range(words[TASKS_END]):
        for bit in range(31):
            words[at] ^= 1 << bit
            is_in_order(words, 5)  # an IndexError is one
            words[at] = kept[at]
