"""`bulkhead qualify --port`: a board behind a serial port is flashed, looked at and reported."""

import json
import subprocess
from pathlib import Path

from processes import started

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.paths import source_root

TIMEOUT_S = 900
PARTS = ("chip", "flash", "pins", "clients")


def test_a_board_at_a_port_is_looked_at_and_its_fault_is_named(tmp_path: Path) -> None:
    image = build(BuildOptions(output=tmp_path / "image.uf2")).path
    bulkhead = source_root() / ".venv" / "bin" / "bulkhead"
    port, drive, output = (tmp_path / name for name in ("port", "drive", "report"))
    wire = ["--wire", "GP6-GP7"]
    command = [str(bulkhead), "sim", "--image", str(image), "--pace", "full", *wire]
    command += ["--fault", "line:GP7", "--link", str(port), "--drive", str(drive)]
    with started(command, terminal=None) as board:
        assert board.stdout is not None
        assert board.stdout.readline().strip() == str(port)
        done = subprocess.run(
            [
                *(str(bulkhead), "qualify", "--port", str(port), "--drive", str(drive)),
                *(*wire, "-o", str(output)),
                *(word for part in PARTS for word in ("--only", part)),
            ],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    report = json.loads((output / "report.json").read_text())
    failed = [row for row in report["rows"] if row["verdict"] == "failed"]
    assert [row["name"] for row in failed] == ["GP6 to GP7: interrupts"], failed
    assert "GP7 never interrupts" in failed[0]["detail"]
    assert [row for row in report["rows"] if row["emulated"] and row["value"]]
    looked = {row["name"]: row["verdict"] for row in report["rows"] if row["part"] == "clients"}
    assert set(looked.values()) == {"passed"}
    assert "mpremote: a program beside the services" in looked
    assert done.stdout.startswith("bulkhead ")
    assert "GP7" in (output / "report.html").read_text()
    assert "testsuite" in (output / "report.xml").read_text()
