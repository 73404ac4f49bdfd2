"""Libraries in a service, under the import guard of MicroPython's unix port."""

import subprocess
from pathlib import Path
from textwrap import dedent, indent
from typing import Protocol

import pytest

_TIMEOUT_S = 60

_LIBRARY = """
import sys
from . import part

SPACE = globals()["__name__"]  # as hashlib finds what it is made of


def call(function):
    return function()


def own():
    return globals()["SPACE"]


def __getattr__(name):  # as asyncio loads its parts
    if name != "later":
        raise AttributeError(name)
    globals()[name] = part.secret
    return part.secret
"""
_PART = """
import sys


def call(function):
    return function()


def secret():
    return globals()["__name__"]
"""
_OTHER = """
import library

count = 0


def add():
    global count
    count += 1


def again():
    return library.later()
"""
_LATE = """
import os
from asyncio import Event  # which asyncio, that has been loaded, loads now

TABLE = {"folder": os.getcwd()}


def ask(name):
    return __import__(name)
"""
_API = """
import gc

collect = gc.collect
TABLE = {"one": 1}


try:
    compiled = eval("1")
except ImportError as error:
    compiled = error.args[0]


def call(function, *operands):
    return function(*operands)


def compute(text):
    return eval(text)
"""
_RECEIVES = "yield task.recv()\n"
_SCRIPT = """
import sys
from cases.ports import CasePort
from cases.rig import Rig
from guard.authority import Authority
from guard.guards import install

port = CasePort()
rig = Rig(port)
rig.add("one", "services.one.service", budget_ms=500, asynchronous=IS_ASYNC)
rig.add("two", "services.two.service", budget_ms=500)
kernel = rig.start()
common = ("bulkhead", "kernel.abi", "services.*.api", "time")
modules = ["asyncio", "bulkhead.loop", "library", "late", "other", "struct", "json"]
modules += ["builtins.eval", "sys.modules"]
modules += ["ustruct", "uarray", "umachine", "uio", "uos", "usys", "uctypes"]
authority = Authority(kernel.table, common, (modules, ("library", "late", "gc")))
authority.acting = kernel.acting
install(kernel.words, authority)
for name in tuple(sys.modules):
    authority.settle(name)
rig.run(200)
print("fault", rig.fault("one"), rig.words_of("one"))
"""


class Service(Protocol):
    """Run a service beside another that has the same library."""

    def __call__(self, statements: str, *, ends: str = _RECEIVES) -> list[str]:
        """Return the lines that a service of such statements printed, and its fault."""


