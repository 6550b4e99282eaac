"""Programs that hand modules on: packages under a second name, finders asked directly, callers looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from abiclash.imports.absent import absent
from abiclash.imports.plan import plan
from tests.imports.site import EXT, PYTHON, Files, lay_out, names, planned, world_of

FORWARDING = """\
import importlib, sys, types
class Lazy(types.ModuleType):
    def __init__(self, local, table, name):
        self._local, self._table = local, table
        super(Lazy, self).__init__(name)
    def _load(self):
        module = importlib.import_module(self.__name__)
        self._table[self._local] = module
        self.__dict__.update(module.__dict__)
        return module
    def __getattr__(self, item):
        module = self._load()
        return getattr(module, item)
def forward(old):
    parts = old.split(".")
    parts[0] += "_core"
    return sys.modules.setdefault(old, Lazy(parts[-1], globals(), ".".join(parts)))
for name in ["pkg.python", "pkg.core"]:
    forward(name)
from pkg_core import *
"""


def test_a_package_that_forwards_to_another(tmp_path: Path) -> None:
    """As tensorflow 1.15 to 2.1: the second import asks an object that is being loaded for its `__path__`."""
    files: Files = {
        "pkg/__init__.py": FORWARDING,
        "pkg_core/__init__.py": "from pkg.python.tools import helper\n",
        "pkg_core/python/__init__.py": "from pkg.core.framework import graph\nfrom pkg.python import _wrap\n",
        "pkg_core/python/_wrap+.so": b"",
        "pkg_core/python/tools/__init__.py": "",
        "pkg_core/python/tools/helper.py": "from pkg.python.tools import _native\n",
        "pkg_core/python/tools/_native+.so": b"",
        "pkg_core/core/__init__.py": "",
        "pkg_core/core/framework/__init__.py": "",
        "pkg_core/core/framework/graph.py": "from pkg.core.framework import _graph\n",
        "pkg_core/core/framework/_graph+.so": b"",
    }
    found = planned(tmp_path, files)
    assert not found.not_analysed
    assert names(found) == ["pkg.core.framework._graph", "pkg.python._wrap", "pkg.python.tools._native"]


def test_what_cannot_be_called_so_is_something_else(tmp_path: Path) -> None:
    """A decorator that is itself decorated, by what cannot be known (decorator.decorator, as in scipy)."""
    source = (
        "from made_by_c import decorator\n"
        "@decorator\ndef held(func, axes, figure=None):\n    import drawing\n    return func(axes)\n"
        "@held\ndef plot(data, figure=None):\n    pass\n"
        "from . import _a\n"
    )
    files: Files = {"pkg/__init__.py": source, "pkg/_a+.so": b"", "made_by_c+.so": b""}
    found = planned(tmp_path, files)
    assert not found.not_analysed
    assert names(found) == ["made_by_c", "pkg._a"]


def test_a_preload_through_the_finders(tmp_path: Path) -> None:
    """As pyarrow 0.10 to 0.12: the library of another package, found without importing it, or else the package."""
    source = (
        "import ctypes, importlib.util, os, sys\n"
        "def paths(name):\n"
        "    absolute = importlib.util.resolve_name(name, None)\n"
        "    for finder in sys.meta_path:\n"
        "        try:\n            spec = finder.find_spec(absolute, None)\n"
        "        except (AttributeError, TypeError):\n            spec = None\n"
        "        if spec is not None:\n            break\n"
        "    if spec:\n"
        "        module = importlib.util.module_from_spec(spec)\n"
        "        for path in module.__path__:\n            yield path\n"
        "def preload(name):\n"
        "    for path in paths(name):\n"
        "        library = os.path.join(path, 'lib' + name + '.so')\n"
        "        if os.path.exists(library):\n"
        "            ctypes.CDLL(library)\n            return\n"
        "    try:\n        __import__(name)\n    except ImportError:\n        pass\n"
        "preload('big')\npreload('other')\npreload('nowhere')\n"
    )
    files: Files = {
        "pkg/__init__.py": source,
        "big/__init__.py": "import big._native",
        "big/_native+.so": b"",
        "big/libbig.so": b"",
        "other/__init__.py": "import other._native",
        "other/_native+.so": b"",
    }
    found = planned(tmp_path, files)
    assert [Path(load.path).name for load in found.loads] == ["libbig.so", f"_native{EXT}"]
    assert not found.not_analysed


def test_a_file_beside_the_caller(tmp_path: Path) -> None:
    files: Files = {
        "pkg/__init__.py": "from .tools import beside\nimport pkg.native\n"
        "native.load_plugin(beside('_plugin.so'))\nnative.load_plugin(beside('_absent.so'))\n",
        "pkg/tools/__init__.py": "import inspect, os, sys\n"
        "def beside(name):\n"
        "    return os.path.join(os.path.dirname(inspect.getfile(sys._getframe(1))), name)\n",
        "pkg/native+.so": b"",
        "pkg/_plugin.so": b"",
        "pkg/tools/_plugin.so": b"",
    }
    found = planned(tmp_path, files)
    site = str(tmp_path / "site-packages")
    assert [(load.path.removeprefix(site), load.certainty) for load in found.loads] == [
        (f"/pkg/native{EXT}", "certain"),
        ("/pkg/_plugin.so", "likely"),
    ]


def test_a_required_package_that_could_not_be_read_is_taken_to_be_there(tmp_path: Path) -> None:
    source = (
        "import needed_thing, needed_thing.part\nfrom needed_thing import name\n"
        "try:\n    import optional\nexcept ImportError:\n    from . import _without\n"
        "from . import _a\nimport unknown\nfrom . import _b\n"
    )
    files: Files = {"pkg/__init__.py": source, **{f"pkg/{name}+.so": b"" for name in ("_a", "_b", "_without")}}
    requirements = (
        "Needed.Thing>=1", "optional; extra == 'more'", "old; python_version < '3.8'", "here", "not a requirement!",
    )  # fmt: skip
    world = replace(world_of(lay_out(tmp_path, files)), absent=absent(requirements, ["here"], PYTHON))
    assert world.absent == {"needed-thing"}
    found = plan(["pkg"], world)
    assert names(found) == ["pkg._without", "pkg._a"]
    assert [entry.what for entry in found.not_analysed] == ["import pkg", "import needed_thing"]
