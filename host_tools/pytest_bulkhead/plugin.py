"""The plugin: options, markers, fixtures, and what is added to reports.

`README.md` of `host_tools` shows how to use it. Boards are opened when a test first asks for one,
so the plugin costs nothing to a run without them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_bulkhead.targets import FARM, FEATURES, Target, parse_targets

if TYPE_CHECKING:
    from bulkhead_host.emulator.pins import Pin
    from pytest_bulkhead.board import Board
    from pytest_bulkhead.devices import Device
    from pytest_bulkhead.farm import Farm, Lease
    from pytest_bulkhead.kernel import Clock, Kernel

TARGET = "bulkhead_target"
NEEDS = "bulkhead_needs"
WAIT_S = 60.0

_BOARD: pytest.StashKey[Board] = pytest.StashKey()
_FARM: pytest.StashKey[Farm] = pytest.StashKey()
_LEASE: pytest.StashKey[Lease] = pytest.StashKey()
_LOST: pytest.StashKey[str] = pytest.StashKey()
_FIXTURE_NEEDS = {"pins": "pins", "desk": "pins"}
DESK = "desk.py"


# Options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the settings."""
    group = parser.getgroup("bulkhead", "boards that run Bulkhead")
    group.addoption(
        "--bulkhead-target",
        action="append",
        default=[],
        metavar="emu|auto|PORT",
        help="where the tests run: an emulated board (the default), the USB board that is plugged "
        "in, or one by its port; given several times, they run on each",
    )
    group.addoption(
        "--bulkhead-app",
        metavar="FOLDER",
        help="the folder of the system.toml to build for the emulated board, and to find on "
        "another; the default is the application that ships",
    )
    group.addoption(
        "--bulkhead-image",
        metavar="UF2",
        help="an image to run on the emulated board instead of building one",
    )
    group.addoption(
        "--bulkhead-wait",
        type=float,
        default=WAIT_S,
        metavar="SECONDS",
        help="how long to wait for a port that another test run has (default: %(default)s)",
    )
    group.addoption(
        "--bulkhead-inventory",
        metavar="FILE",
        help="the boards of a farm, in TOML or as Twister's hardware map: each test has one of "
        "them, that nobody else has meanwhile",
    )
    parser.addini("bulkhead_app", "the same as --bulkhead-app, from the folder of this file")
    parser.addini(
        "bulkhead_desk",
        "the desk's file, from the folder of this file: what is around an emulated board",
        default=DESK,
    )
    parser.addini(
        "bulkhead_fixtures",
        "what tests may need to be around a board, as inventories say it: wires, loads, probes",
        type="args",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    features = ", ".join(sorted(FEATURES))
    config.addinivalue_line(
        "markers", f"{NEEDS}(*features): run only on a target that has these, of {features}"
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say where tests of boards run, when that was asked for."""
    names = config.getoption("--bulkhead-target")
    lines = [f"bulkhead: targets {', '.join(names)}"] if names else []
    if config.getoption("--bulkhead-inventory"):
        boards = [
            f"{entry.id} ({entry.quarantine})" if entry.quarantine else entry.id
            for entry in _farm(config).entries
        ]
        lines.append(f"bulkhead: boards {', '.join(boards)}")
    return lines


# Which test runs where


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each test of a board run on every target."""
    if TARGET in metafunc.fixturenames:
        targets = _targets(metafunc.config)
        names = [target.name for target in targets]
        metafunc.parametrize(TARGET, targets, ids=names, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need what their target does not have."""
    fitting = [item for item in items if _fits(item)]
    left_out = [item for item in items if not _fits(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = fitting


def _fits(item: pytest.Item) -> bool:
    target = item.callspec.params.get(TARGET) if hasattr(item, "callspec") else None
    needed = _needs(item)
    features = FEATURES | set(item.config.getini("bulkhead_fixtures"))
    if unknown := needed - features:
        raise pytest.UsageError(
            f"{item.nodeid} needs {', '.join(sorted(unknown))}: the features are "
            f"{', '.join(sorted(features))}; fixtures are declared as bulkhead_fixtures"
        )
    if not isinstance(target, Target):
        return True
    fixtures = getattr(item, "fixturenames", ())
    needed |= {need for name, need in _FIXTURE_NEEDS.items() if name in fixtures}
    return needed <= target.features


def _needs(item: pytest.Item) -> set[str]:
    return {name for marker in item.iter_markers(NEEDS) for name in marker.args}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have pytest-xdist run all tests of a port in one worker; the others go where there is room.

    That is for its default, `--dist load`; its other ways to distribute are left as they are.
    """
    targets = _targets(config)
    ports = [one.name for one in targets if not (one.is_emulated or one.is_farm)]
    if not ports or config.getoption("dist") != "load":
        return None
    from pytest_bulkhead.distribution import PortScheduling  # noqa: PLC0415  (needs xdist)

    return PortScheduling(config, log, ports)


def _targets(config: pytest.Config) -> tuple[Target, ...]:
    names = config.getoption("--bulkhead-target")
    if not config.getoption("--bulkhead-inventory"):
        return parse_targets(names)
    fixtures = frozenset[str]().union(*(entry.fixtures for entry in _farm(config).entries))
    farm = Target(name=FARM, fixtures=fixtures)
    return (*(parse_targets(names) if names else ()), farm)


def _farm(config: pytest.Config) -> Farm:
    """Return the boards of the inventory, with what this process knows of them."""
    from bulkhead_host.errors import UsageError  # noqa: PLC0415  (when used)
    from pytest_bulkhead.farm import Farm  # noqa: PLC0415  (when used)
    from pytest_bulkhead.inventory import load_inventory  # noqa: PLC0415  (when used)

    if _FARM not in config.stash:
        try:
            entries = load_inventory(Path(config.getoption("--bulkhead-inventory")))
        except UsageError as error:
            raise pytest.UsageError(f"{error.cause}\n{error.next_step}") from None
        wait_s = config.getoption("--bulkhead-wait")
        made = Farm(entries, application=_application(config), wait_s=wait_s)
        config.stash[_FARM] = made
    return config.stash[_FARM]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test of the farm's, on another board when its own goes away."""
    target = item.callspec.params.get(TARGET) if hasattr(item, "callspec") else None
    if not isinstance(target, Target) or not target.is_farm:
        return None
    from pytest_bulkhead.retries import run_on_what_is_left  # noqa: PLC0415  (when used)

    def is_to_repeat() -> bool:
        """Tell whether a board was lost that another may take the place of."""
        reason = item.stash.get(_LOST, "")
        lease = item.stash.get(_LEASE, None)
        if not reason or lease is None:
            return False
        del item.stash[_LOST], item.stash[_LEASE]
        _farm(item.config).lose(lease.entry, reason)
        item.user_properties.append(("bulkhead_lost", f"{lease.entry.id}: {reason}"))
        return True

    run_on_what_is_left(item, nextitem, is_to_repeat=is_to_repeat)
    return True


# Fixtures


@pytest.fixture(scope="session")
def bulkhead_target(request: pytest.FixtureRequest) -> Target:
    """Return the target that the test runs on."""
    target: Target = request.param
    return target


@pytest.fixture(scope="session")
def bulkhead_image(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the emulated board's image: `--bulkhead-image`, or the application, built."""
    given = pytestconfig.getoption("--bulkhead-image")
    if given:
        return Path(given).resolve()
    from bulkhead_host.commands.build import BuildOptions, build  # noqa: PLC0415  (when used)

    output = tmp_path_factory.mktemp("bulkhead") / "image.uf2"
    options = BuildOptions(application=_application(pytestconfig), output=output)
    return build(options, progress=_teller(pytestconfig)).path


def _teller(config: pytest.Config) -> Callable[[str], None]:
    """Return what prints the lines of a build, which may take minutes, past pytest's capturing."""
    capture = config.pluginmanager.getplugin("capturemanager")
    reporter = config.pluginmanager.getplugin("terminalreporter")

    def tell(line: str) -> None:
        if reporter is not None:  # a worker of xdist has none
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                reporter.ensure_newline()
                reporter.write_line(f"bulkhead: {line}")

    return tell


@pytest.fixture(scope="session")
def _bulkhead_device(
    bulkhead_target: Target, request: pytest.FixtureRequest, pytestconfig: pytest.Config
) -> Iterator[Device | None]:
    """Yield the board behind `board`, one for each target of the test run; None for a farm's."""
    from pytest_bulkhead.devices import EmulatedDevice, PortDevice  # noqa: PLC0415  (when used)

    device: Device
    if bulkhead_target.is_farm:
        yield None
        return
    if bulkhead_target.is_emulated:
        device = EmulatedDevice(request.getfixturevalue("bulkhead_image"))
    else:
        device = PortDevice(bulkhead_target.name, wait_s=pytestconfig.getoption("--bulkhead-wait"))
    yield device
    device.close()


@pytest.fixture
def board(
    _bulkhead_device: Device | None,
    bulkhead_target: Target,
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
) -> Iterator[Board]:
    """Yield a board that runs the application; all tests of a target share it.

    One that does not answer when the test begins is booted afresh.
    """
    with ExitStack() as held:
        device = _bulkhead_device
        if device is None:
            needs = frozenset(_needs(request.node) - FEATURES)
            lease = held.enter_context(_farm(pytestconfig).lease(needs))
            request.node.stash[_LEASE] = lease
            device = lease.device
        made = _made(device, bulkhead_target, is_fresh="fresh_board" in request.fixturenames)
        made.application = _application(pytestconfig)
        _check_application(made, made.application)
        request.node.stash[_BOARD] = made
        request.node.user_properties += _properties(made, request.node.stash.get(_LEASE, None))
        yield made
        made.release()


def _made(device: Device, target: Target, *, is_fresh: bool) -> Board:
    from bulkhead_host.errors import BulkheadError  # noqa: PLC0415  (when used)
    from pytest_bulkhead.board import Board  # noqa: PLC0415  (when used)

    if is_fresh:
        device.restart()
    try:
        return Board(device, target, is_fresh=is_fresh)
    except BulkheadError:
        if is_fresh:
            raise
        device.restart()
        return Board(device, target, is_fresh=True)


@pytest.fixture
def fresh_board(board: Board) -> Board:
    """Return the same board, booted afresh for this test."""
    return board


@pytest.fixture
def desk(board: Board, pytestconfig: pytest.Config) -> Any:
    """Return what `furnish` of the desk's file returns, on a board that booted with it around.

    The file is desk.py beside pytest's settings, or what the setting `bulkhead_desk` names.
    """
    return board.furnish(pytestconfig.rootpath / pytestconfig.getini("bulkhead_desk"))


@pytest.fixture
def kernel(board: Board, request: pytest.FixtureRequest) -> Kernel:
    """Return a typed client of the board's kernel: services, faults, restarts, the log."""
    _furnish_first(request)
    return board.kernel


@pytest.fixture
def clock(board: Board, request: pytest.FixtureRequest) -> Clock:
    """Return the board's clock."""
    _furnish_first(request)
    return board.clock


def _furnish_first(request: pytest.FixtureRequest) -> None:
    """Have the desk before what is of the board: with it the board is another."""
    if "desk" in request.fixturenames:
        request.getfixturevalue("desk")


@pytest.fixture
def pins(board: Board) -> Callable[[int], Pin]:
    """Return the emulated board's pins by their numbers: `pins(15).press()`."""
    return board.pin


def _application(config: pytest.Config) -> Path | None:
    given = config.getoption("--bulkhead-app")
    if given:
        return Path(given).resolve()
    setting = config.getini("bulkhead_app")
    return (config.rootpath / setting).resolve() if setting else None


def _check_application(board: Board, application: Path | None) -> None:
    """Raise `UsageError` when the board at a port runs another application than is meant."""
    if application is None or board.target.is_emulated:
        return
    from bulkhead_host.errors import UsageError  # noqa: PLC0415  (when used)
    from bulkhead_host.system.examine import load_system  # noqa: PLC0415  (when used)

    wanted = load_system(application)[0].name
    if board.hello.application != wanted:
        raise UsageError(
            f"the board at {board.target.name} runs {board.hello.application}, not {wanted}",
            f"bulkhead build --application {application}, then bulkhead flash",
        )


# Reports


def _properties(board: Board, lease: Lease | None) -> list[tuple[str, object]]:
    """Return what JUnit reports are to say of a test's board."""
    said: list[tuple[str, object]] = [
        ("bulkhead_target", board.target.name),
        ("bulkhead_board", board.hello.board),
        ("bulkhead_version", board.hello.version),
        ("bulkhead_application", board.hello.application),
    ]
    if lease is not None:
        said += [("bulkhead_id", lease.entry.id), ("bulkhead_port", lease.entry.port)]
        if lease.entry.quarantine is not None:
            said.append(("bulkhead_quarantine", str(lease.entry.quarantine)))
    return said


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the console and the faults to the report of a test that failed.

    Of a board in quarantine a failure is reported, and does not fail the run.
    """
    report = yield
    board = item.stash.get(_BOARD, None)
    if board is not None and report.failed and report.when == "call":
        report.sections += board.evidence()
    lease = item.stash.get(_LEASE, None)
    if lease is not None and report.failed and call.excinfo is not None:
        from pytest_bulkhead.retries import is_of_the_farm  # noqa: PLC0415  (when used)

        if is_of_the_farm(report.when, call.excinfo.value):
            item.stash[_LOST] = str(call.excinfo.value)
        elif lease.entry.quarantine is not None:
            report.outcome = "skipped"
            report.wasxfail = f"{lease.entry.id} is {lease.entry.quarantine}"
    return report
