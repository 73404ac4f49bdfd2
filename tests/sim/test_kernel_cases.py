"""Every kernel case in the simulator: simulated time, an interrupt possible at every bytecode."""

import pytest

from bulkhead_host.qualify.cases import ON_SIM, case_ids
from cases.run import run


@pytest.mark.parametrize("case", case_ids(modules=ON_SIM))
def test_case(case: str) -> None:
    module, name = case.split(":")
    run(module, name)
