"""The load plan, one small package per way of importing; each package is text and never executed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.imports.documents import Digests
from abiclash.imports.plan import everything, plan, plans
from tests.imports.site import EXT, PYTHON, Files, lay_out, names, planned, programs, world_of

if TYPE_CHECKING:
    from pathlib import Path

ORDER = programs("order")


@pytest.mark.parametrize("case", ORDER)
def test_imports_in_the_order_of_execution(tmp_path: Path, case: str) -> None:
    package, _, submodule = ORDER[case].partition("---\n")
    files: Files = {
        "pkg/_p+.so": b"",
        "pkg/_s+.so": b"",
        "pkg/__init__.py": package,
        "pkg/sub.py": submodule or "x = 1",
    }
    module = "pkg.sub" if case == "parent before submodule" else "pkg"
    assert names(planned(tmp_path, files, module)) == ["pkg._p", "pkg._s"]


CHOICES = programs("choices")


@pytest.mark.parametrize("case", CHOICES)
def test_conditions_are_decided_for_the_target(tmp_path: Path, case: str) -> None:
    files: Files = {
        "pkg/__init__.py": CHOICES[case],
        "pkg/plain.py": "x = 1\n",
        "pkg/_yes+.so": b"",
        "pkg/_no+.so": b"",
        "dist_name-2.5.dist-info/METADATA": "",
    }
    found = planned(tmp_path, files)
    assert [(load.module, load.certainty) for load in found.loads] == [("pkg._yes", "certain")]
    assert found.not_analysed == ()


REACHED = programs("reached")


@pytest.mark.parametrize("case", REACHED)
def test_code_that_an_import_surely_runs(tmp_path: Path, case: str) -> None:
    files: Files = {
        "pkg/__init__.py": REACHED[case],
        "pkg/_x+.so": b"",
        "pkg/tools.py": "import importlib\ndef load(n):\n    return importlib.import_module('.' + n, 'pkg')\n",
        "pkg/lazy.py": "import importlib\ndef __getattr__(name):\n    return importlib.import_module('pkg.' + name)\n",
        "pkg/table.py": (
            "import sys, types, importlib\n"
            "class Module(types.ModuleType):\n"
            "    def __init__(self, name, table):\n        super().__init__(name)\n        self._table = table\n"
            "    def __getattr__(self, name):\n        return importlib.import_module(self._table[name])\n"
            "sys.modules[__name__] = Module(__name__, {'_x': 'pkg._x'})\n"
        ),
        "pkg/loader.py": (
            "import importlib, types\n"
            "class Lazy(types.ModuleType):\n"
            "    def __getattr__(self, item):\n        return getattr(importlib.import_module(self.__name__), item)\n"
        ),
        "pkg/sub/__init__.py": "__all__ = ['_x']\nfrom pkg import _x\n" if case == "dunder all" else "",
        "pkg/config.py": "from pkg import _x\n",
        "somewhere.py": "ffi = object()\n",
    }
    found = planned(tmp_path, files)
    assert [(load.path.rpartition("/")[2], load.certainty) for load in found.loads] == [("_x" + EXT, "certain")]


UNREACHED = programs("unreached")


@pytest.mark.parametrize("case", UNREACHED)
def test_code_that_an_import_does_not_run(tmp_path: Path, case: str) -> None:
    files: Files = {"pkg/__init__.py": UNREACHED[case], "pkg/_x+.so": b"", "pkg/_m.py": "from . import _x"}
    assert names(planned(tmp_path, files)) == []


def test_unknown_condition_makes_both_branches_possible(tmp_path: Path) -> None:
    source = "from . import other\nif other.probe():\n    from . import _a\nelse:\n    from . import _b\n"
    files: Files = {"pkg/__init__.py": source, "pkg/other+.so": b"", "pkg/_a+.so": b"", "pkg/_b+.so": b""}
    found = planned(tmp_path, files)
    assert names(found) == ["pkg.other"]
    assert names(found, possible=True) == ["pkg._a", "pkg._b"]


def test_what_was_possible_becomes_certain_and_moves_to_its_time(tmp_path: Path) -> None:
    files: Files = {
        "pkg/__init__.py": "from . import c\nif c.probe():\n    from . import deep\nfrom . import _first, deep\n",
        "pkg/deep.py": "from . import _deep\n",
        **{f"pkg/{name}+.so": b"" for name in ("c", "_first", "_deep")},
    }
    found = planned(tmp_path, files)
    assert names(found) == ["pkg.c", "pkg._first", "pkg._deep"]
    assert [load.certainty for load in found.loads] == ["certain"] * 3


def test_what_stays_possible_comes_after_what_it_needs(tmp_path: Path) -> None:
    """`opt` may be imported, and imports `_a` before `_o`: wherever it happens, `_a` is there first."""
    files: Files = {
        "pkg/__init__.py": "from . import c\nif c.probe():\n    import opt\nimport _b, _a\n",
        "opt/__init__.py": "import _a, _o\n",
        **{f"{name}+.so": b"" for name in ("pkg/c", "_a", "_b", "_o")},
    }
    found = planned(tmp_path, files)
    assert [(load.module, load.certainty) for load in found.loads] == [
        ("pkg.c", "certain"),
        ("_b", "certain"),
        ("_a", "certain"),
        ("_o", "possible"),
    ]


def test_flags_follow_setdlopenflags_and_modes(tmp_path: Path) -> None:
    source = (
        "import sys, os, ctypes\n"
        "here = os.path.dirname(os.path.abspath(__file__))\n"
        "for lib in ['libone.so', 'libtwo.so']:\n"
        "    ctypes.CDLL(os.path.join(here, 'lib', lib), mode=ctypes.RTLD_GLOBAL)\n"
        "old = sys.getdlopenflags()\n"
        "sys.setdlopenflags(old | os.RTLD_GLOBAL)\n"
        "try:\n    from . import _global\n"
        "finally:\n    sys.setdlopenflags(old)\n"
        "from . import _local\n"
        "ctypes.cdll.LoadLibrary('libm.so.6')\n"
        "ctypes.PyDLL(None)\n"
    )
    files: Files = {
        "pkg/__init__.py": source,
        **dict.fromkeys(("pkg/lib/libone.so", "pkg/lib/libtwo.so", "pkg/_global+.so", "pkg/_local+.so"), b""),
    }
    found = planned(tmp_path, files)
    assert [(load.module or load.path.rpartition("/")[2], load.flags) for load in found.loads] == [
        ("libone.so", 0x102), ("libtwo.so", 0x102), ("pkg._global", 0x102), ("pkg._local", 0x2), ("libm.so.6", 0x2),
    ]  # fmt: skip
    assert found.loads[-1].path == "libm.so.6"
    assert found.loads[0].cause.text == "ctypes.CDLL('libone.so', mode=RTLD_GLOBAL)"
    assert (str(tmp_path / "site-packages/pkg/__init__.py"), 4) == (
        found.loads[0].cause.file,
        found.loads[0].cause.line,
    )


def test_library_that_is_not_there_raises_oserror(tmp_path: Path) -> None:
    source = (
        "import ctypes, os\n"
        "try:\n    ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'no.so'))\n"
        "except OSError:\n    from . import _x"
    )
    assert names(planned(tmp_path, {"pkg/__init__.py": source, "pkg/_x+.so": b""})) == ["pkg._x"]


def test_package_that_imports_itself_again_from_another_place(tmp_path: Path) -> None:
    """The loader of opencv-python: a configuration file names a folder, and the package replaces itself."""
    source = (
        "import os, sys, importlib\n"
        "def boot():\n"
        "    here = os.path.dirname(__file__)\n"
        "    values = locals().copy()\n"
        "    with open(os.path.join(here, 'config.py')) as f:\n"
        "        exec(compile(f.read(), 'c', 'exec'), globals(), values)\n"
        "    for p in reversed(values['PATHS']):\n        sys.path.insert(1, p)\n"
        "    old = sys.modules.pop('pkg')\n"
        "    native = importlib.import_module('pkg')\n"
        "    sys.modules['pkg'] = old\n"
        "boot()\n"
    )
    files: Files = {
        "pkg/__init__.py": source,
        "pkg/config.py": "PATHS = [os.path.join(here, 'bin')]\n",
        "pkg/bin/pkg+.so": b"",
    }
    found = planned(tmp_path, files)
    assert [str(tmp_path / f"site-packages/pkg/bin/pkg{EXT}")] == [load.path for load in found.loads]


def test_missing_import_ends_the_module_and_is_told(tmp_path: Path) -> None:
    files: Files = {
        "pkg/__init__.py": "from . import _a\nimport absent\nfrom . import _b",
        "pkg/_a+.so": b"",
        "pkg/_b+.so": b"",
    }
    found = planned(tmp_path, files)
    assert names(found) == ["pkg._a"]
    assert [(n.what, n.reason) for n in found.not_analysed] == [("import pkg", "ends early: No module named 'absent'")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"print 'two'\n", "not readable as Python source"),
        (b"# coding: utf-8\nx = '\xff'\n", "not readable as Python source"),
        (b"x = " + b"(" * 5000 + b")" * 5000, "not readable as Python source: too many nested parentheses"),
        (b"x = " + b"-" * 20000 + b"1", "nested too deeply"),
        (b"x\0y", "not readable as Python source"),
    ],
)
def test_unreadable_module_is_told_and_the_plan_goes_on(tmp_path: Path, content: bytes, reason: str) -> None:
    files: Files = {
        "pkg/__init__.py": "from . import bad\nfrom . import _x\n",
        "pkg/bad.py": content,
        "pkg/_x+.so": b"",
    }
    found = planned(tmp_path, files)
    assert names(found) == ["pkg._x"]
    assert [str(tmp_path / "site-packages/pkg/bad.py")] == [n.what for n in found.not_analysed]
    assert reason in found.not_analysed[0].reason


def test_search_follows_importlib(tmp_path: Path) -> None:
    """A package beats a module, an extension beats source, the version's suffix beats abi3; folders merge."""
    files: Files = {
        "pkg/__init__.py": "import both.deep, both.other, first, second\n",
        "both/deep+.so": b"", "both/other.abi3.so": b"",
        "first.abi3.so": b"", "first+.so": b"", "first.py": "import absent",
        "second/__init__+.so": b"", "second.py": "import absent",
    }  # fmt: skip
    found = planned(tmp_path, files)
    assert names(found) == ["both.deep", "both.other", "first", "second"]
    assert "/first" + EXT in found.loads[2].path


