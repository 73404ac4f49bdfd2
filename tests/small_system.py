"""Applications of a few lines, written into a folder for the checks of manifests."""

from pathlib import Path

from bulkhead_host.system.generate import system_module

BOARD = "pico"


def application(folder: Path, **services: str) -> Path:
    """Write an application of services, each given by the end of its manifest.

    After them comes a supervisor, as every application has one.
    """
    services["supervisor"] = ""
    for name, rest in services.items():
        (folder / name).mkdir()
        priority = 0 if name == "supervisor" else 3
        (folder / name / "service.toml").write_text(
            f'[service]\nname = "{name}"\npriority = {priority}\n{rest}\n'
        )
        (folder / name / "service.py").write_text("def main(task):\n    yield task.recv()\n")
    names = ", ".join(f'"{name}"' for name in services)
    (folder / "system.toml").write_text(
        f'[system]\nname = "app"\nboard = "{BOARD}"\nstart = [{names}]\n'
    )
    return folder


def rows(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return the rows of the system's table by service name."""
    module: dict[str, tuple[tuple[object, ...], ...]] = {}
    exec(system_module(folder, BOARD), module)
    return {str(row[0]): row for row in module["SERVICES"]}
