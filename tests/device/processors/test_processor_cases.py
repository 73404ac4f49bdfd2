"""Every kernel case on other instruction sets: compiled code, traps and kills."""

import pytest

from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.raw_repl import RawRepl
from bulkhead_host.qualify.cases import ON_UNIX, case_ids
from bulkhead_host.qualify.processors import Stand

_CASE_S = 300  # of the wall, which no case needs


class Runner:
    """Runs cases, those of one file one after the other for as long as they pass."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._module = ""
        self._repl: RawRepl | None = None

    def run(self, module: str, name: str) -> None:
        """Run one case; raise what it raises."""
        if self._repl is None or module != self._module:
            self._module, self._repl = module, self._stand.start()
            self._repl.execute("from cases.run import run", timeout_s=_CASE_S)
        try:
            self._repl.execute(f"run({module!r}, {name!r})", timeout_s=_CASE_S)
        except BulkheadError:
            self._repl = None
            raise


@pytest.fixture(scope="module")
def runner(stand: Stand) -> Runner:
    """Return what runs cases on a processor."""
    return Runner(stand)


@pytest.mark.parametrize("case", case_ids(modules=ON_UNIX))
def test_case(case: str, runner: Runner) -> None:
    runner.run(*case.split(":"))
