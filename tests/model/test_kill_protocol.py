"""The kill protocol keeps its claims, and each mistake put into its model is found."""

import pytest

from model.verify import LIVE, MISTAKES, QUICK, install, verify


@pytest.fixture(scope="module", autouse=True)
def _spin() -> None:
    install()


@pytest.mark.parametrize("defines", [QUICK, (*QUICK, "GUEST"), LIVE], ids=" ".join)
def test_no_interrupt_breaks_the_kill_protocol(defines: tuple[str, ...]) -> None:
    outcome = verify(*defines)
    assert outcome.error == ""
    assert outcome.states > 10_000


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_kill_protocol_is_found(name: str) -> None:
    outcome = verify(*(LIVE if name == "ONCE" else QUICK), name)
    assert MISTAKES[name] in outcome.error
