"""Every kernel case in the simulator: simulated time, an interrupt possible at every bytecode."""

import pytest

from case_list import case_ids
from cases.run import run


@pytest.mark.parametrize("case", case_ids())
def test_case(case: str) -> None:
    module, name = case.split(":")
    run(module, name)
