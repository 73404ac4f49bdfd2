"""The pytest plugin, as users meet it: their tests run in a pytest of their own."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from processes import started

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.paths import cache_dir, source_root

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]
TIMEOUT_S = 600
CACHE = cache_dir()  # pytester moves the home folder, where it is

RESTART = """
def test_blink_is_restarted_alone(kernel):
    before = kernel.services()
    blink = kernel.inject("crash", target="blink")
    assert kernel.wait_for_restart(blink).generation == blink.generation + 1
    kernel.assert_untouched(before, except_for=("blink",))
    kernel.expect("blink faulted: EXCEPTION")
    assert "InjectedCrash" in kernel.fault_text("blink")
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("image") / "bulkhead-pico.uf2"
    return build(BuildOptions(output=output)).path


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULKHEAD_CACHE", str(CACHE))


@pytest.fixture
def run(pytester: pytest.Pytester, image: Path) -> Run:
    """Return how to run a test file in a fresh pytest, on the image that ships."""

    def run_tests(source: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        given = [f"--bulkhead-image={image}", *options]
        return pytester.runpytest_subprocess(*given, timeout=TIMEOUT_S)

    return run_tests


@pytest.fixture
def port(image: Path) -> Iterator[str]:
    """Return a port as a real board has one: an emulated board behind a pseudo-terminal."""
    with BoardServer(EmulatedBoard(image=image), PtyPort()) as server:
        server.call(lambda board: board.run_for(ms=1000), timeout_s=TIMEOUT_S)  # it has booted
        yield server.port.name


def test_the_example_that_users_copy_passes(run: Run) -> None:
    page = (source_root() / "host_tools" / "README.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    run(example).assert_outcomes(passed=example.count("def test_"))


def test_the_same_test_runs_on_every_target(run: Run, port: str) -> None:
    result = run(RESTART, "-v", "--bulkhead-target=emu", f"--bulkhead-target={port}")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"bulkhead: targets emu, {port}"])
    result.stdout.fnmatch_lines_random([r"*[[]emu] PASSED*", f"*[[]{port}] PASSED*"])


def test_the_boards_clock_and_pins_are_the_tests(run: Run) -> None:
    source = """
    def test_button(kernel, clock, pins):
        start_ms = clock.now_ms()
        pins(15).press(ms=50)
        clock.run_for(900)
        kernel.expect("button pressed")
        assert 900 <= clock.now_ms() - start_ms < 1000
        assert len(pins(25).edges) >= 2
        pins(15).drive(0)
    def test_pins_are_let_go(pins):
        assert pins(15).level == 1
    """
    run(source).assert_outcomes(passed=2)


@pytest.mark.parametrize("kind", ["emu", "port"])
def test_a_fresh_board_has_just_booted(
    run: Run, kind: str, request: pytest.FixtureRequest
) -> None:
    target = "emu" if kind == "emu" else request.getfixturevalue("port")
    source = """
    def test_first(kernel):
        blink = kernel.inject("crash", target="blink")
        assert kernel.wait_for_restart(blink).generation > 1
    def test_second(kernel):
        assert kernel.service("blink").generation > 1
    def test_third(fresh_board, kernel):
        assert kernel.service("blink").generation == 1
    """
    run(source, f"--bulkhead-target={target}").assert_outcomes(passed=3)


def test_a_board_that_a_test_broke_is_booted_for_the_next(run: Run) -> None:
    source = """
    def test_breaks(board):
        board.emulator.stop()
    def test_goes_on(kernel):
        assert kernel.services().named("supervisor")
    """
    run(source).assert_outcomes(passed=2)


def test_tests_are_left_out_where_their_target_cannot_do_it(run: Run, port: str) -> None:
    source = """
    import pytest
    @pytest.mark.bulkhead_needs("hardware")
    def test_hardware(board):
        assert board.hello.board == "pico"
    @pytest.mark.bulkhead_needs("emulator")
    def test_emulator(board):
        assert board.emulator.cycles
    def test_pins(pins):
        assert pins(25)
    """
    result = run(source, "-v", "--bulkhead-target=emu", f"--bulkhead-target={port}")
    result.assert_outcomes(passed=3, deselected=3)
    expected = ["test_emulator[[]emu] PASSED", "test_pins[[]emu] PASSED"]
    expected.append(f"test_hardware[[]{port}] PASSED")
    result.stdout.fnmatch_lines_random([f"*{line}*" for line in expected])


def test_a_feature_that_does_not_exist_is_an_error_that_lists_them(run: Run) -> None:
    source = """
    import pytest
    @pytest.mark.bulkhead_needs("wheels")
    def test_it(board): pass
    """
    result = run(source)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*needs wheels: the features are emulator, hardware, pins;*"])


