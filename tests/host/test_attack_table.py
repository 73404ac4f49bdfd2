"""The table of attacks in the firmware's README lists the corpus."""

from attack_table import written
from bulkhead_host.qualify.attacks import listed


def test_every_attack_has_its_row() -> None:
    assert {attack.name: attack.aim for attack in listed()} == written()


def test_there_are_enough_of_them() -> None:
    assert len(written()) >= 120
