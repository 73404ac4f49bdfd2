"""The kernel cases by name, read from their files without running them."""

import ast

from bulkhead_host.files import read_text
from bulkhead_host.paths import programs_root

CASES = programs_root() / "cases"
MODULES = (
    *("messages", "mailboxes", "scheduling", "faults", "injections", "budgets"),
    *("records", "stashes", "interrupts", "hard", "outputs", "awaits", "trace", "guests"),
    *("capabilities", "slots", "grants", "leases", "closed", "updates", "exports", "chaos"),
)
# Cases that only MicroPython can judge.
ON_MICROPYTHON = (*MODULES, "allocation", "heap")
# Cases on simulated time and a simulated heap.
ON_SIM = (*MODULES, "memory", "operands", "closing")
# What the board's own build adds nothing to.
ON_UNIX = (*ON_MICROPYTHON, "operands", "closing", "holders")


def case_ids(*, modules: tuple[str, ...] = MODULES) -> list[str]:
    """Return `module:name` of every case in `modules`, in file order."""
    found = []
    for module in modules:
        tree = ast.parse(read_text(CASES / f"{module}.py"))
        found += [
            f"{module}:{node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
    return found
