"""`bulkhead update` and `rollback` as programs, on an emulated Pico with an application."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import PROGRAM

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.scaffold.application import new_application
from bulkhead_host.scaffold.service import new_service

TIMEOUT_S = 300


class Shop:
    """An application's folder, and the board that runs it."""

    def __init__(self, folder: Path, port: str) -> None:
        self.service = folder / "greeter" / "service.py"
        self._folder = folder
        self._port = port

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `bulkhead` in the application's folder."""
        return subprocess.run(
            [PROGRAM, *words],
            cwd=self._folder,
            env={**os.environ, "BULKHEAD_PORT": self._port},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def greeting(self) -> str:
        """Return what the greeter says now."""
        done = self.run("call", "greeter.GREET", "a=you")
        return done.stdout.strip() or done.stderr

    def code(self) -> dict[str, object]:
        """Return what the board says of the greeter's code."""
        listed = json.loads(self.run("update", "--list", "--json").stdout)
        return next(row for row in listed if row["name"] == "greeter")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop") / "demo"
    new_application(folder, board="pico")
    new_service(folder, "greeter")
    image = folder.parent / "demo.uf2"
    build(BuildOptions(application=folder, output=image))
    board = EmulatedBoard(image=image, report=lambda _: None)
    with BoardServer(board, PtyPort()) as server:
        server.call(lambda board: board.run_for(ms=1000), timeout_s=TIMEOUT_S)  # it has booted
        yield Shop(folder, server.port.name)


def test_an_application_is_updated_and_rolled_back(shop: Shop) -> None:
    before = shop.code()
    assert before["slot"] == "-"
    assert shop.run("update", ".").stdout == "nothing to update: the board has this code\n"
    old = shop.greeting()
    source = shop.service.read_text()
    shop.service.write_text(source.replace("hello, ", "good morning, "))
    done = shop.run("update", ".", "--probation", "1")
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "greeter 1"), done.stderr
    assert shop.greeting() == old.replace("hello", "good morning") != old
    assert shop.code()["slot"] != "-"
    done = shop.run("rollback", "greeter", "--probation", "1")
    assert (done.returncode, shop.greeting()) == (0, old), done.stderr
    assert shop.code()["code"] == before["code"]
    shop.service.write_text(source)


def test_code_that_does_not_start_is_taken_back_with_exit_code_1(shop: Shop) -> None:
    old = shop.greeting()
    source = shop.service.read_text()
    shop.service.write_text(source.replace("greetings = 0", "greetings = 0 // 0"))
    done = shop.run("update", "greeter")
    shop.service.write_text(source)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the old code is back: greeter did not start" in done.stderr
    assert "ZeroDivisionError" in shop.run("fault", "greeter").stdout
    assert shop.greeting() == old


def test_a_service_killed_in_its_update_runs_on_with_the_code_it_had(shop: Shop) -> None:
    old, code = shop.greeting(), shop.code()["code"]
    done = shop.run("inject", "kill-in-update", "--target", "greeter")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("killed greeter while new code was put in its place: ")
    assert "InjectedCrash" in shop.run("fault", "greeter").stdout
    assert (shop.greeting(), shop.code()["code"]) == (old, code)
    done = shop.run("inject", "kill-in-update", "--target", "updater")
    assert done.returncode == 1
    assert "the updater is replaced with the whole image" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("update", "nobody"), 2, "nobody"),
        (("rollback", "nobody"), 1, "nobody"),
        (("rollback", "console"), 1, "console"),
        (("update", "updater"), 1, "updater"),
        (("update", "--image", "no.uf2", "greeter"), 2, "--image"),
    ],
)
def test_what_cannot_be_updated_is_said_with_an_exit_code(
    shop: Shop, words: tuple[str, ...], code: int, said: str
) -> None:
    done = shop.run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "try:" in done.stderr
