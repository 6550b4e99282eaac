"""The load plan, one small package per way of importing; each package is text and never executed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.imports.documents import Digests
from abiclash.imports.plan import everything, plan, plans
from tests.imports.site import EXT, PYTHON, lay_out, names, planned, world_of

if TYPE_CHECKING:
    from pathlib import Path

ORDER = {
    "parent before submodule": ({"pkg/__init__.py": "from . import _p\n", "pkg/sub.py": "import pkg._s"}, "pkg.sub"),
    "from-import of a submodule": ({"pkg/__init__.py": "from pkg import _p\nfrom pkg.sub import x\nimport pkg._s"}, "pkg"),
    "circular": (
        {"pkg/__init__.py": "from . import _p, sub\n", "pkg/sub.py": "import pkg\nfrom . import _s\nfrom pkg import _p"},
        "pkg",
    ),
    "loop over a constant": (
        {"pkg/__init__.py": "import importlib\nfor n in ('_p', '_s'):\n    importlib.import_module('.' + n, __name__)"},
        "pkg",
    ),
    "f-string and format": (
        {"pkg/__init__.py": "import importlib as i\ni.import_module(f'{__name__}._p')\n__import__('pkg.{}'.format('_s'))"},
        "pkg",
    ),
}


@pytest.mark.parametrize("case", ORDER)
def test_imports_in_the_order_of_execution(tmp_path: Path, case: str) -> None:
    files, module = ORDER[case]
    both = {"pkg/_p+.so": b"", "pkg/_s+.so": b"", "pkg/sub.py": "x = 1\n"}
    assert ["pkg._p", "pkg._s"] == names(planned(tmp_path, {**both, **files}, module))


CHOICES = {
    "try finds it": "try:\n    from . import _yes\nexcept ImportError:\n    from . import _no",
    "try falls back": "try:\n    import absent\n    from . import _no\nexcept ImportError:\n    from . import _yes",
    "module not found error": "try:\n    import absent.sub\nexcept (OSError, ModuleNotFoundError):\n    import pkg._yes",
    "absent name in a module": "try:\n    from .plain import absent\nexcept ImportError:\n    from . import _yes",
    "else of try": "try:\n    from . import plain\nexcept ImportError:\n    pass\nelse:\n    from . import _yes",
    "finally": "try:\n    import absent\nexcept ImportError:\n    pass\nfinally:\n    from . import _yes",
    "suppress": "import contextlib\nwith contextlib.suppress(ImportError):\n    import absent\n    from . import _no\nimport pkg._yes",
    "bare name": "try:\n    FLAG\nexcept NameError:\n    FLAG = False\nif FLAG:\n    from . import _no\nelse:\n    from . import _yes",
    "version": "import sys\nif sys.version_info >= (3, 12):\n    from . import _no\nelif sys.version_info[:2] == (3, 11):\n    from . import _yes",
    "platform": "import sys, os\nif sys.platform == 'win32' or os.name == 'nt':\n    from . import _no\nelse:\n    from . import _yes",
    "machine": "import platform\nif platform.machine() == 'x86_64' and platform.system() == 'Linux':\n    from . import _yes",
    "main guard": "if __name__ == '__main__':\n    from . import _no\nfrom . import _yes",
    "type checking": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import _no\nfrom . import _yes",
    "unset variable": "import os\nif os.environ.get('PKG_PURE'):\n    from . import _no\nelse:\n    from . import _yes",
    "set by itself": "import os\nos.environ['A'] = '1'\nif 'A' in os.environ:\n    from . import _yes",
    "sys.modules": "import sys\nif 'pkg' in sys.modules and 'other' not in sys.modules:\n    from . import _yes",
    "file exists": "import os\nif os.path.exists(os.path.join(os.path.dirname(__file__), 'plain.py')):\n    from . import _yes",
    "compared versions": "class Version:\n    pass\nif Version('1.10') > Version('1.9'):\n    from . import _yes\nelse:\n    from . import _no",
    "hasattr of a module": "from . import plain\nif hasattr(plain, 'absent'):\n    from . import _no\nelse:\n    from . import _yes",
    "find_spec": "import importlib.util\nif importlib.util.find_spec('absent') is None:\n    from . import _yes",
    "metadata": "import importlib.metadata as m\nif m.version('Dist.Name') == '2.5':\n    from . import _yes",
    "no metadata": "import importlib.metadata as m\ntry:\n    m.version('absent')\nexcept m.PackageNotFoundError:\n    import pkg._yes",
    "any of a table": "if any(x.startswith('b') for x in ['a', 'b']):\n    from . import _yes",
    "key error": "table = {'a': 1}\ntry:\n    table['b']\nexcept KeyError:\n    from . import _yes",
    "raised again": "try:\n    try:\n        import absent\n    except ImportError:\n        raise\nexcept ImportError:\n    import pkg._yes",
}  # fmt: skip


@pytest.mark.parametrize("case", CHOICES)
def test_conditions_are_decided_for_the_target(tmp_path: Path, case: str) -> None:
    files = {
        "pkg/__init__.py": CHOICES[case],
        "pkg/plain.py": "x = 1\n",
        "pkg/_yes+.so": b"",
        "pkg/_no+.so": b"",
        "dist_name-2.5.dist-info/METADATA": "",
    }
    found = planned(tmp_path, files)
    assert [("pkg._yes", "certain")] == [(load.module, load.certainty) for load in found.loads]
    assert () == found.not_analysed


REACHED = {
    "function": "def load():\n    from . import _x\nload()",
    "function of another module": "from .tools import load\nload('_x')",
    "method": "class A:\n    def go(self):\n        from . import _x\nA().go()",
    "constructor": "class A:\n    def __init__(self):\n        from . import _x\nA()",
    "inherited constructor": "class A:\n    def __init__(self):\n        from . import _x\nclass B(A):\n    pass\nB()",
    "classmethod": "class A:\n    @classmethod\n    def go(cls):\n        from . import _x\nA.go()",
    "property": "class A:\n    @property\n    def x(self):\n        from . import _x\nA().x",
    "decorator": "def deco(f):\n    from . import _x\n    return f\n@deco\ndef g():\n    pass",
    "decorator with arguments": "def deco(n):\n    def inner(f):\n        __import__('pkg.' + n)\n    return inner\n@deco('_x')\nclass C:\n    pass",
    "class body": "class A:\n    from . import _x",
    "default argument": "from . import lazy\ndef f(x=lazy._x):\n    pass",
    "annotation": "from . import lazy\ndef f(x: lazy._x):\n    pass",
    "lambda": "f = lambda n: __import__('pkg.' + n)\nf('_x')",
    "partial": "import functools, importlib\nfunctools.partial(importlib.import_module, 'pkg._x')()",
    "context manager": "class M:\n    def __enter__(self):\n        from . import _x\nwith M():\n    pass",
    "generator context": "import contextlib\n@contextlib.contextmanager\ndef m():\n    yield '_x'\nwith m() as n:\n    __import__('pkg.' + n)",
    "callback": "def run(f):\n    f()\ndef load():\n    from . import _x\nrun(load)",
    "generator": "def gen():\n    yield '_x'\nfor n in gen():\n    __import__('pkg.' + n)",
    "module getattr": "from . import lazy\nlazy._x",
    "from module getattr": "from .lazy import _x",
    "attribute chain": "import pkg.lazy as z\nvalue = z._x.member.deeper",
    "lazy table class": "from . import table\ntable._x",
    "dunder all": "from .sub import *",
    "lazy loader object": "from .loader import Lazy\nx = Lazy('pkg._x')\nx.anything",
    "globals update": "globals().update({n: __import__('pkg.' + n) for n in ['_x']})",
    "setattr of a class": "class A:\n    pass\ndef f(self):\n    from . import _x\nA.f = f\nA().f()",
    "iter_modules": "import pkgutil, importlib\nfor _, n, _ in pkgutil.iter_modules(__path__):\n    if n == '_x':\n        importlib.import_module('pkg.' + n)",
    "file location": "import importlib.util as u, os\ns = u.spec_from_file_location('pkg._x', os.path.join(os.path.dirname(__file__), '_x" + EXT + "'))\nm = u.module_from_spec(s)\ns.loader.exec_module(m)",
    "exec of a file": "import os\nwith open(os.path.join(os.path.dirname(__file__), 'config.py')) as f:\n    exec(compile(f.read(), 'config', 'exec'), globals())",
    "path from pathlib": "import pathlib, ctypes\nctypes.CDLL(str(pathlib.Path(__file__).parent / '_x" + EXT + "'))",
    "glob": "import glob, os, ctypes\nfor p in glob.glob(os.path.join(os.path.dirname(__file__), '_x*.so')):\n    ctypes.CDLL(p)",
    "cffi": "from somewhere import ffi\nimport os\nffi.dlopen(os.path.join(os.path.dirname(__file__), '_x" + EXT + "'))",
}  # fmt: skip


@pytest.mark.parametrize("case", REACHED)
def test_code_that_an_import_surely_runs(tmp_path: Path, case: str) -> None:
    files = {
        "pkg/__init__.py": REACHED[case],
        "pkg/_x+.so": b"",
        "pkg/tools.py": "import importlib\ndef load(n):\n    return importlib.import_module('.' + n, 'pkg')\n",
        "pkg/lazy.py": "def __getattr__(name):\n    import importlib\n    return importlib.import_module('pkg.' + name)\n",
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
    assert [("_x" + EXT, "certain")] == [(load.path.rpartition("/")[2], load.certainty) for load in found.loads]


UNREACHED = {
    "function that nobody calls": "def load():\n    from . import _x",
    "coroutine": "async def load():\n    from . import _x\nload()",
    "method of an unused class": "class A:\n    def go(self):\n        from . import _x",
    "decorator that only wraps": "def deco(f):\n    def inner():\n        return f()\n    return inner\n@deco\ndef g():\n    from . import _x",
    "lazy attribute that nobody touches": "def __getattr__(name):\n    from . import _x\n    return _x",
    "importlib's lazy loader": "import importlib.util as u\ns = u.find_spec('pkg._m')\nl = u.LazyLoader(s.loader)\nm = u.module_from_spec(s)\nl.exec_module(m)",
}  # fmt: skip


@pytest.mark.parametrize("case", UNREACHED)
def test_code_that_an_import_does_not_run(tmp_path: Path, case: str) -> None:
    files = {"pkg/__init__.py": UNREACHED[case], "pkg/_x+.so": b"", "pkg/_m.py": "from . import _x"}
    assert [] == names(planned(tmp_path, files))


def test_unknown_condition_makes_both_branches_possible(tmp_path: Path) -> None:
    source = "from . import other\nif other.probe():\n    from . import _a\nelse:\n    from . import _b\n"
    files = {"pkg/__init__.py": source, "pkg/other+.so": b"", "pkg/_a+.so": b"", "pkg/_b+.so": b""}
    found = planned(tmp_path, files)
    assert ["pkg.other"] == names(found)
    assert ["pkg._a", "pkg._b"] == names(found, possible=True)


def test_what_was_possible_becomes_certain_and_moves_to_its_time(tmp_path: Path) -> None:
    files = {
        "pkg/__init__.py": "from . import c\nif c.probe():\n    from . import deep\nfrom . import _first, deep\n",
        "pkg/deep.py": "from . import _deep\n",
        **{f"pkg/{name}+.so": b"" for name in ("c", "_first", "_deep")},
    }
    found = planned(tmp_path, files)
    assert ["pkg.c", "pkg._first", "pkg._deep"] == names(found)
    assert ["certain"] * 3 == [load.certainty for load in found.loads]


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
    files = {
        "pkg/__init__.py": source,
        **dict.fromkeys(("pkg/lib/libone.so", "pkg/lib/libtwo.so", "pkg/_global+.so", "pkg/_local+.so"), b""),
    }
    found = planned(tmp_path, files)
    assert [
        ("libone.so", 0x102), ("libtwo.so", 0x102), ("pkg._global", 0x102), ("pkg._local", 0x2), ("libm.so.6", 0x2),
    ] == [(load.module or load.path.rpartition("/")[2], load.flags) for load in found.loads]  # fmt: skip
    assert "libm.so.6" == found.loads[-1].path
    assert "ctypes.CDLL('libone.so', mode=RTLD_GLOBAL)" == found.loads[0].cause.text
    assert (str(tmp_path / "site-packages/pkg/__init__.py"), 4) == (found.loads[0].cause.file, found.loads[0].cause.line)


def test_library_that_is_not_there_raises_oserror(tmp_path: Path) -> None:
    source = "import ctypes, os\ntry:\n    ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'no.so'))\nexcept OSError:\n    from . import _x"
    assert ["pkg._x"] == names(planned(tmp_path, {"pkg/__init__.py": source, "pkg/_x+.so": b""}))


def test_package_that_imports_itself_again_from_another_place(tmp_path: Path) -> None:
    """The loader of opencv-python: a configuration file names a folder, and the package replaces itself."""
    source = (
        "import os, sys, importlib\n"
        "def boot():\n"
        "    here = os.path.dirname(__file__)\n"
        "    values = locals().copy()\n"
        "    with open(os.path.join(here, 'config.py')) as f:\n        exec(compile(f.read(), 'c', 'exec'), globals(), values)\n"
        "    for p in reversed(values['PATHS']):\n        sys.path.insert(1, p)\n"
        "    old = sys.modules.pop('pkg')\n"
        "    native = importlib.import_module('pkg')\n"
        "    sys.modules['pkg'] = old\n"
        "boot()\n"
    )
    files = {"pkg/__init__.py": source, "pkg/config.py": "PATHS = [os.path.join(here, 'bin')]\n", "pkg/bin/pkg+.so": b""}
    found = planned(tmp_path, files)
    assert [str(tmp_path / f"site-packages/pkg/bin/pkg{EXT}")] == [load.path for load in found.loads]


def test_missing_import_ends_the_module_and_is_told(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": "from . import _a\nimport absent\nfrom . import _b", "pkg/_a+.so": b"", "pkg/_b+.so": b""}
    found = planned(tmp_path, files)
    assert ["pkg._a"] == names(found)
    assert [("import pkg", "ends early: No module named 'absent'")] == [(n.what, n.reason) for n in found.not_analysed]


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
    files = {"pkg/__init__.py": "from . import bad\nfrom . import _x\n", "pkg/bad.py": content, "pkg/_x+.so": b""}
    found = planned(tmp_path, files)
    assert ["pkg._x"] == names(found)
    assert [str(tmp_path / "site-packages/pkg/bad.py")] == [n.what for n in found.not_analysed]
    assert reason in found.not_analysed[0].reason


def test_search_follows_importlib(tmp_path: Path) -> None:
    """A package beats a module, an extension beats source, the version's suffix beats abi3; folders merge."""
    files = {
        "pkg/__init__.py": "import both.deep, both.other, first, second\n",
        "both/deep+.so": b"", "both/other.abi3.so": b"",
        "first.abi3.so": b"", "first+.so": b"", "first.py": "import absent",
        "second/__init__+.so": b"", "second.py": "import absent",
    }  # fmt: skip
    found = planned(tmp_path, files)
    assert ["both.deep", "both.other", "first", "second"] == names(found)
    assert "/first" + EXT in found.loads[2].path


