"""Count what messages take on other processors, in instructions: `make bench-qemu`.

    python -m bulkhead_host.qualify.counts [PROCESSOR ...]

QEMU counts them, and has each take the same time. So a figure is the same on every machine, and
is no time of a chip: an instruction takes a cycle or more there, and waits for its memory.
"""

import sys

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.image.qemu import INSTRUCTION_NS, PROCESSORS
from bulkhead_host.qualify.processors import Stand

COUNTED = {
    "switches": ("function_call_us", "generator_switch_us"),
    "calls": ("call_reply_us", "call_reply_64_tasks_us"),
    "sends": ("send_recv_us",),
    "leases": ("lease_copy_us",),
}
"""The figures of each program that are times of code alone."""

_LIMIT_S = 300.0


def counts(stand: Stand) -> dict[str, int]:
    """Return the instructions of each figure; raise `BulkheadError`."""
    found = {}
    for program, figures in COUNTED.items():
        source = f"from bench.{program} import main\nmain()"
        said = stand.start().execute(source, timeout_s=_LIMIT_S)
        told = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        for figure in figures:
            found[figure] = round(float(told[figure]) * 1000 / INSTRUCTION_NS)
    return found


def main(names: list[str]) -> None:
    """Print a table, a column for each processor."""
    try:
        columns = {name: _counted(name) for name in names or PROCESSORS}
    except BulkheadError as error:
        print(f"bench: {error.cause}\n  try: {error.next_step}", file=sys.stderr)
        sys.exit(error.exit_code)
    print("| instructions | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for figure in (one for figures in COUNTED.values() for one in figures):
        row = " | ".join(f"{column[figure]:,}" for column in columns.values())
        print(f"| `{figure.removesuffix('_us')}` | {row} |")


def _counted(name: str) -> dict[str, int]:
    if name not in PROCESSORS:
        raise UsageError(f"no processor {name}", f"there are: {', '.join(PROCESSORS)}")
    with Stand(PROCESSORS[name], progress=_tell) as stand:
        return counts(stand)


def _tell(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
