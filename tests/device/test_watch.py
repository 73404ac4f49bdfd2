"""`run --watch` and `update --watch`: a file is saved, and the service on the board is another."""

import os
import pty
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from desk import PROGRAM, WAIT_S, bulkhead, read_until
from processes import started

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.watch import watch
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.updater import list_code

APPLICATION = Path(__file__).parents[1] / "cases" / "update_app"
PROBATION_MS = 150
WATCHED_S = 60
NO_PYTHON = "def main(task:\n"
ENDINGS = "the board has", "the code that", "counter: replaced"


class Enough(Exception):
    """The person presses Ctrl-C."""


def test_what_is_saved_is_on_the_board_and_what_is_wrong_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(APPLICATION, folder)
    built = build(BuildOptions(application=APPLICATION, output=tmp_path / "app.uf2"))
    service, api = folder / "counter" / "service.py", folder / "counter" / "api.py"
    told: list[str] = []
    left = [
        lambda: api.write_text(api.read_text().replace("const(1)", "const(9)")),
        lambda: service.write_text(NO_PYTHON),
    ]

    def tell(line: str) -> None:
        told.append(line)
        if not line.startswith(ENDINGS):
            return
        if not left:
            raise Enough
        left.pop(0)()

    with EmulatedBoard(image=built.path) as board:
        client = Client(BoardTransport(board))
        client.listen(1)
        before = list_code(client, ["counter"])[0]
        with suppress(Enough):
            watch(client, folder, tell=tell, for_s=WATCHED_S, probation_ms=PROBATION_MS)
        after = list_code(client, ["counter"])[0]
    assert told[0] == "the board has what the files say"
    assert told[1].startswith("updating counter: ")
    said = [line for line in told[2:] if "on probation" not in line]
    assert said[0] == "counter: replaced, and kept"
    assert said[1].startswith("not updated: ")
    assert "service.py" in said[1]
    assert said[2:] == ["the code that it had goes on; save again to try again"]
    assert after.code != before.code
    assert after.slot != before.slot


def test_run_with_watch_boots_and_replaces_at_each_saving_until_ctrl_c(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(APPLICATION, folder)
    service, api = folder / "counter" / "service.py", folder / "counter" / "api.py"
    whole = service.read_text()
    words = [PROGRAM, "run", "app", "--watch", "--probation", "0.2"]
    master, terminal = pty.openpty()
    with started(words, terminal=terminal, folder=tmp_path) as run:
        read_until(master, b"bulkhead: the board has what the files say")
        service.write_text(whole[: whole.index("+= 1") + 2])  # an editor was cut off
        said = read_until(master, b"save again")
        assert b"not updated: " in said
        assert b"service.py" in said
        service.unlink()
        read_until(master, b"counter has no service.py")
        api.write_text(api.read_text().replace("const(1)", "const(9)"))
        service.write_text(whole)
        said = read_until(master, b"counter: replaced, and kept")
        assert b"version 9 from 1: lost (0, 0), failed 0" in said
        run.send_signal(signal.SIGINT)
        assert run.wait(WAIT_S) == 0
    os.close(master)
    os.close(terminal)


def test_an_application_without_an_updater_cannot_be_watched(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(APPLICATION.parent / "names_app", folder)
    done = bulkhead("run", str(folder), "--watch")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no updater" in done.stderr
    assert 'add "updater" to system.start' in done.stderr
