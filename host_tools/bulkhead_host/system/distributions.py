"""Services that others have published: a distribution brings them, and an application names it.

A distribution says what it brings by entry points, as packaging has them:

    [project.entry-points."bulkhead.services"]
    soil = "garden_sensors.soil"

The value is the package that is the service's folder: `service.toml`, `service.py`, `api.py`, its
tests. Nothing of it is imported here; it is read.
"""

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from bulkhead_host.system.document import Document
from bulkhead_host.system.fields import Fields

GROUP = "bulkhead.services"


def brought_services(table: Fields) -> dict[str, Path]:
    """Return the folders of the services that the distributions of [system] bring, by name."""
    found: dict[str, Path] = {}
    for name in table.texts("distributions"):
        try:
            brought = services_of(distribution(name))
        except PackageNotFoundError:
            text = f"the distribution {name} is not installed"
            table.problem("distributions", text, f"pip install {name}")
            continue
        if not brought:
            text = f"the distribution {name} brings no services"
            table.problem("distributions", text, f'it needs entry points "{GROUP}"')
        for service, folder in brought.items():
            if service in found:
                text = f"two distributions bring a service {service}"
                table.problem("distributions", text, "name one of them only")
            elif not (folder / "service.toml").is_file():
                text = f"{name} brings a service {service}, and {folder} has no service.toml"
                table.problem("distributions", text, "install it again, or tell its author")
            else:
                found[service] = folder
    return found


def services_of(found: Distribution) -> dict[str, Path]:
    """Return the folder of each service that a distribution brings."""
    return {
        point.name: folder
        for point in found.entry_points
        if point.group == GROUP and (folder := _folder(point.value)) is not None
    }


def folders_brought(document: Document) -> list[Path]:
    """Return the folders beside which brought services are, of an application's system.toml."""
    system = document.values.get("system")
    names = system.get("distributions", []) if isinstance(system, dict) else []
    folders = []
    for name in names if isinstance(names, list) else []:
        try:
            brought = services_of(distribution(str(name)))
        except PackageNotFoundError:
            continue
        folders += [folder.parent for folder in brought.values()]
    return list(dict.fromkeys(folders))


def _folder(package: str) -> Path | None:
    """Return the folder of a package, of which nothing is run."""
    first, *rest = package.split(".")
    spec = find_spec(first)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places)), *rest) if places else None
