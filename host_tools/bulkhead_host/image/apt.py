"""Fetch source packages of other suites with apt, beside the machine's own configuration.

Each suite gets a list file and a state folder of its own, so nothing of the machine's apt
changes, no privilege is needed, and one suite's disappearance does not disturb another. The
mirror is the one that the machine's apt names; apt checks every file against its signatures.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import write_text
from bulkhead_host.image.process import ProgramFailed, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TARGETS = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"]


class PackageUnavailable(Exception):
    """A package, its version or its suite cannot be had."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One suite of a Debian mirror, with its own lists under `folder`.

    `kinds` are the lists to fetch: `deb-src` for source packages, `deb` for binary ones.
    """

    name: str
    mirror: str
    folder: Path
    kinds: frozenset[str]

    def update(self) -> None:
        """Fetch the suite's package lists. Raise `PackageUnavailable` when it has none."""
        for part in ("lists/partial", "archives/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        lines = [f"{kind} {signed}{self.mirror} {self.name} main" for kind in sorted(self.kinds)]
        write_text(self.folder / "sources.list", "\n".join(lines) + "\n")
        try:
            run(["apt-get", *self._options(), "-o", "APT::Update::Error-Mode=any", "update"])
        except ProgramFailed as error:
            raise PackageUnavailable(f"suite {self.name}: {error.last_line}") from error

    def version_of(self, package: str, wanted: str, *, source: bool) -> str:
        """Return the suite's version of a package, whose upstream part is `wanted`."""
        show = ["showsrc", "--only-source"] if source else ["show", "--no-all-versions"]
        try:
            output = run(["apt-cache", *self._options(), *show, package])
        except ProgramFailed as error:
            raise PackageUnavailable(f"{package} in {self.name}: {error.last_line}") from error
        stated = [line.removeprefix("Version: ") for line in output.splitlines()]
        versions = [line for line in stated if is_version(line, wanted)]
        if not versions:
            raise PackageUnavailable(f"suite {self.name} has no {package} {wanted}")
        return versions[-1]

    def download(self, package: str, version: str, into: Path, *, source: bool) -> None:
        """Download one package's files into a folder, checked by apt."""
        action = ["source", "--download-only"] if source else ["download"]
        command = ["apt-get", *self._options(), *action, f"{package}={version}"]
        try:
            run(command, folder=into)
        except ProgramFailed as error:
            raise PackageUnavailable(f"{package} {version}: {error.last_line}") from error

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::Lists": self.folder / "lists",
            "Dir::Cache::archives": self.folder / "archives",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
        }
        if os.geteuid() == 0:  # the cache need not be readable for apt's own user
            settings["APT::Sandbox::User"] = "root"
        return ["-q", *(part for name in settings for part in ("-o", f"{name}={settings[name]}"))]


def is_version(version: str, wanted: str) -> bool:
    """Tell whether a Debian version's upstream part is `wanted` or a point release of it."""
    upstream = version.partition(":")[2] or version
    rest = upstream.removeprefix(wanted)
    return rest != upstream and not rest[:1].isdigit()


def machine_mirror(folder: Path) -> str:
    """Return the URL of the Debian archive that this machine's apt uses.

    Where apt has no lists yet (a fresh container), they are first fetched into `folder`.
    """
    try:
        mirror = _debian_mirror(run(_TARGETS))
        if not mirror:
            lists = folder / "machine"
            (lists / "partial").mkdir(parents=True, exist_ok=True)
            option = ["-o", f"Dir::State::Lists={lists}"]
            with suppress(ProgramFailed):  # a third party's archive may be down; Debian's counts
                run(["apt-get", *option, "update"])
            mirror = _debian_mirror(run([*_TARGETS, *option]))
    except ProgramFailed as error:
        raise BulkheadError(
            f"this machine's apt does not work: {error.last_line}",
            "mend apt, or take the official image: bulkhead build --official",
        ) from error
    if not mirror:
        raise BulkheadError(
            "this machine's apt names no Debian archive to take sources from",
            "build on Debian, or take the official image: bulkhead build --official",
        )
    return mirror


def _debian_mirror(targets: str) -> str:
    for line in targets.splitlines():
        origin, label, url = line.split("|", 2)
        if origin == label == "Debian":
            return url
    return ""
