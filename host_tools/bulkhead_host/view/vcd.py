"""A timeline as a value change dump (IEEE 1364), for waveform viewers such as GTKWave.

One wire for each service, 1 while it runs, and one for the number of the task that runs.
"""

from bulkhead_host.view.timeline import Timeline

_FIRST_CODE = ord("!")
_CODES = ord("~") - _FIRST_CODE + 1
_NUMBER_BITS = 7


def vcd(shown: Timeline) -> str:
    """Return the text of the dump; times are microseconds from the first record."""
    codes = [_code(number) for number in range(len(shown.names) + 1)]
    lines = ["$timescale 1 us $end", "$scope module bulkhead $end"]
    lines.append(f"$var wire {_NUMBER_BITS} {codes[0]} running $end")
    lines += [
        f"$var wire 1 {code} {name} $end"
        for code, name in zip(codes[1:], shown.names, strict=True)
    ]
    lines += ["$upscope $end", "$enddefinitions $end"]
    changes: dict[int, dict[str, str]] = {0: {codes[0]: _running(0, codes[0])}}
    changes[0] |= {code: f"0{code}" for code in codes[1:]}
    ran = sorted(
        (one for one in shown.slices if one.start_us < one.end_us), key=lambda one: one.start_us
    )
    for one in ran:
        if 0 < one.task < len(codes):
            at_end = changes.setdefault(one.end_us, {})
            at_end |= {codes[one.task]: f"0{codes[one.task]}", codes[0]: _running(0, codes[0])}
    for one in ran:
        if 0 < one.task < len(codes):
            at_start = changes.setdefault(one.start_us, {})
            running = _running(one.task, codes[0])
            at_start |= {codes[one.task]: f"1{codes[one.task]}", codes[0]: running}
    for time_us in sorted(changes):
        lines += [f"#{time_us}", *changes[time_us].values()]
    return "\n".join(lines) + "\n"


def _running(task: int, code: str) -> str:
    return f"b{task:b} {code}"


def _code(number: int) -> str:
    """Return a short identifier of printable characters."""
    text = chr(_FIRST_CODE + number % _CODES)
    return text if number < _CODES else text + _code(number // _CODES - 1)
