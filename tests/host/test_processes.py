"""What a test starts ends with it, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from pytest_bulkhead.processes import with_parent

_PARENT = """
import subprocess, sys
from pytest_bulkhead.processes import with_parent
end = int(sys.argv[1])
subprocess.Popen([*with_parent(), "sleep", "1000"], stdout=end, pass_fds=[end])
print("started", flush=True)
sys.stdin.read()
"""

_READER = """
import sys
from pathlib import Path
from readme import Shell
print(Shell(Path.cwd()).run("sh -c 'echo up; exec sleep 1000' &"), flush=True)
sys.stdin.read()
"""


def kill_once_it_says(line: str, program: str, *words: str, end: int, **environment: str) -> None:
    """Run a Python program, with an open file beside, and kill it when it has printed a line."""
    parent = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        pass_fds=[end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=end,
        text=True,
        env={**os.environ, **environment},
    )
    os.close(end)
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == line
        parent.send_signal(signal.SIGKILL)


def test_a_process_ends_with_a_parent_that_was_killed() -> None:
    reader, writer = os.pipe()
    kill_once_it_says("started\n", _PARENT, str(writer), end=writer)
    with os.fdopen(reader, "rb") as end:
        assert end.read() == b""  # nobody has the other end any more: the child has ended


def test_a_process_does_not_begin_where_its_parent_was_killed_before() -> None:
    of_another = [*with_parent()[:-1], str(os.getppid()), sys.executable, "-c", "print('began')"]
    ended = subprocess.run(of_another, check=False, capture_output=True, text=True)
    assert ended.stdout == ""
    assert ended.returncode == 1


def test_what_a_readme_leaves_running_ends_with_a_test_that_was_killed() -> None:
    """It has the reader's standard error, whose other end is told when all have ended."""
    reader, writer = os.pipe()
    tests = str(Path(__file__).parents[1])
    kill_once_it_says("['up']\n", _READER, end=writer, PYTHONPATH=tests)
    with os.fdopen(reader, "rb") as end:
        assert end.read() == b""
