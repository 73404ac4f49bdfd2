"""How long sentences are: the pages of the site keep them short on average."""

import re
from pathlib import Path

from bulkhead_host.files import read_text
from bulkhead_host.problem import Problem
from docs.stage import PAGES

WORDS_MEAN_MAX = 18

_LEFT_OUT = re.compile(
    r"^(```|~~~)[^\n]*\n.*?^\1\s*$"  # listings and directives
    r"|^:::.*?$|^\|.*?$|^#.*?$|^\s*\(.*?\)=$|^---\n.*?^---$|^<!--.*?-->$",
    re.MULTILINE | re.DOTALL,
)
_END = re.compile(r"(?<=[.!?:])[\s*_`)]+(?=[A-Z`*\[])|\n\s*\n|\n\s*(?:[-*]|\d+\.)\s")
_WORD = re.compile(r"[A-Za-z0-9][\w'./-]*")


def sentences(text: str) -> list[str]:
    """Return the sentences of a page's prose: no listings, tables and headings."""
    prose = _LEFT_OUT.sub("\n\n", text)
    return [one.strip() for one in _END.split(prose) if _WORD.search(one or "")]


def mean_words(text: str) -> float:
    """Return how many words a sentence of a page has on average, 0 without any."""
    counts = [len(_WORD.findall(one)) for one in sentences(text)]
    return sum(counts) / len(counts) if counts else 0.0


def too_long(root: Path) -> list[Problem]:
    """Return the pages whose sentences have too many words on average."""
    return [
        Problem(
            path=file,
            text=f"{mean:.1f} words a sentence; {WORDS_MEAN_MAX} are too many",
            next_step="one idea a sentence",
        )
        for file in sorted((root / PAGES).rglob("*.md"))
        if (mean := mean_words(read_text(file))) >= WORDS_MEAN_MAX
    ]
