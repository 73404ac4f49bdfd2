"""One piece of a campaign, in a process of its own: prints what became of it as JSON.

python -m campaign.piece services|kernel SEED FAULTS [INDEX]
"""

import json
import sys
import traceback
from collections import Counter
from typing import Any

from bulkhead_host.explore.tree import Turns


def services(seed: int, faults: int) -> dict[str, Any]:
    """Have faults inside services."""
    from campaign.branches import BranchPort  # noqa: PLC0415  (the turns are counted by now)
    from cases.judging import run  # noqa: PLC0415

    try:
        judge = run(BranchPort(_TURNS), seed, faults)
    except BaseException:
        return {"faults": 0, "outcomes": {}, "wrong": [traceback.format_exc(limit=-3)]}
    return dict(judge.told())


def kernel(seed: int, faults: int, only: int | None) -> dict[str, Any]:
    """Have faults inside the kernel's words."""
    from campaign.flips import SILENT, Flips, outcomes  # noqa: PLC0415

    verdicts = Flips(_TURNS, seed, faults, only).run()
    silent = [
        f"{verdict.fault}: {verdict.detail}" for verdict in verdicts if verdict.outcome == SILENT
    ]
    if only is not None:
        silent.append(str(verdicts[0]))
    kinds = Counter(verdict.fault.split()[0] for verdict in verdicts)
    told = {"faults": len(verdicts), "outcomes": outcomes(verdicts), "kinds": kinds}
    return {**told, "wrong": silent}


_TURNS = Turns()


def main() -> None:
    """Do what the command line says."""
    part, *numbers = sys.argv[1:]
    seed, faults, *only = map(int, numbers)
    sys.meta_path.insert(0, _TURNS)
    if part == "services":
        told = services(seed, faults)
    else:
        told = kernel(seed, faults, only[0] if only else None)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