def test_other_interpreter_takes_its_own_suffixes(tmp_path: Path) -> None:
    files: Files = {
        "pkg/__init__.py": "from . import _x",
        "pkg/_x+.so": b"",
        "pkg/_x.cpython-39-aarch64-linux-gnu.so": b"",
    }
    python = replace(PYTHON, version=(3, 9, 1), suffixes=(".cpython-39-aarch64-linux-gnu.so",), machine="aarch64")
    (load,) = planned(tmp_path, files, python=python).loads
    assert load.path.endswith("_x.cpython-39-aarch64-linux-gnu.so")


def test_runaway_code_is_bounded(tmp_path: Path) -> None:
    source = (
        "def f(n):\n    f(n + 'a')\n    f(n + 'b')\n    import sys\nf('')\n"
        "while True:\n    pass\n"
        "big = 'x' * 10**9 * 10**9\n"
        "power = [0] * 10**12\n"
        "from . import _x\n"
    )
    assert names(planned(tmp_path, {"pkg/__init__.py": source, "pkg/_x+.so": b""})) == ["pkg._x"]


def test_deep_chain_of_imports(tmp_path: Path) -> None:
    count = 1500
    files: Files = {f"pkg/m{i}.py": f"from . import m{i + 1}\n" for i in range(count)}
    files |= {f"pkg/m{count}.py": "from . import _x", "pkg/_x+.so": b"", "pkg/__init__.py": "from . import m0"}
    found = planned(tmp_path, files)
    assert names(found) == ["pkg._x"]
    assert count + 3 == found.modules


