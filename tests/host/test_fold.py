"""Folding kernel constants into the modules that import them, and what viper code may not say."""

import ast
import shutil
from pathlib import Path

import pytest
from pyflakes.checker import Checker
from pyflakes.messages import ImportStarUsage, UndefinedName

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import examine
from bulkhead_host.system.fold import (
    Constants,
    check_viper,
    constants_of,
    fold,
    fold_tree,
    load_constants,
)
from bulkhead_host.system.paste import Pasted, paste
from bulkhead_host.system.quicken import quicken
from bulkhead_host.system.tree import tree_of, walk

COMPILERS = {"const", "micropython", "ptr8", "ptr16", "ptr32", "uint"}  # they know these
CONSTANTS = {"kernel.abi": {"CALL": 256, "OK": 0}}


def test_names_become_values() -> None:
    assert fold("from kernel.abi import CALL, OK\nx = CALL + OK\n", CONSTANTS) == (
        "\nx = 256 + 0\n"
    )


def test_lines_stay_where_they_are() -> None:
    source = "from kernel.abi import (\n    CALL,\n    OK,\n)\nx = CALL\n"
    assert fold(source, CONSTANTS).splitlines()[4] == "x = 256"


def test_other_names_of_the_module_are_still_imported() -> None:
    folded = fold("from kernel.abi import CALL, describe\nprint(CALL, describe)\n", CONSTANTS)
    assert folded == "from kernel.abi import describe\nprint(256, describe)\n"


def test_a_name_of_the_user_library_that_only_annotates_goes() -> None:
    table = {"bulkhead": {"OK": 0}}
    source = "from bulkhead import OK, Frame\ndef f(task: Frame) -> Frame:\n    return OK\n"
    assert fold(source, table).splitlines()[0] == ""
    for use in ("x = Frame\n", "def g(task=Frame):\n    pass\n"):
        assert fold(source + use, table).splitlines()[0] == "from bulkhead import Frame"
    assert fold("from bulkhead import Frame\n", table) == "from bulkhead import Frame\n"


def test_import_under_another_name() -> None:
    assert fold("from kernel.abi import CALL as C\nx = C\n", CONSTANTS) == "\nx = 256\n"


def test_attributes_and_keywords_are_left_alone() -> None:
    source = "from kernel.abi import OK\nf(x.OK, OK=OK)\n"
    assert fold(source, CONSTANTS) == "\nf(x.OK, OK=0)\n"


def test_all_names_of_a_module_become_values() -> None:
    source = "from kernel.abi import *\nx = CALL + y.OK\n"
    assert fold(source, CONSTANTS) == "\nx = 256 + y.OK\n"


@pytest.mark.parametrize("use", ["OK = 5", "def f(OK):\n    pass", "for OK in (1, 2):\n    pass"])
def test_a_constant_of_all_that_are_imported_is_nothing_else(use: str) -> None:
    with pytest.raises(BulkheadError, match=r"OK \(line 2\) is a constant of kernel\.abi"):
        fold(f"from kernel.abi import *\n{use}\n", CONSTANTS)


def test_no_file_of_the_kernel_uses_a_name_that_there_is_not() -> None:
    firmware = source_root() / "firmware"
    files = {f"kernel/{file.name}": file for file in (firmware / "kernel").glob("*.py")}
    unknown = [
        f"{name}:{message.lineno}: {message.message_args[0]}"
        for name, text in fold_tree(files, firmware).items()
        for message in Checker(ast.parse(text)).messages
        if isinstance(message, UndefinedName | ImportStarUsage)
        and message.message_args[0] not in COMPILERS
    ]
    assert unknown == []


def test_library_keeps_the_names() -> None:
    folded = fold("from kernel.abi import CALL, OK\n", CONSTANTS, keep_names=True)
    assert folded == "CALL = 256; OK = 0\n"


def test_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text("def main(task):\n    yield task.recv(\n")
    with pytest.raises(UsageError, match=r"service\.py:2: '\(' was never closed"):
        fold_tree({"services/x/service.py": service}, source_root() / "firmware")


