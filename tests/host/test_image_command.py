"""`bulkhead build` and `bulkhead flash` as commands: what they print, and how long they take."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bulkhead_host.commands import build as build_command
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.errors import UsageError
from bulkhead_host.image.build import stock_image
from bulkhead_host.image.official import OfficialImage

# Of the steps of `check`, which looks at the same files. Folding them takes three times.
UNCHANGED_CHECKS = 2
# A command whose calls and returns of functions are counted: a busy machine makes no more of them.
COUNTED = """
import sys

steps = 0


def count(*_):
    global steps
    steps += 1


from bulkhead_host.cli import main

sys.setprofile(count)
try:
    main()
finally:
    sys.setprofile(None)
    print(steps, file=sys.stderr)
"""
BULKHEAD = str(Path(sys.executable).parent / "bulkhead")
APPLICATION_TABLE = b"bulkhead_system.py"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a process of its own."""
    return _run(BULKHEAD, *arguments)


def counted(*arguments: str | Path) -> tuple[int, subprocess.CompletedProcess[str]]:
    """Run the command; return the steps that it took, too."""
    done = _run(sys.executable, "-c", COUNTED, *arguments)
    return int(done.stderr.split()[-1]), done


def _run(*line: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_what_it_made_and_is_quick_when_nothing_changed(
    tmp_path: Path,
) -> None:
    output = tmp_path / "out" / "image.uf2"
    assert run("build", "--output", output).returncode == 0
    of_check, _ = counted("check", "services")
    of_build, done = counted("build", "--board", "pico", "-o", output)
    assert of_build < UNCHANGED_CHECKS * of_check
    assert done.returncode == 0
    assert "MicroPython" not in done.stderr  # nothing was configured, compiled or linked
    rows = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert rows["image"] == str(output)
    assert rows["size"] == f"{output.stat().st_size} bytes"
    assert len(rows["sha256"]) == len("0" * 64)
    assert " of 655360 bytes (" in rows["flash"]


def test_the_image_has_the_kernel_its_port_and_the_services_in_it(tmp_path: Path) -> None:
    image = build(BuildOptions(output=tmp_path / "image.uf2"))
    content = image.path.read_bytes()
    files = (b"kernel/__init__.py", b"services/led/api.py", b"main.py")
    for name in (*files, b"dispatch", b"PinLine"):  # the kernel's, and the port's
        assert _holds(content, name)
    for name in (b"kernel/dispatch.py", b"port/sim.py", b"SimPort", b"port/unix.py"):
        assert not _holds(content, name)
    assert _holds(content, APPLICATION_TABLE)


def _holds(uf2: bytes, text: bytes) -> bool:
    """Tell whether an image's flash holds a text."""
    blocks = (uf2[start + 32 : start + 288] for start in range(0, len(uf2), 512))
    return text + b"\0" in b"".join(blocks)


def test_the_image_boots_into_services_that_log(tmp_path: Path) -> None:
    image = build(BuildOptions(output=tmp_path / "image.uf2"))
    with EmulatedBoard(image=image.path) as board:
        board.run_until(" I blink: ", timeout_ms=2000)


def test_a_micropython_without_hard_timers_is_said_to_kill_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = replace(stock_image(), micropython_version="1.25.0", hard_timers=False)
    monkeypatch.setattr(build_command, "build_image", lambda **_options: stock)
    result = CliRunner().invoke(build_command.command, ["-o", str(tmp_path / "image.uf2")])
    assert result.exit_code == 0
    assert "MicroPython 1.25.0 has no hard timers, so the kill is weaker" in result.stderr


def test_an_official_image_gets_the_whole_application_beside_it(tmp_path: Path) -> None:
    given = str(stock_image().path)
    image = build(BuildOptions(official=given, output=tmp_path / "bulkhead-pico.uf2"))
    assert isinstance(image, OfficialImage)
    modules = {str(path.relative_to(image.modules)) for path in image.modules.rglob("*.*")}
    assert {"main.py", "boot.py", "kernel/__init__.mpy", "port/rp2_prompt.mpy"} <= modules
    assert {"services/led/service.mpy", "bulkhead_system.mpy"} <= modules


def test_an_official_image_that_is_none_exits_2_with_nothing_written(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.uf2"
    wrong.write_bytes(b"\x7fELF" + bytes(508))
    done = run("build", "--official", wrong, "-o", tmp_path / "out.uf2")
    assert done.returncode == UsageError.exit_code
    assert "refused: it is not a UF2 file" in done.stderr
    assert list(tmp_path.iterdir()) == [wrong]


def test_deploying_takes_an_official_image() -> None:
    with pytest.raises(UsageError, match="only --official makes"):
        build(BuildOptions(deploy_port="/dev/ttyACM0"))


@pytest.mark.parametrize(
    ("keep", "words"), [(-512, "truncated"), (700, "truncated"), (3, "not a UF2")]
)
def test_flashing_a_broken_image_exits_2_and_says_why(
    tmp_path: Path, keep: int, words: str
) -> None:
    broken = tmp_path / "broken.uf2"
    broken.write_bytes(stock_image().path.read_bytes()[:keep])
    done = run("flash", broken, "--port", "/dev/nowhere")
    assert done.returncode == UsageError.exit_code
    assert words in done.stderr


def test_flashing_no_board_exits_3_with_what_to_do() -> None:
    done = run("flash", stock_image().path, "--port", "/dev/nowhere")
    assert done.returncode == 3
    assert "there is no port /dev/nowhere" in done.stderr
    assert "try: " in done.stderr