def test_a_failure_shows_console_faults_services_and_trace(run: Run) -> None:
    source = """
    def test_fails(kernel):
        blink = kernel.inject("crash", target="blink")
        kernel.wait_for_restart(blink)
        assert False
    """
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- bulkhead console -*",
            "*blink faulted: EXCEPTION, generation 2*",
            "*- bulkhead fault of blink -*",
            "*InjectedCrash*",
            "*- bulkhead services -*",
            "supervisor: *, generation 1, fault None",
            "*- bulkhead trace -*",
            "* ms  *: *",
            "* steps that answered the tool are left out",
        ]
    )
    result.stdout.no_fnmatch_line("* ms  supervisor: inspect*")


def test_the_lines_of_a_build_are_seen_while_the_output_is_captured(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
    from pytest_bulkhead.plugin import _teller
    def test_says(pytestconfig):
        print("captured")
        _teller(pytestconfig)("another build is running: waiting for it")
    """)
    for option in ("-q", "-s"):
        result = pytester.runpytest_subprocess(option, timeout=TIMEOUT_S)
        result.stdout.fnmatch_lines(["bulkhead: another build is running: waiting for it"])
        assert ("captured" in result.stdout.str()) == (option == "-s")


def test_what_does_not_happen_fails_within_the_boards_time(run: Run) -> None:
    source = """
    def test_waits(kernel):
        kernel.wait_for("blink", lambda now: now.generation > 1, timeout_ms=300)
    def test_expects(kernel):
        kernel.expect("never said", timeout_ms=300)
    """
    result = run(source)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*not within 300 ms: the last seen was Service(name='blink'*"])
    result.stdout.fnmatch_lines(["*no line with 'never said' within 300 ms*"])


def test_junit_says_which_board_ran_what(run: Run, pytester: pytest.Pytester) -> None:
    run(RESTART, "--junitxml=out.xml").assert_outcomes(passed=1)
    case = ElementTree.parse(pytester.path / "out.xml").getroot().find(".//testcase")
    assert case is not None
    found = {one.get("name"): one.get("value") for one in case.iter("property")}
    version = found.pop("bulkhead_version")
    assert version is not None
    assert re.match(r"\d", version)
    assert found == {
        "bulkhead_target": "emu",
        "bulkhead_board": "pico",
        "bulkhead_application": "demo",
    }


def test_xdist_gives_each_worker_a_board_and_a_port_to_one(
    run: Run, pytester: pytest.Pytester, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A worker's first test with an emulated board goes on when the other has begun one, so that
    # it is not the workers' speed that shares the tests out.
    source = """
    import os
    import select
    import pytest
    SEEN, NAME = os.environ["SEEN"], os.environ["PYTEST_XDIST_WORKER"]
    BEGUN = {name: os.open(f"{SEEN}/{name}", os.O_RDWR) for name in ("gw0", "gw1")}
    @pytest.mark.parametrize("number", range(4))
    def test_it(board, number, bulkhead_target):
        kind = "emu" if bulkhead_target.is_emulated else "port"
        with open(f"{SEEN}/{kind}", "a") as file:
            file.write(NAME + "\\n")
        if kind == "emu":
            other = BEGUN["gw1" if NAME == "gw0" else "gw0"]
            os.write(BEGUN[NAME], b"begun")
            assert select.select([other], [], [], 300)[0]
        board.clock.run_for(100)
    """
    monkeypatch.setenv("SEEN", str(pytester.path))
    for worker in ("gw0", "gw1"):
        os.mkfifo(pytester.path / worker)
    targets = ("--bulkhead-target=emu", f"--bulkhead-target={port}")
    run(source, "-n2", *targets).assert_outcomes(passed=8)
    seen = {kind: (pytester.path / kind).read_text().split() for kind in ("emu", "port")}
    assert set(seen["emu"]) == {"gw0", "gw1"}
    assert len(set(seen["port"])) == 1
    assert (len(seen["emu"]), len(seen["port"])) == (4, 4)


def test_two_test_runs_never_share_a_port(run: Run, pytester: pytest.Pytester, port: str) -> None:
    holder = pytester.makepyfile(
        test_holder="""
        import signal
        def test_holds(board):
            print("held", flush=True)
            signal.pause()
        """
    )
    command = [sys.executable, "-m", "pytest", "-s", f"--bulkhead-target={port}", str(holder)]
    with started(command, terminal=None) as other:
        assert other.stdout is not None
        assert any("held" in line for line in other.stdout)
        target = f"--bulkhead-target={port}"
        result = run("def test_it(board): pass", target, "--bulkhead-wait=0.5", "-ktest_it")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"*in use by the test run in process {other.pid}*"])


def test_an_application_of_ones_own_is_built_and_asked_for(
    pytester: pytest.Pytester, port: str
) -> None:
    application = source_root() / "tests" / "cases" / "crash_app"
    pytester.makeini(f"[pytest]\nbulkhead_app = {os.path.relpath(application, pytester.path)}")
    pytester.makepyfile('def test_it(board):\n    assert board.hello.application == "crash_app"')
    pytester.runpytest_subprocess(timeout=TIMEOUT_S).assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess(f"--bulkhead-target={port}", timeout=TIMEOUT_S)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*the board at {port} runs demo, not crash_app*"])