def test_what_is_folded_again_goes_by_the_files_as_they_are_now(tmp_path: Path) -> None:
    firmware = tmp_path / "firmware"
    shutil.copytree(source_root() / "firmware", firmware)
    service, trace = tmp_path / "service.py", firmware / "kernel" / "trace.py"
    files = {"services/x/service.py": service, "kernel/x.py": tmp_path / "x.py"}
    files["kernel/trace.py"] = trace
    service.write_text("from kernel.abi import OK\nprint(OK)\n")
    trace.write_text("@native\ndef note(a):\n    'Doc.'\n    b = a\n    return 10\n")
    caller = "from kernel.trace import note\n@native\ndef f(a):\n    y = note(a)\n"
    (tmp_path / "x.py").write_text(caller)

    def folded() -> tuple[str, str]:
        made = fold_tree(files, firmware)
        return made["services/x/service.py"].decode(), made["kernel/x.py"].decode()

    text = "@native\ndef f(a):\n    b = a\n    y = 10\n"
    assert folded() == folded() == ("\nprint(0)\n", text)
    service.write_text("from kernel.abi import OK\nprint(2, OK)\n")
    trace.write_text(trace.read_text().replace("10", "20"))
    assert folded() == ("\nprint(2, 0)\n", text.replace("10", "20"))
    abi = firmware / "kernel" / "abi.py"
    abi.write_text(abi.read_text().replace("\nOK = const(0)", "\nOK = const(7)"))
    assert folded() == ("\nprint(2, 7)\n", text.replace("10", "20"))


def test_no_check_changes_a_tree_that_others_look_at() -> None:
    folder = source_root() / "services"
    text = (folder / "led" / "service.py").read_text()
    tree = tree_of(text, "service.py")
    before = ast.dump(tree)
    assert examine(folder).problems == examine(folder).problems == []
    files = {"services/led/service.py": folder / "led" / "service.py"}
    fold_tree(files, source_root() / "firmware")
    assert tree_of(text, "service.py") is tree
    assert ast.dump(tree) == before
    assert [*walk(tree)] == [*ast.walk(tree)]


def test_unknown_constant_is_refused_with_its_line() -> None:
    with pytest.raises(BulkheadError, match=r"no constant COLL \(line 2\)"):
        fold("\nfrom kernel.abi import COLL\n", CONSTANTS)


def test_constants_may_use_earlier_ones() -> None:
    assert constants_of("A = const(3)\nB = const(1 << A)\nC = 4\n") == {"A": 3, "B": 8}


def test_the_kernels_own_constants_load() -> None:
    tables = load_constants(source_root() / "firmware")
    assert tables["kernel.abi"]["TRAP_SHIFT"] == 8
    assert tables["bulkhead"] == tables["kernel.abi"]


VIPER = "@micropython.viper\ndef f(w: ptr32, name: int):\n    "


@pytest.mark.parametrize(
    "line", ["return w[name]", "w[name] = 1", "p = ptr16(w)\n    p[name] = 1"]
)
def test_bare_local_as_an_index_is_refused(line: str) -> None:
    with pytest.raises(BulkheadError, match="compiled wrong"):
        check_viper(VIPER + line)


@pytest.mark.parametrize(
    "line",
    ["return w[name + 1]", "return w[3]", "return w[_FIELD]", "b = ptr8(w)\n    return b[name]"],
)
def test_other_indexes_pass(line: str) -> None:
    check_viper(VIPER + line)


def test_bytecode_may_index_as_it_likes() -> None:
    check_viper("def f(w: ptr32, name: int):\n    return w[name]\n")


