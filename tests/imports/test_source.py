"""Digests of Python source: the facts that rules need, and that no source can break the reader."""

from __future__ import annotations

import ast
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from abiclash.imports.files import DirectoryFiles
from abiclash.imports.plan import plan
from abiclash.imports.source import MAX_SOURCE, Demand, ModuleSource, Setting, read_module
from abiclash.imports.world import World
from tests.imports.site import PYTHON


def test_writes_to_the_environment() -> None:
    source = (
        b"import os\nfrom os import environ\n"
        b"os.environ['QT_PLUGIN_PATH'] = os.path.join(here, 'plugins')\n"
        b"environ.setdefault('A', '1')\n"
        b"os.environ.update({'B': x}, C='3')\n"
        b"os.putenv('D', '4')\n"
        b"def later():\n    os.environ[name] = '5'\n"
        b"table['E'] = '6'\n"
    )
    assert (
        Setting("QT_PLUGIN_PATH", "os.path.join(here, 'plugins')", 3, at_import=True),
        Setting("A", "'1'", 4, at_import=True),
        Setting("C", "'3'", 5, at_import=True),
        Setting("B", "x", 5, at_import=True),
        Setting("D", "'4'", 6, at_import=True),
        Setting("name", "'5'", 8, at_import=False),
    ) == read_module(source, "pkg").environment


def test_refusals_to_be_imported_after_another_module() -> None:
    source = (
        b"import sys\n"
        b"if 'first' in sys.modules:\n    raise ImportError('import pkg before first')\n"
        b"if 'needed' not in sys.modules:\n    raise RuntimeError\n"
        b"if 'quiet' in sys.modules:\n    pass\n"
    )
    assert (
        Demand("first", present=True, error="ImportError('import pkg before first')", line=3),
        Demand("needed", present=False, error="RuntimeError", line=5),
    ) == read_module(source, "pkg").demands


def test_large_source_is_not_read() -> None:
    source = read_module(b"#" * (MAX_SOURCE + 1), "pkg")
    assert source.error is not None
    assert f"larger than {MAX_SOURCE}" in source.error


def test_digest_survives_being_kept() -> None:
    text = (
        b"import os\nos.environ['A'] = '1'\nif 'b' in __import__('sys').modules:\n    raise ImportError\n"
        b"def f(a, *b, c=1, **d):\n    import x\n    return lambda: a\n"
        b"class C(Base, key=1):\n    @property\n    def p(self):\n        yield 1\n"
        b"x: 'T' = [i for i in range(3) if i]\nasync def g():\n    await h()\n"
    )
    source = read_module(text, "pkg")
    copy = ModuleSource.load(*source.dump())
    assert (source.body, source.environment, source.demands) == (copy.body, copy.environment, copy.demands)
    for index in range(len(source.functions)):
        assert source.function(index)[:4] == copy.function(index)[:4]
        assert source.block(index) == copy.block(index)


def test_kept_digest_is_written_again_unchanged() -> None:
    """A document that grows copies what it has; the functions may still be text, or partly decoded."""
    source = read_module(b"def f():\n    import a\ndef g():\n    import b\n", "pkg")
    dumped = source.dump()
    assert dumped == ModuleSource.load(*dumped).dump()
    touched = ModuleSource.load(*dumped)
    touched.block(1)
    assert dumped == touched.dump()


def test_functions_tell_what_they_use() -> None:
    source = read_module(
        b"def plain(a):\n    b = a.x\n    return len(b) + other.y\n"
        b"def loads(n):\n    return importlib.import_module(n)\n"
        b"def calls(f):\n    return f()\n"
        b"def wraps(f):\n    def inner():\n        return f()\n    return inner\n"
        b"def gen():\n    yield 1\n",
        "pkg",
    )
    rows = {name: source.function(index)[1:4] for _, _, name, index, *_ in source.body}
    assert rows["plain"] == [["a.x", "other.y"], 0, 0]
    assert rows["loads"][1] == 1
    assert rows["calls"][2] == 4
    assert rows["wraps"][2] == 0
    assert rows["gen"][2] == 1


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_any_bytes_give_a_digest(data: bytes) -> None:
    source = read_module(data, "pkg")
    json.loads(source.dump()[0])


_NAMES = st.sampled_from(["a", "os", "pkg", "self", "__name__"])
_LEAVES = st.one_of(_NAMES, st.sampled_from(["1", "'x'", "None", "...", "b'y'", "1j", "2**70", "f'{a!r:>{pkg}}'"]))
_EXPRESSIONS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds("({} + {})".format, inner, inner),
        st.builds("{}.attr".format, inner.filter(lambda text: not text[0].isdigit() and text != "...")),
        st.builds("f({}, *{}, k={}, **{})".format, inner, inner, inner, inner),
        st.builds("[{} for a in {} if {}]".format, inner, inner, inner),
        st.builds("{{{}: {}, **{}}}".format, inner, inner, inner),
        st.builds("(lambda a, *b: {})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("(x := {})".format, inner),
        st.builds("({})[{}:{}]".format, inner, inner, inner),
        st.builds("({} < {} is {} and not -{})".format, inner, inner, inner, inner),
    ),
    max_leaves=12,
)
_STATEMENTS = st.one_of(
    st.builds("x = {}".format, _EXPRESSIONS),
    st.builds("a.b, *c = {}".format, _EXPRESSIONS),
    st.builds("if {}:\n    import {}\nelse:\n    y = {}".format, _EXPRESSIONS, _NAMES, _EXPRESSIONS),
    st.builds("@{}\ndef f(a, b={}) -> {}:\n    return {}".format, *[_EXPRESSIONS] * 4),
    st.builds("for i in {}:\n    del a[{}]\n    break".format, _EXPRESSIONS, _EXPRESSIONS),
    st.builds("try:\n    {}\nexcept (A, B.C) as e:\n    raise\nfinally:\n    {}".format, _EXPRESSIONS, _EXPRESSIONS),
    st.builds("with {} as y, {}:\n    global g\n    g += {}".format, *[_EXPRESSIONS] * 3),
    st.builds(
        "match {}:\n    case [1, *_]:\n        x = {}\n    case _:\n        pass".format, _EXPRESSIONS, _EXPRESSIONS
    ),
    st.builds("class K({}, metaclass={}):\n    v: {} = {}".format, *[_EXPRESSIONS] * 4),
    st.builds("while {}:\n    assert {}\n    continue".format, _EXPRESSIONS, _EXPRESSIONS),
)


@given(st.lists(_STATEMENTS, max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_program_can_be_played(statements: list[str]) -> None:
    """Whatever the program: a plan, no exception, and the same one from a digest that was kept."""
    text = "\n".join(statements)
    ast.parse(text)
    source = read_module(text.encode(), "pkg")
    assert source.error is None
    plans = []
    for digest in (source, ModuleSource.load(*source.dump())):
        files = DirectoryFiles("/nowhere", {}, _entries={"/nowhere": {"pkg.py": False}})
        world = World(PYTHON, (files,), ["/nowhere"], _sources={"/nowhere/pkg.py": digest})
        plans.append(plan(["pkg"], world))
    assert plans[0].loads == plans[1].loads
    assert [n.reason for n in plans[0].not_analysed] == [n.reason for n in plans[1].not_analysed]
