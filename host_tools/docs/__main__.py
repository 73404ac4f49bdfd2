"""`make docs`: check the pages, and make the site of them in build/docs/html."""

import subprocess
import sys

from bulkhead_host.errors import BulkheadError
from bulkhead_host.paths import source_root
from docs.sentences import too_long
from docs.stage import stage


def main() -> int:
    """Return the exit code: 0 when the site is made, 1 when anything is wrong with it."""
    build = source_root() / "build" / "docs"
    source = stage(build / "source")
    for problem in (problems := too_long(source_root())):
        print(f"docs: {problem.from_here()}", file=sys.stderr)
    if problems:
        return 1
    # A warning is an error; all are told before the end.
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", "auto"]
    folders = [str(source), str(build / "html")]
    made = subprocess.run([sys.executable, "-m", "sphinx", *options, *folders], check=False)
    if made.returncode == 0:
        print((build / "html" / "index.html").relative_to(source_root()))
    return made.returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BulkheadError as error:
        sys.exit(f"docs: {error.cause}\n  try: {error.next_step}")
