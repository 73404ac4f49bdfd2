"""Mutation testing of the kernel: cosmic-ray makes the mutants, the explorer and the sim judge.

    make mutate ARGS="--sample 40 --seed 1 [--file ipc]"

A mutant is one change by one of cosmic-ray's operators to one place of a file of the kernel. It
goes into a copy of the firmware. Worlds of the model ring try to find it, then `tests/sim`. What
neither finds survives, and is printed with its change. All mutants take days; a sample is drawn
from them by its seed.
"""

import argparse
import ast
import difflib
import importlib
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bulkhead_host.paths import source_root
from bulkhead_host.spread import spread
from model.seeded import explore, simulate

# A decorator compiles here and changes nothing; the others need to be told of one variable.
_LEFT_OUT = ("core/RemoveDecorator", "core/VariableReplacer", "core/VariableInserter")
_SECONDS = 30.0  # of processor time for the worlds, a mutant


class Mutant(NamedTuple):
    """One change: the n-th place that an operator finds in a file."""

    file: str
    operator: str
    occurrence: int


class CosmicRay:
    """The parts of cosmic-ray that make mutants; it is installed by `make mutate` alone."""

    def __init__(self) -> None:
        self.ast: Any = importlib.import_module("cosmic_ray.ast")
        self.plugins: Any = importlib.import_module("cosmic_ray.plugins")
        self.mutating: Any = importlib.import_module("cosmic_ray.mutating")

    def mutants(self, file: Path) -> Iterator[Mutant]:
        """Yield all mutants of a file."""
        nodes = list(self.ast.ast_nodes(self.ast.get_ast(file.read_text())))
        for name in self.plugins.operator_names():
            if name in _LEFT_OUT:
                continue
            operator = self.plugins.get_operator(name)()
            places = sum(1 for node in nodes for _ in operator.mutation_positions(node))
            yield from (Mutant(file.stem, name, at) for at in range(places))

    def mutate(self, source: str, mutant: Mutant) -> str | None:
        """Return the source with that change, None where the operator changes nothing."""
        operator = self.plugins.get_operator(mutant.operator)()
        changed: str | None = self.mutating.mutate_code(source, operator, mutant.occurrence)
        return changed


def judge(work: tuple[Mutant, str]) -> str:
    """Return what finds a mutant with its changed source, empty if it survives."""
    mutant, changed = work
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(source_root() / "firmware", root / "firmware")
        (root / "firmware" / "kernel" / f"{mutant.file}.py").write_text(changed)
        return explore(root, _SECONDS) or simulate(root)


def is_code(before: str, after: str) -> bool:
    """Tell whether a change is one of code that the kernel runs: not of a constant's fold."""
    try:
        return ast.dump(ast.parse(before)) != ast.dump(ast.parse(after))
    except SyntaxError:
        return False


def main() -> int:
    """Judge a sample, and print survivors and the score."""
    cosmic = CosmicRay()
    parser = argparse.ArgumentParser(description="Mutation testing of the kernel.")
    parser.add_argument("--sample", type=int, default=40, help="mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", action="append", help="of the kernel, without .py")
    parser.add_argument("--workers", type=int, default=1, help="processes of this machine")
    parser.add_argument("--scheduler", default="", help="of a dask cluster with this checkout")
    args = parser.parse_args()
    folder = source_root() / "firmware" / "kernel"
    files = [folder / f"{name}.py" for name in args.file or ()] or sorted(folder.glob("*.py"))
    everything = [mutant for file in files for mutant in cosmic.mutants(file)]
    chosen = random.Random(args.seed).sample(everything, min(args.sample, len(everything)))
    print(f"{len(chosen)} of {len(everything)} mutants of {len(files)} files, seed {args.seed}")
    texts = {file.stem: file.read_text() for file in files}
    changed = ((each, cosmic.mutate(texts[each.file], each)) for each in chosen)
    work = (
        (each, after)
        for each, after in changed
        if after is not None and is_code(texts[each.file], after)
    )
    judged = found = 0
    crew = {"workers": args.workers, "scheduler": args.scheduler}
    for (mutant, after), by in spread(judge, lambda: next(work, None), **crew):
        judged += 1
        found += bool(by)
        operator = mutant.operator.removeprefix("core/")
        print(f"{mutant.file:14} {operator:44} {by or 'SURVIVES'}", flush=True)
        if not by:
            before = texts[mutant.file]
            change = difflib.unified_diff(
                before.splitlines(), after.splitlines(), n=0, lineterm=""
            )
            print("".join(f"    {line}\n" for line in list(change)[2:]), end="")
    print(f"{found} of {judged} found: {100 * found / max(judged, 1):.0f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
