"""`bulkhead update --watch`: a file is saved, and the service on the board is another."""

import shutil
from contextlib import suppress
from pathlib import Path

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.watch import watch
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.updater import list_code

APPLICATION = Path(__file__).parents[1] / "cases" / "update_app"
PROBATION_MS = 150
WATCHED_S = 60
NO_PYTHON = "def main(sys:\n"


class Enough(Exception):
    """The person presses Ctrl-C."""


def test_what_is_saved_is_on_the_board_and_what_is_wrong_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(APPLICATION, folder)
    built = build(BuildOptions(application=APPLICATION, output=tmp_path / "app.uf2"))
    service, api = folder / "counter" / "service.py", folder / "counter" / "api.py"
    right = service.read_text()
    told: list[str] = []
    left = [
        lambda: api.write_text(api.read_text().replace("const(1)", "const(9)")),
        lambda: service.write_text(NO_PYTHON),
        lambda: service.write_text(right + "\n# a remark changes no code\n"),
    ]

    def tell(line: str) -> None:
        told.append(line)
        if line.startswith("updating"):
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
    assert told[:3] == [
        "the board is as the files are",
        "updating counter",
        "counter is as the files are",
    ]
    assert told[3].startswith("not updated: ")
    assert "service.py" in told[3]
    assert after.code != before.code
    assert after.slot != before.slot
