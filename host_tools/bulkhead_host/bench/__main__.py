"""Measure on the emulated Pico, print the figures and write them as JSON.

    python -m bulkhead_host.bench [--output FILE] [MEASUREMENT ...]

Exit code 0 when everything was measured and every target holds, else 1.
"""

import sys
from pathlib import Path

import click

from bulkhead_host.bench import silicon
from bulkhead_host.bench.measurements import APART, MEASUREMENTS
from bulkhead_host.bench.report import table, to_json
from bulkhead_host.bench.run import run
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import write_whole

OUTPUT = Path("build/bench/rp2040.json")
_NAMES = [*(measurement.name for measurement in (*MEASUREMENTS, *APART)), silicon.NAME]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where the JSON goes; the default is {OUTPUT}, for a run of everything.",
)
@click.argument("names", nargs=-1, metavar="[MEASUREMENT ...]", type=click.Choice(_NAMES))
def main(*, output: Path | None, names: tuple[str, ...]) -> None:
    """Measure on the emulated Pico, beside asyncio: all, or the measurements named.

    What takes another board's image, `network`, is measured when it is named. `silicon` has what
    the figures that are times are on a board with the times of a chip beside them.
    """
    chosen = [one for one in (*MEASUREMENTS, *APART) if one.name in names] or list(MEASUREMENTS)
    boards = tuple(silicon.BOARDS) if silicon.NAME in names else ()
    if boards:
        chosen = [one for one in chosen if silicon.hangs_on_silicon(one.figures)]
    try:
        results = run(
            chosen,
            boards=boards,
            progress=lambda line: print(f"bench: {line}", file=sys.stderr),
        )
    except BulkheadError as error:
        print(f"bench: {error.cause}\n  try: {error.next_step}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(table(results, boards))
    path = output or (None if names else OUTPUT)
    if path is not None:
        write_whole(path, to_json(results).encode())
        print(f"bench: wrote {path}", file=sys.stderr)
    sys.exit(0 if all(result.holds for result in results) else 1)


if __name__ == "__main__":
    main()
