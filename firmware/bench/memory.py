"""RAM: what the kernel takes at boot, and what one more service takes.

`kernel_ram_bytes`: heap in use (`gc.mem_alloc` after a collection) after the kernel of the default
application is built, less before kernel, port, user library and the application's table were
imported. Its services have not begun. It is the sum of three: `kernel_ram_library_bytes`, the
user library; `kernel_ram_code_bytes`, what is imported of kernel and port (functions, classes,
tables of names: code itself is frozen) and of the application's table; and
`kernel_ram_state_bytes`, what a kernel allocates at boot.

`task_ram_bytes`: heap in use when all services of a table wait, for 24 services more than for 8,
divided by 16. A service here is the smallest there is: one capability, a loop around `recv`. Its
record, frame, handles, generator and list places count; its row does not, which is frozen.
"""

import gc
import sys

from bench.report import figure
from micropython import const

_FEW = const(8)
_MANY = const(24)


def in_use():
    """Return the bytes of heap in use."""
    gc.collect()
    gc.collect()  # what the first one's finalisers let go
    return gc.mem_alloc()


def measure_kernel():
    """Return the bytes of user library, code and state. To be called before any is imported."""
    before = in_use()
    import bulkhead  # noqa: F401

    library = in_use()
    from bulkhead_boot import WORDS
    from bulkhead_system import SERVICES
    from port.rp2 import Port

    code = in_use()
    from guard.audit import Audit
    from kernel.boot import build

    kernel = build(SERVICES, Port(), WORDS)
    kernel.look = Audit(kernel).look
    del build
    for package, once in (("kernel", "boot"), ("port", "places")):  # as `boot/main.py` does
        delattr(sys.modules[package], once)
        del sys.modules[package + "." + once]
    after = in_use()
    for line in kernel.line_sources:
        kernel.port.mask(line)
    return library - before, code - library, after - code


def measure_task():
    """Return the bytes that one more service takes."""
    from bench.stage import CALL_SERVER, Stage, row

    stage = Stage()
    used = [0]

    def service(task):
        while True:
            yield task.recv()

    def last(task):
        yield task.sleep(1)
        used[0] = in_use()
        stage.finish()

    rows = [row("server", last, 7)]
    rows.extend(row("service%d" % number, service, 4, (CALL_SERVER,)) for number in range(_MANY))
    few, many = rows[: _FEW + 1], rows[: _MANY + 1]
    results = []
    # The first runs make what is made once; the collector lets go of the last few kernels late.
    for table in (few, few, few, few, few, many):
        stage.perform(table)
        results.append(used[0])
    return (results[-1] - results[-2]) / (_MANY - _FEW)


def main():
    """Measure."""
    library, code, state = measure_kernel()
    task_bytes = measure_task()
    figure("kernel_ram_bytes", library + code + state)
    figure("kernel_ram_library_bytes", library)
    figure("kernel_ram_code_bytes", code)
    figure("kernel_ram_state_bytes", state)
    figure("task_ram_bytes", task_bytes)
