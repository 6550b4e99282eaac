"""What modules of the standard library import, by their source and by running them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.sources.live_host import live
from abiclash.sources.stdlib_imports import StdlibSource, closure, imported_names

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("expected", "source"),
    [
        (("a", "b.c"), "import a, b.c as d"),
        (("a", "a.b"), "from a import b"),
        (("a",), "from a import *"),
        (("pkg", "pkg.b"), "from . import b"),
        (("pkg.b", "pkg.b.c"), "from .b import c"),
        ((), "from ... import b"),
        (("a",), "def f():\n import b\nimport a"),
        (("a",), "class C:\n import a"),
        (("_a", "c", "d"), "try:\n import _a\nexcept ImportError:\n import b\nelse:\n import c\nfinally:\n import d"),
        (("posix",), "import sys\nif sys.platform == 'win32':\n import nt\nelse:\n import posix"),
        (("a", "b"), "if flag:\n import a\nelse:\n import b"),
        ((), "if __name__ == '__main__':\n import a"),
        ((), "if TYPE_CHECKING:\n import a"),
        ((), "if typing.TYPE_CHECKING:\n import a"),
        (("posix",), "if 'posix' in names:\n import posix\nelif 'nt' in names:\n import nt"),
        ((), "if sys.platform.startswith('win32'):\n import nt"),
        ((), "import a from b"),
        ((), "import \0a"),
    ],
)
def test_imports_of_a_source(expected: tuple[str, ...], source: str) -> None:
    found = imported_names(source.encode(), "pkg.mod", package=False)
    assert expected == tuple(name for name in found if name != "sys")


def test_a_package_is_its_own_parent() -> None:
    assert imported_names(b"from .b import c", "pkg", package=True) == ("pkg.b", "pkg.b.c")


@given(st.binary(max_size=80))
def test_any_bytes_are_read(source: bytes) -> None:
    assert isinstance(imported_names(source, "m", package=False), tuple)


def test_a_closure_takes_the_parents_of_packages() -> None:
    graph = {"a": ("b.c",), "b.c": ("a",), "b": ("d",)}
    assert closure(["a"], graph.get) == ("a", "b", "b.c", "d")


@pytest.mark.parametrize("module", ["json", "decimal", "ctypes", "asyncio", "email.message", "sqlite3", "ssl"])
def test_the_interpreter_imports_no_less(module: str) -> None:
    """What runs is a subset of what the source says, and no extension module of the library is missed."""
    interpreter = live().interpreter
    code = f"import sys, json; before = set(sys.modules); import {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [interpreter.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, env={}
    )
    loaded = set(json.loads(done.stdout)) & set(interpreter.extensions)
    told = set(closure([module, "json"], interpreter.stdlib_imports)) | set(interpreter.startup_modules)
    assert loaded - told == set()


def test_unknown_modules_are_none(tmp_path: Path) -> None:
    (tmp_path / "known.py").write_text("import sys, known.sub, unknown\n")
    source = StdlibSource(tmp_path, lambda name: name == "sys")
    assert source("known") == ("sys",)
    assert source("unknown") is None
    assert source("sys") is None


def test_modules_leave_out_what_is_installed_beside(tmp_path: Path) -> None:
    names = ["a.py", "p/__init__.py", "p/b.py", "site-packages/x.py", "test/t.py", "p/tests/t.py", "p/not-a-name.py"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert StdlibSource(tmp_path, bool).modules() == ["a", "p", "p.b"]


def test_startup_of_this_interpreter() -> None:
    """`python -I -S` has imported nothing that the source does not tell."""
    code = "import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, env={})
    assert set(done.stdout.split()) - set(live().interpreter.startup_modules) == set()
