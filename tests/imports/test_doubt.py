"""What raises or may raise, and what is imported late: how sure the plan is of what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.imports.site import names, planned

if TYPE_CHECKING:
    from pathlib import Path

LAZY = """\
import importlib, sys
def attach(package, names):
    owner = sys._getframe(1).f_globals.get("__name__")
    if owner is None:
        raise RuntimeError("no owner")
    def __getattr__(name):
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(name)
    return __getattr__, list(names)
"""


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        ("try:\n    get_ipython().kernel\n    import _x\nexcept Exception:\n    import _y", ["_y"]),  # NameError
        ("exec('from lazy.sub import *\\nimport _x')", ["_x"]),
        ("import _c\nsorted(_c.all(), key=lambda name: __import__('_x'))", ["_c", "_x"]),
        ("import _c\nlist(map(lambda name: __import__('_x'), _c.all()))", ["_c", "_x"]),
        ("import _c, os\n_c.load_plugin(os.path.dirname(__file__) + '/plugin.so')", ["_c", "plugin.so"]),
        ("import _c\n_c.load_plugin('/nowhere/plugin.so')", ["_c"]),
        ("import _c\nif _c.name() == 'x':\n    import nowhere\nelse:\n    import _y", ["_c", "_y"]),
        ("import _c\nif _c.name():\n    import _x\nelse:\n    raise ImportError", ["_c", "_x"]),
        ("import _c\nif _c.name():\n    import _x\nelse:\n    import _y", ["_c"]),
    ],
)
def test_what_happens_as_a_rule(tmp_path: Path, program: str, wanted: list[str]) -> None:
    files: dict[str, str | bytes] = {f"{name}+.so": b"" for name in ("_c", "_x", "_y")}
    files |= {"pkg/__init__.py": program, "pkg/plugin.so": b"", "lazy/__init__.py": "", "lazy/sub.py": ""}
    assert names(planned(tmp_path, files)) == wanted


def test_a_parent_that_may_have_imported_the_module_before(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "p/__init__.py": "import p._c\nif p._c.name() == 'Z':\n    from p import q",
        "p/q.py": "import p._x",
        "p/_c+.so": b"",
        "p/_x+.so": b"",
    }
    assert names(planned(tmp_path, files, "p")) == ["p._c"]
    assert names(planned(tmp_path, files, "p.q")) == ["p._c", "p._x"]


def test_lazy_attribute_that_may_have_been_imported_before(tmp_path: Path) -> None:
    getter = "def __getattr__(name):\n    import importlib\n    return importlib.import_module('p.' + name)\n"
    files: dict[str, str | bytes] = {
        "p/__init__.py": getter,
        "p/late.py": "import p._x",
        "p/_x+.so": b"",
        "_c+.so": b"",
        "pkg.py": "import _c, p\nif _c.flag():\n    p.late\np.late.call()",
    }
    found = planned(tmp_path, files)
    assert [(load.module, load.certainty) for load in found.loads] == [("_c", "certain"), ("p._x", "certain")]


def test_names_that_a_helper_makes_lazy(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "lazy.py": LAZY,
        "p/__init__.py": "import lazy\n__getattr__, __all__ = lazy.attach('q', ['a', 'b'])",
        "q/__init__.py": "",
        "q/a.py": "import _x",
        "q/b.py": "import _y",
        "_x+.so": b"",
        "_y+.so": b"",
        "pkg.py": "from p import a",
    }
    assert names(planned(tmp_path, files)) == ["_x"]


SEARCH = """\
import importlib, _c
def first(name):
    for module in ("_x", "_y"):
        try:
            importlib.import_module(module).{call}(name)
        except LookupError:
            continue
        return True
first("a")
"""


def test_search_whose_success_c_code_decides_tries_all(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{name}+.so": b"" for name in ("_c", "_x", "_y")}
    assert names(planned(tmp_path, {**files, "pkg.py": SEARCH.format(call="codec")})) == ["_c", "_x", "_y"]


def test_first_library_that_exists_ends_a_search(tmp_path: Path) -> None:
    program = """\
import ctypes, os
def first():
    for name in ("none.so", "one.so", "two.so"):
        try:
            return ctypes.CDLL(os.path.join(os.path.dirname(__file__), name))
        except OSError:
            continue
first()
"""
    files: dict[str, str | bytes] = {"pkg/__init__.py": program, "pkg/one.so": b"", "pkg/two.so": b""}
    assert names(planned(tmp_path, files)) == ["one.so"]


def test_a_helper_of_c_code_that_the_package_does_not_require(tmp_path: Path) -> None:
    module = b"\0cython_runtime\0helper\0compute\0"  # names a module and something that it defines
    files: dict[str, str | bytes] = {
        "pkg+.so": module,
        "helper.py": "import _h\ndef compute(): pass",
        "_h+.so": b"",
        "demo-1.0.dist-info/RECORD": "pkg.cpython-311-x86_64-linux-gnu.so,,\n",
        "demo-1.0.dist-info/METADATA": "Name: demo\nRequires-Dist: helper_dist ; extra == 'all'\n",
        "Helper.Dist-1.0.dist-info/RECORD": "helper.py,,\n",
    }
    assert names(planned(tmp_path, files)) == ["pkg"]
    files["demo-1.0.dist-info/METADATA"] = "Name: demo\nRequires-Dist: helper_dist>=1; python_version > '3'\n"
    assert names(planned(tmp_path, files)) == ["pkg", "_h"]


def test_text_that_executes_itself_ends(tmp_path: Path) -> None:
    program = "text = 'exec(text); exec(text)'\nexec(text)\nimport _x"
    assert names(planned(tmp_path, {"pkg.py": program, "_x+.so": b""})) == ["_x"]