@pytest.mark.parametrize(
    ("source", "quick"),
    [
        ("x = yield task.call(a, 4, c)", "task.arg = c; x = yield a + 260"),
        ("yield task.call(a, 3, f(é), )", "task.arg = f(é); yield a + 259"),
        ("yield task.call(a, 0)", "task.arg = None; yield a + 256"),
        ("yield task.call(a, 191)", "task.arg = None; yield a + 447"),
        ("yield task.call(a, 192)", None),
        ("yield task.call(a, -1)", None),
        ("yield task.call(a, True)", None),
        ("yield task.call(a, 1.5)", None),
        ("yield task.call(a, b)", None),
        ("yield task.call(b, 3)", None),
        ("a = b; yield task.call(a, 3)", None),
        ("for a in b: pass\nyield task.call(a, 3)", None),
        ("yield task.send(a, 191)", "task.arg = None; yield a + 1471"),
        ("yield task.send(a, 192)", None),
        ("yield task.reply_recv(191)", "task.arg = None; yield 703"),
        ("yield task.reply_recv(192)", None),
        ("yield task.reply_recv(b)", None),
        ("yield task.reply(192)", None),
        ("yield task.call(\n    a,\n    3,\n)", "task.arg = None; yield a + 259\n\n\n"),
        ("yield task.reply_recv(0)", "task.arg = None; yield 512"),
        ("yield task.reply(0, (1, 2))", "task.arg = (1, 2); yield 1024"),
        ("yield task.recv()", "yield task.waits"),
        (
            "yield task.send(a, 3, (yield task.recv()))",
            "yield task.send(a, 3, (yield task.waits))",
        ),
        ("x = f((yield task.call(a, 3)))", None),
        ("if a: yield task.call(a, 3)", None),
        ("yield task.call(f(a), 3)", None),
        ("yield task.call(a, 3, lambda: 1)", None),
        ("yield task.call(self.led, 3)", None),
        (
            "yield task.call_lending(a, 5, c, 6)",
            "task.buffer = c; task.arg = None; yield a + 267",
        ),
        (
            "yield task.call_lending(a, 5, c[:5], 2, e)",
            "task.buffer = c[:5]; task.arg = e; yield a + 263",
        ),
        ("yield task.call_lending(a, 5, c, 3)", None),
        ("yield task.call_lending(a, 5, c, d)", None),
        ("yield task.lease_read(0, a)", "task.buffer = a; yield 768"),
        ("yield task.lease_write(2, a)", "task.buffer = a; yield 1000"),
        ("yield task.lease_read(5000, a)", None),
        ("yield task.lease_read(n, a)", None),
        ("yield task.lease_read(0, a, caller)", None),
        ("yield task.call(a, 3, c, 20)", None),
        ("yield task.call(a, 3, timeout_ms=20)", None),
        ("yield task.call(*operands)", None),
        ("yield task.recv(5)", None),
        ("await task.call(a, 3, c)", "task.arg = c; (yield a + 259)"),
        ("x = await task.call(a, 3)", "task.arg = None; x = (yield a + 259)"),
        ("if await task.recv() == 0: pass", "if (yield task.waits) == 0: pass"),
        ("await task.call(a, 3, c, 5)", None),
        ("yield other.call(a, 3, c)", None),
        ("trap = task.call(a, 3, c)", None),
    ],
)
def test_quicken_puts_traps_together_in_place(source: str, quick: str | None) -> None:
    def indented(text: str) -> str:
        return "async def f(task, b):\n    a = task.cap('a')\n    " + text.replace("\n", "\n    ")

    abi = {"CALL": 256, "REPLY_RECV": 512, "LEASE_READ": 768, "LEASE_WRITE": 1000 - 2048}
    abi |= {"REPLY": 1024, "SEND": 1280, "LEASE_OFFSET_MASK": 4095, "HANDLE_SHIFT": 10}
    abi |= {"READABLE": 2, "WRITABLE": 4, "OPERATIONS": 192}
    made = quicken(indented(source), abi)
    assert [line.rstrip() for line in made.split("\n")] == [
        line.rstrip() for line in indented(quick or source).split("\n")
    ]


def test_quicken_knows_a_frame_by_the_name_that_older_services_give_it() -> None:
    head = "def f(sys):\n    a = sys.cap('a')\n"
    abi = {"CALL": 256, "READABLE": 2, "WRITABLE": 4, "OPERATIONS": 192}
    made = quicken(head + "    yield sys.call(a, 8, 1)\n    yield sys.recv()", abi)
    assert made == head + "    sys.arg = 1; yield a + 264\n    yield sys.waits"


@pytest.mark.parametrize(
    ("again", "word"), [("", "a + 264"), ("    _SET = 300\n", None), ("    del _SET\n", None)]
)
def test_quicken_knows_the_constants_of_a_module(again: str, word: str | None) -> None:
    head = "_SET = const(8)\ndef f(task):\n    a = task.cap('a')\n" + again
    abi = {"CALL": 256, "READABLE": 2, "WRITABLE": 4, "OPERATIONS": 192}
    made = quicken(head + "    yield task.call(a, _SET)", abi)
    line = f"    task.arg = None; yield {word}" if word else "    yield task.call(a, _SET)"
    assert made == head + line


PASTED = {
    "kernel.hot": Pasted(
        "from kernel.ready import push\n_ONE = const(1)\n\n"
        '@viper\ndef add(a: int, b: int) -> int:\n    """Add."""\n'
        "    c = a\n    if b:\n        c += b + _ONE\n    return c\n\n"
        '@viper\ndef keep(a: int):\n    """Keep."""\n    push(a)\n    tell(a)\n\n'
        '@viper\ndef early(a: int) -> int:\n    """Leave."""\n'
        "    if a:\n        return 1\n    return 2\n\n"
        '@viper\ndef count(a: int) -> int:\n    """Count."""\n    a += 1\n    return a\n\n'
        '@viper\ndef tally(z: int) -> int:\n    """Tally."""\n    z += 1\n    return z\n\n'
        'def tell(a):\n    """Tell."""\n',
        {"add": (), "keep": (), "early": (), "count": (), "tally": ()},
    )
}
HOT = "from kernel.hot import add, count, early, keep, tally\n@viper\ndef f(a, b):\n"


