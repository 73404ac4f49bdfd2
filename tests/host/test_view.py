"""What a person sees: the table of services, its changes, and the two kinds of monitor."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from bulkhead_host import abi
from bulkhead_host.link.facts import Facts, facts_line
from bulkhead_host.link.services import Hello, Service, Table
from bulkhead_host.view.monitor import LiveViewer, PlainViewer, log_text
from bulkhead_host.view.services import as_json, changes, cpu_percent, grid
from bulkhead_host.view.top import HELP_LINES, TopViewer, bar

HELLO = Hello(
    abi=abi.ABI, services=1, uptime_ms=1, version="0.1.0", board="pico", application="demo"
)
BLINK = Service(
    name="blink",
    priority=5,
    effective_priority=5,
    state="sleeping",
    generation=1,
    fault=None,
    restarts=0,
    cpu_us=1_500,
    steps=10,
    clients=0,
    queue=0,
    dropped=0,
    waits_for=None,
)


def table(*services: Service, uptime_ms: int = 1000) -> Table:
    return Table(services=services, uptime_ms=uptime_ms)


def rendered(content: object, *, width: int = 160, color: bool = False) -> str:
    out = io.StringIO()
    Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None
    ).print(content)
    return out.getvalue()


def test_the_grid_shows_every_figure_of_a_service() -> None:
    service = replace(
        BLINK,
        effective_priority=2,
        state="calling",
        fault="BUDGET",
        restarts=3,
        generation=4,
        queue=6,
        dropped=7,
        waits_for="led",
    )
    header, row = rendered(grid(table(service))).splitlines()
    for name in ("NAME", "PRIORITY", "STATE", "GEN", "RESTARTS", "FAULT", "CPU ms", "WAITS FOR"):
        assert name in header
    assert row.split() == [
        *("blink", "5", "(2)", "calling", "4", "3", "BUDGET", "1.5", "0", "10"),
        *("0", "6", "7", "led"),
    ]


@pytest.mark.parametrize("width", [78, 90, 118])
def test_a_narrow_terminal_gets_fewer_columns_and_whole_ones(width: int) -> None:
    longest = replace(BLINK, name="thermometer", state="receiving", fault="EXCEPTION")
    text = rendered(grid(table(longest), previous=table(longest), width=width), width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for word in ("thermometer", "receiving", "EXCEPTION", "WAITS FOR"):
        assert word in text


def test_cpu_between_two_tables_is_a_share_across_the_wrap_of_its_counter() -> None:
    before = table(replace(BLINK, cpu_us=abi.CPU_US_MODULUS - 100_000))
    after = table(replace(BLINK, cpu_us=150_000), uptime_ms=2000)
    header, row = rendered(grid(after, previous=before)).splitlines()
    assert "CPU %" in header
    assert "25.0" in row.split()


def test_cpu_is_never_more_than_there_is() -> None:
    """A table is read over some milliseconds, and says its time once."""
    logger = replace(BLINK, name="logger")
    before = table(BLINK, logger)
    busy = (replace(BLINK, cpu_us=BLINK.cpu_us + 900_000),
            replace(logger, cpu_us=logger.cpu_us + 600_000))  # fmt: skip
    after = table(*busy, uptime_ms=before.uptime_ms + 1000)
    shares = [cpu_percent(one, after, before) for one in after.services]
    assert shares == pytest.approx([60, 40])


def test_cpu_of_a_board_that_restarted_between_is_left_out() -> None:
    before, after = table(BLINK, uptime_ms=5000), table(BLINK, uptime_ms=10)
    assert "%" in rendered(grid(after, previous=before))
    assert "0.0" not in rendered(grid(after, previous=before))


def test_outputs_that_are_safe_have_a_column_with_since_when() -> None:
    shown = rendered(grid(table(replace(BLINK, safe_since_ms=12_345), BLINK)))
    assert "OUTPUTS" in shown.splitlines()[0]
    assert shown.count("safe since 12.345 s") == 1
    assert "OUTPUTS" not in rendered(grid(table(BLINK)))


def test_a_faulted_service_is_red_and_one_that_was_is_yellow() -> None:
    red, yellow = "\x1b[31m", "\x1b[33m"
    for state in ("faulted", "ended"):
        assert red in rendered(grid(table(replace(BLINK, state=state))), color=True)
    done = replace(BLINK, state="ended", fault="RETURNED")
    assert yellow in rendered(grid(table(done)), color=True)
    assert yellow in rendered(grid(table(replace(BLINK, fault="BUDGET"))), color=True)
    plain = rendered(grid(table(BLINK)), color=True)
    assert red not in plain
    assert yellow not in plain


def test_json_has_every_field_of_a_service() -> None:
    assert as_json(table(BLINK)) == {
        "services": [
            {
                "name": "blink",
                "priority": 5,
                "effective_priority": 5,
                "state": "sleeping",
                "generation": 1,
                "fault": None,
                "restarts": 0,
                "cpu_us": 1500,
                "steps": 10,
                "clients": 0,
                "queue": 0,
                "dropped": 0,
                "waits_for": None,
                "safe_since_ms": None,
                "memory_bytes": 0,
                "wait_s": 0,
            }
        ],
        "uptime_ms": 1000,
        "losses": {"damaged": 0, "refused": 0, "replayed": 0, "lost_bytes": 0},
    }


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (BLINK, []),
        (replace(BLINK, state="ready", steps=11), []),
        (
            replace(BLINK, generation=2, fault="BUDGET"),
            ["    2.500 * blink: generation 1 -> 2, sleeping, fault BUDGET"],
        ),
        (
            replace(BLINK, state="faulted", fault="MEMORY"),
            ["    2.500 * blink: sleeping -> faulted, fault MEMORY"],
        ),
        (replace(BLINK, name="other"), ["    2.500 * other: new, sleeping"]),
    ],
)
def test_changes_are_generations_and_stops_not_the_states_of_work(
    new: Service, expected: list[str]
) -> None:
    assert changes(table(BLINK), table(new, uptime_ms=2500)) == expected


def test_a_stopped_service_that_goes_again_is_a_change() -> None:
    held = replace(BLINK, state="dormant")
    assert changes(table(held), table(BLINK)) == ["    1.000 * blink: dormant -> sleeping"]


@pytest.mark.parametrize(
    ("line", "style"),
    [
        ("   12.345 W supervisor: blink faulted", "yellow"),
        ("   12.345 E led: no light", "red"),
        ("   12.345 I led: on", ""),
        ("a program's own line", ""),
    ],
)
def test_log_lines_are_coloured_by_level(line: str, style: str) -> None:
    assert log_text(line).style == style


def test_a_line_from_the_board_cannot_command_the_terminal() -> None:
    assert log_text("a\x1b[2J\tb\x07").plain == "a?[2J\tb?"


def plain_viewer() -> tuple[PlainViewer, io.StringIO, io.StringIO]:
    out, notices = io.StringIO(), io.StringIO()
    viewer = PlainViewer(
        out=Console(file=out, width=160, highlight=False),
        notices=Console(file=notices, width=160, highlight=False),
    )
    return viewer, out, notices


def test_the_plain_monitor_prints_the_table_once_then_lines_and_changes() -> None:
    viewer, out, notices = plain_viewer()
    viewer.show_board(HELLO)
    viewer.show_table(table(BLINK))
    viewer.show_line("    1.500 I blink: on")
    viewer.show_table(table(replace(BLINK, generation=2), uptime_ms=2000))
    viewer.show_notice("the port went away")
    lines = out.getvalue().splitlines()
    assert lines[0] == "pico  demo  Bulkhead 0.1.0  up 1.000 s"
    assert lines[1].startswith("NAME")
    assert lines[2].startswith("blink")
    assert lines[3:] == [
        "    1.500 I blink: on",
        "    2.000 * blink: generation 1 -> 2, sleeping",
    ]
    assert notices.getvalue() == "bulkhead: the port went away\n"


def test_the_plain_monitor_prints_the_table_anew_for_a_board_that_is_back() -> None:
    viewer, out, _ = plain_viewer()
    for _ in range(2):
        viewer.show_board(HELLO)
        viewer.show_table(table(BLINK))
    assert out.getvalue().count("NAME") == 2


def test_a_long_line_is_printed_whole() -> None:
    viewer, out, _ = plain_viewer()
    viewer.show_line("x" * 1000)
    assert out.getvalue() == "x" * 1000 + "\n"


def test_the_live_monitor_keeps_the_newest_table_below_the_log() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, height=30, force_terminal=True)
    with LiveViewer(out=console, hint="Ctrl-C leaves") as viewer:
        viewer.show_board(HELLO)
        viewer.show_table(table(BLINK))
        viewer.show_line("    1.500 I blink: on")
        assert "Ctrl-C leaves" in out.getvalue()
        viewer.show_table(table(replace(BLINK, generation=2), uptime_ms=2000))
        out.truncate(0)
    last = out.getvalue()
    assert "up 2.000 s" in last
    assert "CPU %" in last
    assert "Ctrl-C leaves" not in last


# top


FACTS = Facts(heap_free=84_992, heap=194_560, files_free=1_024_000, files=1_441_792, celsius=27.05,
              last_run="the watchdog")  # fmt: skip


def test_what_a_board_says_is_a_line_of_80_columns() -> None:
    line = facts_line(FACTS)
    assert line == "free heap 83/190 KB  files 1000/1408 KB  27.1 C  reset: the watchdog"
    assert facts_line(Facts()) == ""


def many(count: int) -> Table:
    return table(*(replace(BLINK, name=f"service_{number:02}") for number in range(count)))


def screen(out: io.StringIO) -> list[str]:
    """Return the last picture that was drawn."""
    return out.getvalue().rpartition("\x1b[H")[2].splitlines()


def top_of(services: Table, *, keys: int = 0) -> tuple[TopViewer, list[str]]:
    out = io.StringIO()
    terminal = Console(file=out, width=80, height=24, force_terminal=True, color_system=None)
    viewer = TopViewer(order="start", out=terminal)
    with viewer:
        viewer.show_board(HELLO)
        viewer.show_line("    1.000 I blink: the chip is at 27.05 C")
        viewer.show_facts(facts_line(FACTS))
        viewer.show_table(services)
        viewer.show_table(replace(services, uptime_ms=2000))
        for _ in range(keys):
            viewer.choose_next(1)
        lines = screen(out)
    return viewer, lines


def test_top_fits_80_by_24_and_scrolls_with_the_chosen_service() -> None:
    for keys in (0, 11, 25):
        viewer, lines = top_of(many(30), keys=keys)
        assert len(lines) <= 24
        assert max(len(line.rstrip()) for line in lines) <= 80
        shown = [line.split()[0] for line in lines if line.startswith("service_")]
        assert viewer.chosen is not None
        assert viewer.chosen.name == f"service_{keys:02}"
        assert viewer.chosen.name in shown
        assert len(shown) == 13
        assert any("of 30" in line and "q leave" in line for line in lines)
        assert any("27.05 C" in line for line in lines)


def test_columns_of_top_stay_where_they_are_as_one_scrolls() -> None:
    services = table(*many(30).services, replace(BLINK, name="the_longest_name"))
    heads = [next(line for line in top_of(services, keys=keys)[1] if "NAME" in line)
             for keys in (0, 30)]  # fmt: skip
    assert heads[0] == heads[1]


def test_top_has_totals_and_what_the_board_says() -> None:
    failed = replace(BLINK, name="a", state="degraded", restarts=4)
    done = replace(BLINK, name="c", state="ended", fault="RETURNED")
    services = table(failed, replace(BLINK, name="b", state="held"), BLINK, done)
    _, lines = top_of(services)
    assert any("4 services, 1 down, 1 held, 4 restarts" in line for line in lines)
    assert any(line.rstrip() == facts_line(FACTS) for line in lines)


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(0) == " " * 8
    assert bar(100) == bar(250) == "█" * 8
    assert bar(50) == "████    "
    assert bar(51.6)[:5] == "████▏"


def test_help_takes_the_place_of_the_log_and_goes_again() -> None:
    out = io.StringIO()
    viewer = TopViewer(out=Console(file=out, width=80, height=24, force_terminal=True))
    with viewer:
        viewer.show_board(HELLO)
        viewer.show_table(many(30))
        viewer.turn_help()
        lines = screen(out)
        assert any("restart it, which counts" in line for line in lines)
        assert max(map(len, HELP_LINES)) <= 80
        assert len(lines) <= 24
        viewer.turn_help()
        assert not any("restart it, which counts" in line for line in screen(out))
