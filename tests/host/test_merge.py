"""The modules of kernel and port in one: what is renamed, what stays, what others import."""

import ast
import types

import pytest

from bulkhead_host.bench.images import kernel_modules
from bulkhead_host.errors import BulkheadError
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import fold_tree
from bulkhead_host.system.merge import MERGED, merge
from bulkhead_host.system.scopes import source_of


def merged(**sources: str) -> dict[str, str]:
    """Merge kernel modules by name; a name with `__` is a path."""
    files = {MERGED: b'"""A kernel."""\n'}
    for name, source in sources.items():
        path = name.replace("__", "/") if "__" in name else f"kernel/{name}"
        files[f"{path}.py"] = source.encode()
    return {path: text.decode() for path, text in merge(files).items()}


def running(**sources: str) -> types.ModuleType:
    """Return the merged module, run."""
    module = types.ModuleType("kernel")
    exec(merged(**sources)[MERGED], module.__dict__)
    return module


def test_a_tree_without_a_kernel_stays_as_it_is() -> None:
    files = {"main.py": b"from kernel.ipc import call\n", "services/x/service.py": b"X = 1\n"}
    assert merge(files) == files


def test_a_module_comes_behind_those_it_imports() -> None:
    module = running(
        a="from kernel.b import Base\nclass A(Base):\n    pass\n",
        b="class Base:\n    def f(self):\n        return 5\n",
    )
    assert module.A().f() == 5


def test_a_name_that_two_modules_define_is_two() -> None:
    module = running(
        a="_X = 1\ndef first():\n    return _X\n",
        b="_X = 2\ndef second():\n    return _X\n",
    )
    assert (module.first(), module.second()) == (1, 2)


def test_names_of_an_imported_module_are_plain() -> None:
    module = running(
        a="from kernel import b\ndef f():\n    return b.g() + b.g()\n",
        b="def g():\n    return 3\n",
    )
    assert module.f() == 6


def test_a_local_variable_does_not_hide_a_merged_name() -> None:
    module = running(
        a="from kernel import b\ndef f(value):\n    words = value\n    return b.words(words)\n",
        b="def words(value):\n    return value + 1\n",
    )
    assert module.f(1) == 2


def test_a_name_under_another_is_found() -> None:
    module = running(
        a="from kernel.b import g as h\ndef f():\n    return h()\n", b="def g():\n    return 3\n"
    )
    assert module.f() == 3


def test_a_builtin_is_not_hidden_by_what_another_module_defines() -> None:
    module = running(a="def f(x):\n    return len(x)\n", b="def len(x):\n    return -1\n")
    assert (module.f("abc"), module.len_b("abc")) == (3, -1)


def test_globals_closures_and_comprehensions_keep_their_meaning() -> None:
    module = running(
        a="""
state = 0
def change(state_now):
    global state
    state = state_now
def counter(start):
    count = start
    def step(by):
        nonlocal count
        count += by
        return [count + each for each in (1, by)]
    return step
""",
        b="from kernel import a\ndef read():\n    return a.state\ndef count(): pass\n",
    )
    module.change(7)
    assert module.read() == 7
    assert module.counter(10)(5) == [16, 20]


def test_an_argument_given_by_keyword_keeps_its_name() -> None:
    source = merged(
        a="def f(first, second):\n    return first - second\n",
        b="from kernel.a import f\ndef g(given):\n    return f(given, second=1)\n",
    )
    tree = ast.parse(source[MERGED])
    found = {
        n.name: [a.arg for a in n.args.args] for n in tree.body if isinstance(n, ast.FunctionDef)
    }
    assert found == {"f": ["a", "second"], "g": ["a"]}


def test_others_import_from_the_one_module_on_the_same_lines() -> None:
    rest = merged(
        a="def f():\n    pass\n",
        b="_X = 1\ndef g():\n    pass\n",
        boot__main="from kernel.a import (\n    f,\n)\nfrom kernel import b\nimport sys\nb.g()\n",
    )
    assert rest["boot/main.py"] == (
        "from kernel import f\n\n\nimport kernel as b\nimport sys\nb.g()\n"
    )


def test_what_is_apart_names_what_it_uses() -> None:
    rest = merged(
        a="def f(): pass\ndef unused(): pass\n",
        boot="from kernel import a\nimport sys\n\ndef build():\n    a.f()\n",
    )
    assert rest["kernel/boot.py"] == ("from kernel import f\nimport sys\ndef build():\n    f()\n")


def test_a_module_used_as_a_value_is_refused() -> None:
    with pytest.raises(BulkheadError, match="module b is used otherwise"):
        merged(a="from kernel import b\ndef f():\n    return b\n", b="X = 1\n")


def test_a_constant_that_nobody_reads_goes() -> None:
    rest = merged(
        a="from micropython import const\n_X = const(1)\nY = const(2)\nZ = const(3)\n"
        "def f():\n    return Z\n",
        boot__main="from kernel.a import Y\nprint(Y)\n",
    )
    lines = rest[MERGED].splitlines()
    assert [line for line in lines if "const" in line] == ["Y = const(2)", "_Z = const(3)"]


def test_a_name_is_not_that_of_a_module_below_the_package() -> None:
    module = running(a="def boot():\n    return 4\ndef f():\n    return boot()\n")
    assert module.f() == 4
    assert not hasattr(module, "boot")


def test_a_wrong_import_is_refused() -> None:
    with pytest.raises(BulkheadError, match=r"kernel\.b has no g"):
        merged(a="from kernel.b import g\ndef f():\n    g()\n", b="X = 1\n")


def test_a_statement_that_does_something_is_refused() -> None:
    with pytest.raises(BulkheadError, match="neither a definition nor an assignment"):
        merged(a="print('hello')\n")


def test_no_tuple_is_made_that_was_none() -> None:
    source = "def f(a, b):\n    a, b = b, a\n    c = (a, b)\n    'é'; a, b = b, c\n"
    assert source_of(ast.parse(source).body) == (
        "def f(a, b):\n    a, b = b, a\n    c = (a, b)\n    'é'\n    a, b = b, c\n"
    )


def test_the_kernel_defines_every_name_it_uses() -> None:
    files = fold_tree(kernel_modules(), source_root() / "firmware", is_whole=True)
    tree = ast.parse(merge(files)[MERGED])
    compile(tree, MERGED, "exec")
    names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert len(names) == len(set(names))
    assert {"dispatch", "next_caller", "land", "Port", "Memory"} <= set(names)
    assert not {"call", "reply_recv", "send"} & set(names)  # they are in `dispatch`
    assert not [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom)
        and (n.module or "").startswith(("kernel.", "port."))
        and n.module
        not in ("kernel.replace", "port.rp2_found", "port.rp2_outputs", "port.rp2_prompt")
    ]
