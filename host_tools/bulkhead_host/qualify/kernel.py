"""The kernel's cases and the corpus of attacks, on the board: the tests' own, by their image."""

from collections.abc import Callable, Collection, Iterator
from itertools import groupby

from bulkhead_host.errors import BulkheadError, DeviceException
from bulkhead_host.link.raw_repl import RawRepl
from bulkhead_host.qualify.attacks import PINS, Attack, batches, listed, outcomes
from bulkhead_host.qualify.cases import ON_MICROPYTHON, case_ids
from bulkhead_host.qualify.verdicts import Row, failed, judged, passed, skipped

CASES_PART, ATTACKS_PART = "cases", "attacks"
CASE_PINS = {"outputs": (2, 3, 4)}
"""The pins that cases of a module drive."""

NEEDS_NO_WATCHDOG = "records:test_run_that_ended_well_leaves_no_crash"
"""A case for which a reset by the watchdog, as the bootloader's, is a crash."""

_WATCHDOG = "import machine; print(int(machine.reset_cause() == machine.WDT_RESET))"

Chosen = Callable[[str], bool]


def look_at_cases(
    repl: RawRepl,
    named: Collection[int],
    chosen: Chosen,
    *,
    wires: Collection[tuple[int, int]] = (),
    limit_s: float,
) -> Iterator[Row]:
    """Run each chosen case, those of one file after one soft reset."""
    was_watchdog = _says(repl, _WATCHDOG, limit_s)
    ids = [case for case in case_ids(modules=ON_MICROPYTHON) if chosen(case)]
    for module, cases in groupby(ids, key=lambda case: case.partition(":")[0]):
        if missing := _unnamed(_pins_of(module), named):
            yield skipped(CASES_PART, module, f"its cases drive {missing}")
            continue
        if joined := [f"GP{a} and GP{b}" for a, b in wires if {a, b} <= {*_pins_of(module)}]:
            yield skipped(CASES_PART, module, f"a wire joins {joined[0]}, which its cases need")
            continue
        _prepared(repl)
        for case in cases:
            name = case.partition(":")[2]
            if case == NEEDS_NO_WATCHDOG and was_watchdog:
                yield skipped(CASES_PART, case, "the watchdog has made the last reset")
                continue
            try:
                repl.execute(f"run({module!r}, {name!r})", timeout_s=limit_s)
            except DeviceException as error:
                yield failed(CASES_PART, case, str(error).splitlines()[-1])
                _prepared(repl)
            except BulkheadError as error:
                yield failed(CASES_PART, case, error.cause)
                repl.enter()
                _prepared(repl)
            else:
                yield passed(CASES_PART, case)


def look_at_attacks(
    repl: RawRepl, named: Collection[int], chosen: Chosen, *, limit_s: float
) -> Iterator[Row]:
    """Make each chosen attack, and compare what becomes of it with the table."""
    table = {attack.name: attack for attack in listed() if chosen(attack.name)}
    for name in list(table):
        if missing := _unnamed(PINS.get(name, ()), named):
            yield skipped(ATTACKS_PART, name, f"it drives {missing}")
            del table[name]
    for names in batches(list(table)):
        repl.soft_reset()
        source = f"from attacks.stage import run_all\nrun_all({names!r})"
        try:
            said = repl.execute(source, timeout_s=limit_s * len(names))
        except BulkheadError as error:
            said = f"\n{error}"
            repl.enter()
        yield from _judged(names, table, said)


def _judged(names: list[str], table: dict[str, Attack], said: str) -> Iterator[Row]:
    found = outcomes(said)
    for name in names:
        wanted = table[name].outcome
        got = found.get(name)
        detail = wanted if got == wanted else f"{got or said.strip()[-200:]}; right is {wanted}"
        yield judged(ATTACKS_PART, name, got == wanted, detail)


def _pins_of(module: str) -> tuple[int, ...]:
    return CASE_PINS.get(module, ())


def _says(repl: RawRepl, source: str, limit_s: float) -> bool:
    """Tell whether a program prints 1."""
    return repl.execute(source, timeout_s=limit_s).strip() == "1"


def _prepared(repl: RawRepl) -> None:
    """Begin anew: what a module of cases has imported leaves the memory."""
    repl.soft_reset()
    repl.execute("from cases.run import run", timeout_s=10)


def _unnamed(pins: Collection[int], named: Collection[int]) -> str:
    """Return the pins that nobody has named, and how to; empty where there are none."""
    missing = [f"GP{pin}" for pin in pins if pin not in named]
    if not missing:
        return ""
    options = " ".join(f"--pin {pin}" for pin in missing)
    return f"{', '.join(missing)}, which were not named: {options}"
