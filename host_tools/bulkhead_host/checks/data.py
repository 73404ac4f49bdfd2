"""Boards and applications of the tree: what their files say is right."""

from pathlib import Path

from bulkhead_host.problem import Problem, Report
from bulkhead_host.system.boards import board_names, load_board
from bulkhead_host.system.examine import examine

APPLICATIONS = ("services", "tests/cases/*_app")


def check_boards(root: Path) -> list[Problem]:
    """Return what is wrong in the boards' files."""
    report = Report()
    folder = root / "board_configs"
    for name in board_names(folder):
        load_board(folder / name, report)
    return report.problems


def check_applications(root: Path) -> list[Problem]:
    """Return what `bulkhead check` finds in the tree's applications, warnings apart."""
    folders = sorted(path for pattern in APPLICATIONS for path in root.glob(pattern))
    return [problem for folder in folders for problem in examine(folder).errors]
