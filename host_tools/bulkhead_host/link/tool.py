"""Runs mpremote, ampy or another tool on pyserial so that it knows this package's URL schemes too.

`python -m bulkhead_host.link.tool mpremote connect serve://... resume exec CODE`
"""

import runpy
import sys

from bulkhead_host.link.urls import add_schemes


def command(tool: str) -> list[str]:
    """Return the beginning of the command line of a tool."""
    return [sys.executable, "-m", "bulkhead_host.link.tool", tool]


def main() -> None:
    """Run the module that the first word names, with the other words as its own."""
    add_schemes()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
