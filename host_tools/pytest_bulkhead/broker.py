"""A real MQTT broker for tests: mosquitto on this machine's loopback.

`python -m pytest_bulkhead.broker PORT` runs one until Ctrl-C. It is installed with apt where it is
missing, as whatever else Bulkhead needs of Debian's.
"""

import socket
import subprocess
import sys
import time

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.cache import locked
from bulkhead_host.image.packages import Purpose, has_program, install_missing
from bulkhead_host.paths import cache_dir
from pytest_bulkhead.processes import with_parent

PACKAGES = {
    "mosquitto": has_program("mosquitto"),
    "mosquitto-clients": has_program("mosquitto_sub"),
}
PURPOSE = Purpose(what="a broker", instead="run an MQTT broker at that port")
PATIENCE_S = 60.0


def install() -> None:
    """Install mosquitto and its clients if they are missing; else wait for no other build."""
    if all(is_there() for is_there in PACKAGES.values()):
        return
    with locked(cache_dir() / "build.lock"):
        install_missing(PACKAGES, purpose=PURPOSE, progress=print)


def start(port: int) -> subprocess.Popen[bytes]:
    """Start mosquitto, and return its process once it takes connections."""
    command = [*with_parent(), "mosquitto", "-p", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return process
    process.kill()
    raise BulkheadError(f"mosquitto does not serve port {port}", "is that in use? name another")


def main() -> None:
    """Serve until Ctrl-C."""
    install()
    port = int(sys.argv[1])
    process = start(port)
    print(f"the broker is at 127.0.0.1:{port}", flush=True)
    try:
        process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
