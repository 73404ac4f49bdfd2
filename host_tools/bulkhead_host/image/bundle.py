"""Make the signed bundle of a service's code that the updater on a board takes.

The text of a head, which is signed by HMAC-SHA256 under the device key, is read on the board by
`Head` in `firmware/boot/bulkhead_slots.py`.
"""

import hashlib
import hmac
from pathlib import PurePosixPath

from bulkhead_host.errors import UsageError
from bulkhead_host.image.application import code_digest, interface_digest, service_files
from bulkhead_host.image.mpy import compile_module
from bulkhead_host.link.updater import Bundle
from bulkhead_host.paths import mpy_cross_program
from bulkhead_host.system.boards import Board
from bulkhead_host.system.generate import manifest_digest
from bulkhead_host.system.manifest import Application, Service

FORMAT = "bulkhead-update 1"
HEAD_BYTES_MAX = 330
"""What one request of the link holds."""


def make_bundle(application: Application, board: Board, name: str, *, key: bytes) -> Bundle:
    """Compile and sign the code of the service `name` of an application that is checked.

    Raises `UsageError` when the application has no such service, or it has too many modules.
    """
    service = service_named(application, name)
    sources = service_files(service.folder, name)
    modules = {
        _module(path, name): compile_module(
            source, path, architecture=board.architecture, mpy_cross=mpy_cross_program()
        )
        for path, source in sorted(sources.items())
    }
    data = b"".join(modules.values())
    code = code_digest(sources)
    lines = [
        FORMAT,
        f"{board.name} {application.name} {interface_digest()}",
        f"{name} {service.version} {code} {manifest_digest(application, board, name)}",
        hashlib.sha256(data).hexdigest(),
        *(f"{module} {len(content)}" for module, content in modules.items()),
    ]
    text = "\n".join(lines).encode()
    head = text + hmac.digest(key, text, "sha256")
    if len(head) > HEAD_BYTES_MAX:
        raise UsageError(
            f"{name} has too many modules to be updated, or too long names",
            "join some of its modules, or flash the whole image",
        )
    return Bundle(name=name, version=service.version, code=code, head=head, data=data)


def service_named(application: Application, name: str) -> Service:
    """Return a service of an application. Raises `UsageError` that lists what there is."""
    for service in application.services:
        if service.name == name:
            return service
    known = ", ".join(service.name for service in application.services)
    raise UsageError(f"{application.name} has no service {name!r}", f"one of: {known}")


def _module(path: str, name: str) -> str:
    """Return the file of a module in its slot: `service.mpy`."""
    pure = PurePosixPath(path)
    if pure.parent != PurePosixPath("services") / name:
        raise UsageError(f"{path} is in a folder of its own", f"move it to services/{name}")
    return pure.with_suffix(".mpy").name