@pytest.fixture
def serve(tmp_path: Path, micropython: Path, folded_firmware: Path) -> Service:
    """Return a function that runs a service."""
    texts = {
        "library/__init__.py": _LIBRARY,
        "library/part.py": _PART,
        "other.py": _OTHER,
        "late.py": _LATE,
        "services/two/api.py": _API,
        "services/two/service.py": "import library\n\n\ndef main(task):\n    yield task.recv()\n",
    }

    def run(statements: str, *, ends: str = _RECEIVES) -> list[str]:
        body = indent(dedent(statements) + ends, "    ")
        is_async = "await" in ends
        head = "async def main(task):" if is_async else "def main(task):"
        texts["services/one/service.py"] = head + body
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        tests = Path(__file__).parents[1]
        done = subprocess.run(
            [micropython, "-c", f"IS_ASYNC = {is_async}\n{_SCRIPT}"],
            env={"MICROPYPATH": f"{folded_firmware}:{tests}:{tmp_path}:.frozen"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return (done.stdout + done.stderr).splitlines()

    return run


def test_a_library_has_its_own_globals_whenever_it_asks(serve: Service) -> None:
    said = serve("""
        import library
        import library.part
        print(library.SPACE, library.own(), library.later(), library.part.secret())
        import other
        print(other.again())
    """)
    assert said == ["library library library.part library.part", "library.part", "fault 0 "]


def test_a_library_that_is_given_globals_to_call_gets_nothing(serve: Service) -> None:
    said = serve("""
        import library, library.part, other, asyncio
        own = globals()
        print(own["__name__"])
        for step in (
            lambda: library.call(globals),
            lambda: library.part.call(globals),
            lambda: library.call(library.later and globals),
            lambda: library.globals(),
            lambda: getattr(library, "globals")(),
            lambda: asyncio.globals(),
            lambda: other.library.call(globals),
            lambda: __import__("library", None, None, ("globals",)).globals(),
        ):
            try:
                step()
                print("reached")
            except (ImportError, AttributeError) as error:
                print(error)
        print(library.call(lambda: globals() is own))
    """)
    at = said.index("services.one.service") + 1
    assert len(said[at:-2]) == 8
    assert not {"reached"} & set(said), "\n".join(said)
    assert said[-2:] == ["True", "fault 0 "]


def test_who_is_given_import_to_call_gets_what_the_service_may_have(serve: Service) -> None:
    said = serve("""
        import late, library
        from services.two.api import call
        print(late.ask("struct").calcsize("i"), library.call(lambda: __import__("json").dumps(1)))
        for step in (
            lambda: late.ask("os"),
            lambda: list(map(late.ask, ("gc",))),
            lambda: call(__import__, "gc"),
            lambda: call(__import__, "os"),
            lambda: call(globals),
            lambda: library.call(lambda: call(__import__, "gc")),
        ):
            try:
                step()
                print("reached")
            except ImportError as error:
                print(error)
    """)
    refused = "import of '%s' is not in its service.toml"
    assert said == [
        "4 1",
        *(refused % name for name in ("os", "gc", "gc", "os")),
        "globals of 'services.two.api' are not the service's",
        refused % "gc",
        "fault 0 ",
    ]


def test_a_builtin_counts_for_whose_code_calls_it(serve: Service) -> None:
    said = serve("""
        from services.two.api import call, compiled, compute
        print(eval("2"), compiled)
        for step in (lambda: compute("3"), lambda: call(eval, "4")):
            try:
                print(step())
            except ImportError as error:
                print(error)
    """)
    refused = "builtin 'eval' is not in its service.toml"
    assert said == [f"2 {refused}", refused, refused, "fault 0 "]


def test_a_library_is_sealed_when_it_is_loaded_and_not_before(serve: Service) -> None:
    said = serve("""
        import asyncio, late
        print(late.Event.__name__, len(late.TABLE))
        try:
            late.TABLE["folder"] = None
            print("reached")
        except TypeError:
            print("sealed")
    """)
    assert said == ["Event 1", "sealed", "fault 0 "]


def test_an_api_that_is_loaded_again_as_by_an_update_is_sealed_again(serve: Service) -> None:
    said = serve("""
        from sys import modules
        for _ in range(2):
            from services.two.api import TABLE
            try:
                TABLE["one"] = 2
                print("reached")
            except TypeError:
                print("sealed")
            modules.pop("services.two.api")
    """)
    assert said == ["sealed", "sealed", "fault 0 "]


def test_what_cannot_change_is_found_once_and_what_can_each_time(serve: Service) -> None:
    said = serve("""
        from bulkhead import link
        import other
        print(link.LINE_BYTES_MAX, "LINE_BYTES_MAX" in link.__dict__)
        print(other.count, other.add(), other.count)
    """)
    assert said == ["496 True", "0 None 1", "fault 0 "]


def test_asyncio_does_what_it_does_in_a_program_of_its_own(serve: Service) -> None:
    said = serve(
        """
        import asyncio
        from bulkhead.loop import run

        async def program():
            lock, event, flag = asyncio.Lock(), asyncio.Event(), asyncio.ThreadSafeFlag()
            async def one():
                async with lock:
                    event.set()
                    return 1
            first = asyncio.create_task(one())
            print(await asyncio.wait_for(asyncio.gather(first, event.wait()), 1))
            try:
                await asyncio.wait_for_ms(asyncio.Event().wait(), 10)
            except asyncio.TimeoutError:
                print("late", asyncio.current_task() is not first)
    """,
        ends="await run(task, program())\n",
    )
    assert said[:2] == ["[1, True]", "late True"], "\n".join(said)


def test_a_module_comes_by_its_own_name_alone(serve: Service) -> None:
    said = serve("""
        for name in ("ustruct", "uarray", "umachine", "uio", "uos", "usys", "uctypes", "struct"):
            for names in (None, ("unpack_from",), ("__name__",)):
                try:
                    __import__(name, None, None, names)
                except ImportError as error:
                    print(name, error)
                    continue
        import json
        from struct import unpack
        import struct
        try:
            struct.unpack("O", bytes(8))
        except ValueError as error:
            print(error)
    """)
    old = ("struct", "array", "machine", "io", "os", "sys")
    refused = [f"u{name} 'u{name}' is '{name}': import that" for name in old for _ in range(3)]
    assert [line for line in said if line.startswith("u") and "ctypes" not in line] == refused
    assert said[-2:] == ["bad typecode", "fault 0 "]
