"""URL schemes that pyserial gets from here: `serve://`, a board that `bulkhead serve` shares.

pyserial looks for `protocol_SCHEME` in packages that it has been told of.
"""

import serial


def add_schemes() -> None:
    """Have pyserial, in this process, find the schemes of this package."""
    if __name__ not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(__name__)
