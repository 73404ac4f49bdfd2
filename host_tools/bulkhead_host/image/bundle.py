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
COMPILERS = frozenset(
    {"micropython", "micropython.native", "micropython.viper", "micropython.asm_thumb"}
)
"""What a manifest lists whose service may have native code; the board has the same list."""
_FEATURES = 2  # byte of a `.mpy`: above its lowest two bits is for what processor, 0 for none

HEAD_BYTES_MAX = 330
"""What one request of the link holds."""


def make_bundle(application: Application, board: Board, name: str, *, key: bytes) -> Bundle:
    """Compile and sign the code of the service `name` of an application that is checked.

    Raises `UsageError` when the application has no such service, it has too many modules, or
    native code that its manifest does not name.
    """
    service = service_named(application, name)
    sources = service_files(service.folder, name)
    modules = {
        _module(path, name): compile_module(
            source, path, architecture=board.architecture, mpy_cross=mpy_cross_program()
        )
        for path, source in sorted(sources.items())
    }
    native = [module for module, content in modules.items() if content[_FEATURES] >> 2]
    if native and not COMPILERS.intersection(service.modules):
        raise UsageError(
            f"{name} has native code in {native[0]}, and its manifest names none",
            'modules = ["micropython.native"]',
        )
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
