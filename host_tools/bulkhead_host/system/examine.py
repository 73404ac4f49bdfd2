"""The one way an application is read: `bulkhead check`, `build` and `run` all come by here."""

from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import UsageError
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Problem, Report
from bulkhead_host.system.boards import Board, board_named, board_names
from bulkhead_host.system.checks import check
from bulkhead_host.system.code import check_code
from bulkhead_host.system.manifest import Application, load_application
from bulkhead_host.system.reading import read_code
from bulkhead_host.system.safe import check_packages


class SystemRefused(UsageError):
    """An application cannot work as its files stand. `problems` says where and why."""

    def __init__(self, folder: Path, problems: list[Problem]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        lines = [f"  {problem.from_here()}" for problem in problems]
        super().__init__("\n".join([f"{folder} has {count}:", *lines]), problems[0].next_step)
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Examined:
    """An application as its files say, the board, and every problem in the order of the files.

    Application and board are whole when there are no errors among the problems.
    """

    application: Application | None
    board: Board | None
    problems: list[Problem]

    @property
    def errors(self) -> list[Problem]:
        """The problems that nothing can be built with."""
        return [one for one in self.problems if not (one.is_warning or one.is_mistake)]

    @property
    def mistakes(self) -> list[Problem]:
        """The problems that are no warnings: errors, and what will not do what it says."""
        return [one for one in self.problems if not one.is_warning]


def examine(folder: Path, *, board: str | None = None) -> Examined:
    """Read and check an application; `board` takes the place of the one that it names.

    Raises UsageError when `folder` has no system.toml, or there is no board `board`.
    """
    report = Report()
    application = load_application(folder, shipped=source_root() / "services", report=report)
    if application is None:
        return Examined(application=None, board=None, problems=report.problems)
    target = _board(application, board, report)
    check(application, target, report)
    names = {service.name for service in application.services} | application.missing
    names |= {service.package for service in application.services}
    services = {service.name: service for service in application.services}
    for service in application.services:
        check_code(service, names, target, report)
    if target is not None:
        check_packages(application, target, report)
    if not report.errors:  # what is read goes by what stands
        for service in application.services:
            read_code(service, services, target, report)
    return Examined(application=application, board=target, problems=report.problems)


def load_system(folder: Path, board: str | None = None) -> tuple[Application, Board]:
    """Return an application and its board; raise SystemRefused with all that is wrong."""
    examined = examine(folder, board=board)
    if examined.errors or examined.application is None or examined.board is None:
        raise SystemRefused(folder, examined.errors)
    return examined.application, examined.board


def _board(application: Application, board: str | None, report: Report) -> Board | None:
    if board is not None:
        return board_named(board)
    if application.board in board_names():
        return board_named(application.board)
    if application.board:
        report.add(
            application.document.path,
            application.line("system", "board"),
            f'there is no board "{application.board}"',
            f"use one of {', '.join(board_names())}",
        )
    return None
