"""The recorder on the emulated Pico, whose power fails: `pytest` in this folder."""

import re

PAGE = 8
PAGE_MS = PAGE * 1000


def reboot(board):
    """Boot the board again; return its kernel and clock, and the number it goes on with."""
    kernel = board.reboot()
    match = kernel.expect(re.compile(r"the next record is (\d+)"), timeout_ms=5000)
    return kernel, board.clock, int(match[1])


def test_records_are_kept_over_a_reset(fresh_board):
    _, clock, first = reboot(fresh_board)
    clock.run_for(2 * PAGE_MS + 500)
    assert reboot(fresh_board)[2] == first + 2 * PAGE


def test_a_power_cut_at_any_write_costs_the_page_being_written_at_most(fresh_board):
    emulator = fresh_board.emulator
    kept = reboot(fresh_board)[2]
    cuts = 0
    while True:
        cuts += 1
        writes = []

        def cut(write, writes=writes, at=cuts):
            writes.append(write)
            return len(writes) == at

        emulator.on_flash_write(cut)
        emulator.run_for(ms=PAGE_MS + 1500)
        emulator.on_flash_write(None)
        had_power = emulator.is_powered
        found = reboot(fresh_board)[2]
        assert found in (kept, kept + PAGE)
        kept = found
        if had_power:  # more cuts than there are writes in a page
            assert cuts > 3
            break


def test_a_crash_of_the_driver_or_of_the_files_costs_no_page(fresh_board):
    kernel, clock, first = reboot(fresh_board)
    clock.run_for(2000)
    for name in ("adc", "files"):
        kernel.wait_for_restart(kernel.inject("crash", target=name))
    clock.run_for(PAGE_MS)
    assert reboot(fresh_board)[2] == first + PAGE