def test_other_interpreter_takes_its_own_suffixes(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": "from . import _x", "pkg/_x+.so": b"", "pkg/_x.cpython-39-aarch64-linux-gnu.so": b""}
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
    assert ["pkg._x"] == names(planned(tmp_path, {"pkg/__init__.py": source, "pkg/_x+.so": b""}))


def test_deep_chain_of_imports(tmp_path: Path) -> None:
    count = 1500
    files: dict[str, str | bytes] = {f"pkg/m{i}.py": f"from . import m{i + 1}\n" for i in range(count)}
    files |= {f"pkg/m{count}.py": "from . import _x", "pkg/_x+.so": b"", "pkg/__init__.py": "from . import m0"}
    found = planned(tmp_path, files)
    assert ["pkg._x"] == names(found)
    assert count + 3 == found.modules


def test_several_imports_share_one_interpreter(tmp_path: Path) -> None:
    files = {"a.py": "import shared", "b.py": "import shared, own", "shared+.so": b"", "own+.so": b""}
    first, both = plans([["a"], ["b"]], world_of(lay_out(tmp_path, files)))
    assert ["shared"] == names(first)
    assert ["shared", "own"] == names(both)


def test_everything_adds_the_rest_of_a_package_in_order(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": "from . import _b", "pkg/_b+.so": b"", "pkg/_c+.so": b"", "pkg/_a+.so": b"", "pkg/x.py": ""}
    site = lay_out(tmp_path, files)
    world = world_of(site)
    known = plan(["pkg"], world)
    rest = everything("pkg", world, [str(path) for path in site.rglob("*") if path.is_file()], known)
    assert [("pkg._a", "assumed", "possible"), ("pkg._c", "assumed", "possible")] == [
        (load.module, load.cause.kind, load.certainty) for load in rest
    ]


def test_owner_comes_from_the_record(tmp_path: Path) -> None:
    files = {
        "pkg/__init__.py": "from . import _x",
        "pkg/_x+.so": b"",
        "My_Dist-1.0.dist-info/RECORD": f"pkg/__init__.py,,\npkg/_x{EXT},sha256=x,0\n",
    }
    assert ["my-dist"] == [load.package for load in planned(tmp_path, files).loads]


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
    files = {"pkg/__init__.py": "def f():\n    from . import _x\nf()\n", "pkg/_x+.so": b"", "pkg/_y+.so": b""}
    site, memory = lay_out(tmp_path, files), Memory()
    assert ["pkg._x"] == names(plan(["pkg"], world_of(site, digests=Digests(memory))))
    assert 1 == memory.written
    assert ["pkg._x"] == names(plan(["pkg"], world_of(site, digests=Digests(memory))))
    assert 1 == memory.written
    (site / "pkg/__init__.py").write_text("from . import _y  # another size\n", encoding="utf-8")
    assert ["pkg._y"] == names(plan(["pkg"], world_of(site, digests=Digests(memory))))
    assert 2 == memory.written


@pytest.mark.parametrize("damage", [b"", b"{", b"[]\n", b'{"pkg/__init__.py": [1]}\n', b"\xff\xfe"])
def test_damaged_document_is_made_again(tmp_path: Path, damage: bytes) -> None:
    site, memory = lay_out(tmp_path, {"pkg/__init__.py": "from . import _x", "pkg/_x+.so": b""}), Memory()
    plan(["pkg"], world_of(site, digests=Digests(memory)))
    memory.kept = dict.fromkeys(memory.kept, damage)
    assert ["pkg._x"] == names(plan(["pkg"], world_of(site, digests=Digests(memory))))
