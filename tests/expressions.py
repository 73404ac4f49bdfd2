"""Expressions that a board is asked for at its prompt, and what each of them gives or raises."""

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute

_SAID = """
def said(step):
    try:
        return step()
    except Exception as error:
        return type(error).__name__
"""


def prepare(board: EmulatedBoard, names: str) -> EmulatedBoard:
    """Have the board run a program with the names that expressions use; return the board."""
    execute(board, names + _SAID)
    return board


def value_of(board: EmulatedBoard, expression: str) -> str:
    """Return what the board prints of an expression, or the name of what it raises."""
    return execute(board, f"print(said(lambda: {expression}))").removesuffix("\n")