def test_paste_puts_the_body_of_a_function_where_it_is_called() -> None:
    source = f"{HOT}    x = add(b, 3)\n    keep(x)\n    return early(a)\n"
    assert paste(source, PASTED).split("\n") == [
        "from kernel.hot import count, early, tally",
        "from kernel.ready import push",
        "from kernel.hot import tell",
        "_ONE = const(1)",
        "",
        "@viper",
        "def f(a, b):",
        "    c = b",
        "    if 3:",
        "        c += 3 + _ONE",
        "    x = c",
        "    push(x)",
        "    tell(x)",
        "    return early(a)",
        "",
    ]


def test_paste_pastes_what_a_module_calls_of_its_own() -> None:
    source = f"{HOT}    'Doc.'\n    x = add(a, b)\n    return x\n"
    source += "@viper\ndef g(a, b):\n    'Doc.'\n    y = f(b, a)\n"
    made = paste(source, PASTED, module="kernel.mine", own={"f": ()})
    assert made.partition("def g(a, b):\n")[2].split("\n") == [
        '    """Doc."""',
        "    c = b",
        "    if a:",
        "        c += a + _ONE",
        "    x = c",
        "    y = x",
        "",
    ]


@pytest.mark.parametrize(
    "source",
    ["def f(a, b):\n    x = add(a, b)\n", HOT.replace("@viper\n", "") + "    x = add(a, b)\n"],
)
def test_paste_leaves_what_imports_nothing_of_it_and_what_is_not_compiled(source: str) -> None:
    assert paste(source, PASTED) == source


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("x = early(a)", "cannot be pasted"),
        ("x = add(a)", "cannot be pasted"),
        ("x = add(a, b + 1)", "cannot be pasted"),
        ("x = keep(a)", "cannot be pasted"),
        ("add(a, b)", "cannot be pasted"),
        ("x = count(b)", "both have a"),
        ("x = tally(b)", "assigns to an argument"),
        ("c = 1\n    x = add(a, b)", "cannot be pasted into f: both have c"),
        ("c = add(a, b)\n    x = add(a, c)", "cannot be pasted into f: both have c"),
    ],
)
def test_paste_refuses_what_would_mean_something_else(call: str, why: str) -> None:
    with pytest.raises(BulkheadError, match=why):
        paste(f"{HOT}    {call}\n", PASTED)


def test_paste_pastes_only_into_the_functions_that_are_named() -> None:
    known = {"kernel.hot": Pasted(PASTED["kernel.hot"].source, {"keep": ("g",)})}
    source = f"{HOT}    keep(a)\n@viper\ndef g(a):\n    keep(a)\n"
    made = paste(source, known)
    assert made.count("    keep(a)\n") == made.count("    push(a)\n") == 1


def test_paste_refuses_a_name_that_means_something_else_there() -> None:
    source = f"from port import push\n{HOT}    keep(a)\n"
    with pytest.raises(BulkheadError, match="push is something else in"):
        paste(source, PASTED)


def test_texts_become_values_too() -> None:
    tables: Constants = {"kernel.abi": {"HEAD_FORMAT": "<BB", "FAULT_NAMES": ("", "EXCEPTION")}}
    source = "from kernel.abi import FAULT_NAMES, HEAD_FORMAT\nx = FAULT_NAMES[1] + HEAD_FORMAT\n"
    assert fold(source, tables) == "\nx = ('', 'EXCEPTION')[1] + '<BB'\n"


def test_fold_tree_leaves_out_a_module_of_which_all_is_folded(tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text("from bulkhead.terms import FAULT_NAMES\nx = FAULT_NAMES[0]\n")
    firmware = source_root() / "firmware"
    shared = {name: firmware / name for name in ("kernel/abi.py", "bulkhead/terms.py")}
    folded = fold_tree({**shared, "services/x/service.py": service}, firmware, is_whole=True)
    assert list(folded) == ["services/x/service.py"]
    assert b"'EXCEPTION', 'BUDGET'" in folded["services/x/service.py"]


def test_paste_leaves_a_function_that_is_imported_under_another_name() -> None:
    source = "from kernel.hot import add as plus\n@viper\ndef f(a, b):\n    x = plus(a, b)\n"
    assert paste(source, PASTED) == source


def test_fold_tree_leaves_out_what_was_pasted_wherever_it_is_called() -> None:
    firmware = source_root() / "firmware"
    files = {f"kernel/{file.name}": file for file in (firmware / "kernel").glob("*.py")}
    made = {name: text.decode() for name, text in fold_tree(files, firmware).items()}
    assert "def call(" not in made["kernel/ipc.py"]
    assert "def next_caller(" in made["kernel/ipc.py"]
    assert "def find(" in made["kernel/capabilities.py"]  # `lookup` calls it
