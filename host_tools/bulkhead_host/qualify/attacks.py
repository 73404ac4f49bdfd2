"""The attacks of the corpus, and what is to become of each: the table in `firmware/README.md`."""

import re
from dataclasses import dataclass

from bulkhead_host.files import read_text
from bulkhead_host.paths import source_root

_ROW = re.compile(r"\| `(\w+)` \| ([^|]+) \| (stopped|reached) \| (\w+) \| (unharmed|harmed) \|")
_SAID = re.compile(r"^attack (\w+): (.*?)\r?$", re.M)
_AT_ONCE = 20
_ALONE = ("raise_what_recurses", "recurse", "recurse_and_catch")

PINS = {
    "call_back_from_a_uart": (4, 5),
    "call_back_from_a_bus": (6, 7),
    "call_back_from_sound": (16, 17, 18),
}
"""The pins that an attack makes its own before it does what the kernel stops: MicroPython's
defaults of UART 1 and I2C 1, and those that it names."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One row: the attack, what it tries, and what becomes of it, as the stage prints it."""

    name: str
    aim: str
    outcome: str


def listed() -> list[Attack]:
    """Return the rows of the README's table."""
    text = read_text(source_root() / "firmware" / "README.md")
    return [
        Attack(name=name, aim=aim.strip(), outcome=f"{aimed} {fault} {others}")
        for name, aim, aimed, fault, others in _ROW.findall(text)
    ]


def outcomes(said: str) -> dict[str, str]:
    """Return what became of each attack, from what `stage.run_all` prints, in lines."""
    return dict(_SAID.findall(said))


def batches(names: list[str]) -> list[list[str]]:
    """Share attacks out on boots: those that use up the stack have one each."""
    many = [name for name in names if name not in _ALONE]
    together = [many[at : at + _AT_ONCE] for at in range(0, len(many), _AT_ONCE)]
    return [*together, *([name] for name in _ALONE if name in names)]