def test_several_imports_share_one_interpreter(tmp_path: Path) -> None:
    files: Files = {"a.py": "import shared", "b.py": "import shared, own", "shared+.so": b"", "own+.so": b""}
    first, both = plans([["a"], ["b"]], world_of(lay_out(tmp_path, files)))
    assert names(first) == ["shared"]
    assert names(both) == ["shared", "own"]


def test_everything_adds_the_rest_of_a_package_in_order(tmp_path: Path) -> None:
    files: Files = {
        "pkg/__init__.py": "from . import _b",
        "pkg/_b+.so": b"",
        "pkg/_c+.so": b"",
        "pkg/_a+.so": b"",
        "pkg/x.py": "",
    }
    site = lay_out(tmp_path, files)
    world = world_of(site)
    known = plan(["pkg"], world)
    rest = everything("pkg", world, [str(path) for path in site.rglob("*") if path.is_file()], known)
    assert [(load.module, load.cause.kind, load.certainty) for load in rest] == [
        ("pkg._a", "assumed", "possible"),
        ("pkg._c", "assumed", "possible"),
    ]


def test_owner_comes_from_the_record(tmp_path: Path) -> None:
    files: Files = {
        "pkg/__init__.py": "from . import _x",
        "pkg/_x+.so": b"",
        "My_Dist-1.0.dist-info/RECORD": f"pkg/__init__.py,,\npkg/_x{EXT},sha256=x,0\n",
    }
    assert [load.package for load in planned(tmp_path, files).loads] == ["my-dist"]


