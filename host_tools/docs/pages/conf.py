"""How Sphinx makes the site; `make docs` stages this beside the pages."""

import asyncio
import sys
import time
from typing import Any

from bulkhead_host import __version__
from bulkhead_host.paths import source_root

ROOT = source_root()

# The library is MicroPython, and loads under CPython too, with what it imports of services.
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "firmware" / "port" / "cpython"), str(ROOT)]

project = "Bulkhead"
author = "the Bulkhead project"
version = release = __version__
html_title = f"Bulkhead {__version__}"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
exclude_patterns = ["conf.py"]

html_theme = "furo"
html_theme_options = {"source_repository": "", "footer_icons": []}
html_show_sphinx = False
html_copy_source = False

default_role = "code"
autodoc_member_order = "bysource"
# MicroPython's clock and the inside of its asyncio, for modules that import them.
for _module, _names in (
    (time, ("ticks_ms", "ticks_diff", "ticks_add", "ticks_us", "sleep_ms")),
    (asyncio, ("core", "sleep_ms")),
):
    for _name in _names:
        setattr(_module, _name, None)


def _as_rst(*event: Any) -> None:
    """Have what a docstring indents behind a blank line be a listing, as in Markdown."""
    lines: list[str] = event[-1]
    is_listing = False
    for index, line in enumerate(lines):
        is_indented = line.startswith("    ")
        if is_indented and not is_listing and index and not lines[index - 1].strip():
            lines[index] = f".. code-block:: text\n\n{line}"
        if line.strip():
            is_listing = is_indented
    lines[:] = "\n".join(lines).split("\n")


def setup(app: Any) -> None:
    """Have docstrings read as they are written."""
    app.connect("autodoc-process-docstring", _as_rst)
