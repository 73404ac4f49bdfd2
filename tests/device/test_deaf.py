"""A step that ends with interrupts off: the board hears as before."""

from pathlib import Path

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard

APPLICATION = Path(__file__).parents[1] / "cases" / "deaf_app"


def test_services_go_on_after_a_step_that_ended_with_interrupts_off(tmp_path: Path) -> None:
    image = tmp_path / "deaf.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        for _ in range(2):
            said = board.run_until(b"deaf faulted: EXCEPTION", timeout_ms=1000)
            assert b"reset" not in said
