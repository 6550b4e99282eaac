"""Source in the grammar of a newer Python: read on whatever Python runs the tests, with its line numbers."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.imports.newer_syntax import in_older_syntax
from abiclash.imports.source import read_module


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("type X = int | str", "X = lambda: int | str"),
        ("type X[T: (int, str), *U] = list[T]", "X = lambda: list[T]"),
        ("if a: type X = (\n  int)", "if a: X = lambda: (\n  int)"),
        ("a; type X = b", "a; X = lambda: b"),
        ("def f[T: int = bool](x: T) -> T: pass", "def f(x: T) -> T: pass"),
        ("async def f[**P](x): pass", "async def f(x): pass"),
        ("class C[T](Base): pass", "class C(Base): pass"),
        ("class C[\n  T,  # why\n]: pass", "class C\\\n\\\n: pass"),
        ("try: a\nexcept A, B(1, 2): pass", "try: a\nexcept (A, B(1, 2)): pass"),
        ("try: a\nexcept* A, B: pass", "try: a\nexcept* (A, B): pass"),
        ("é = t'{x}' + rT'y'", "é = f'{x}' + rf'y'"),
        ("# coding: latin-1\ntype é = 'ü'", "# coding: latin-1\né = lambda: 'ü'"),
        ("type X = 1\r\ntype Y = 2\r\n", "X = lambda: 1\r\nY = lambda: 2\r\n"),
    ],
)
def test_newer_grammar_is_rewritten(newer: str, older: str) -> None:
    encoding = "latin-1" if "latin" in newer else "utf-8"
    found = in_older_syntax(newer.encode(encoding))
    assert found == older
    assert ast.parse(found).body


@pytest.mark.parametrize(
    "source",
    [
        "type = 3; type(x); type X\nprint(type)",
        "try: a\nexcept (A, B) as e: pass",
        "try: a\nexcept: pass",
        "x[1, 2]; d = {'type': t}",
        "def f(x): return x[0]",
        "print 'Python 2'",
        "x = (",
        "'''",
    ],
)
def test_nothing_else_is_touched(source: str) -> None:
    assert in_older_syntax(source.encode()) is None


def test_imports_beside_newer_syntax_are_read() -> None:
    source = b"import before\ntype Name[T] = (\n  T\n)\nclass C[T]:\n  import inside\nimport after\n"
    digest = read_module(source, "pkg")
    assert digest.error is None
    before, _, inside, after = digest.body
    assert [before, inside[-1][0], after] == [
        ["i", 1, "before", None],
        ["i", 6, "inside", None],
        ["i", 7, "after", None],
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data: bytes) -> None:
    found = in_older_syntax(data)
    assert found is None or isinstance(found, str)


@given(
    st.lists(
        st.sampled_from(
            ["type ", "X", "[", "]", "(", ")", "=", "def ", "class ", "except ", ",", ":", "\n", "t", "'a'"]
        )
    )
)
def test_any_tokens_are_taken(words: list[str]) -> None:
    found = in_older_syntax("".join(words).encode())
    assert found is None or found.count("\n") == "".join(words).count("\n")
