"""What the trace costs a call and its reply: beside an image whose dispatcher records none."""

from dataclasses import replace

from bulkhead_host.bench.board import bench_board, run_program
from bulkhead_host.bench.figures import Values
from bulkhead_host.bench.images import Images, without_trace


def measure(images: Images) -> Values:
    """Return trace_overhead_percent: how much longer `call_reply_us` is with the trace."""
    found = []
    for image in (images.bench, without_trace()):
        with bench_board(replace(images, bench=image)) as board:
            found.append(run_program(board, "calls")["call_reply_us"])
    return {"trace_overhead_percent": 100 * (found[0] / found[1] - 1)}