class Memory:
    """A cache of documents that counts what is asked of it."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}
        self.written = 0

    def get_document(self, kind: str, key: str) -> bytes | None:
        return self.kept.get((kind, key))

    def put_document(self, kind: str, key: str, data: bytes) -> None:
        self.kept[kind, key] = data
        self.written += 1


def test_digests_are_kept_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    files: Files = {"pkg/__init__.py": "def f():\n    from . import _x\nf()\n", "pkg/_x+.so": b"", "pkg/_y+.so": b""}
    site, memory = lay_out(tmp_path, files), Memory()
    assert names(plan(["pkg"], world_of(site, digests=Digests(memory)))) == ["pkg._x"]
    assert memory.written == 1
    assert names(plan(["pkg"], world_of(site, digests=Digests(memory)))) == ["pkg._x"]
    assert memory.written == 1
    (site / "pkg/__init__.py").write_text("from . import _y  # another size\n", encoding="utf-8")
    assert names(plan(["pkg"], world_of(site, digests=Digests(memory)))) == ["pkg._y"]
    assert memory.written == 2


def test_what_two_processes_keep_at_once_is_kept(tmp_path: Path) -> None:
    """Workers of a corpus lost each other's digests, and published facts lacked them."""
    files: Files = {"pkg/__init__.py": "", "pkg/a.py": "from . import _x", "pkg/b.py": "from . import _y"}
    site, memory = lay_out(tmp_path, {**files, "pkg/_x+.so": b"", "pkg/_y+.so": b""}), Memory()
    one, other = Digests(memory), Digests(memory)
    plan(["pkg"], world_of(site, digests=one))
    plan(["pkg"], world_of(site, digests=other))
    plan(["pkg.a"], world_of(site, digests=one))
    plan(["pkg.b"], world_of(site, digests=other))
    written = memory.written
    plan(["pkg.a", "pkg.b"], world_of(site, digests=Digests(memory)))
    assert memory.written == written


@pytest.mark.parametrize("damage", [b"", b"{", b"[]\n", b'{"pkg/__init__.py": [1]}\n', b"\xff\xfe"])
def test_damaged_document_is_made_again(tmp_path: Path, damage: bytes) -> None:
    site, memory = lay_out(tmp_path, {"pkg/__init__.py": "from . import _x", "pkg/_x+.so": b""}), Memory()
    plan(["pkg"], world_of(site, digests=Digests(memory)))
    memory.kept = dict.fromkeys(memory.kept, damage)
    assert names(plan(["pkg"], world_of(site, digests=Digests(memory)))) == ["pkg._x"]
