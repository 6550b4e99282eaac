"""When C code imports what it names: at its initialisation, or later, when its package is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.imports.files import DirectoryFiles
from abiclash.imports.plan import plan
from abiclash.imports.world import World
from tests.imports.site import EXT, PYTHON, Files, lay_out, names, planned

if TYPE_CHECKING:
    from pathlib import Path


def c_strings(*texts: str) -> bytes:
    return b"\0" + b"\0".join(text.encode() for text in texts) + b"\0"


def test_c_code_imports_its_own_package_when_it_needs_it(tmp_path: Path) -> None:
    """As numpy's: its functions import what the package has long imported by itself."""
    files: Files = {
        "pkg/__init__.py": "from . import _core\nfrom . import first, internal",
        "pkg/_core+.so": c_strings("pkg.internal", "pkg.unheard", "other.api._C_API"),
        "pkg/first.py": "import _f",
        "pkg/internal.py": "import _i",
        "pkg/unheard.py": "import _u",
        "other/__init__.py": "",
        **{f"{name}+.so": b"" for name in ("other/api", "_f", "_i", "_u")},
    }
    assert names(planned(tmp_path, files)) == ["pkg._core", "other.api", "_f", "_i", "_u"]
    late = planned(tmp_path, files, "pkg._core")
    assert names(late) == ["pkg._core", "other.api", "_f", "_i", "_u"]


def test_what_cython_needs_from_c_comes_first(tmp_path: Path) -> None:
    files: Files = {
        "pkg/__init__.py": "from . import _core",
        "pkg/_core+.so": c_strings("cython_runtime", "helper", "pkg.a_module", "pkg.types", "_sibling", "__init__"),
        "pkg/a_module.py": "from . import _m",
        **{f"pkg/{name}+.so": b"" for name in ("types", "_sibling", "_m")},
    }
    # A name without its package may be that of a function's import: it comes when the package is there.
    assert names(planned(tmp_path, files)) == ["pkg._core", "pkg.types", "pkg._m", "pkg._sibling"]


def test_functions_of_the_library_import_private_modules(tmp_path: Path) -> None:
    """As _codecs_jp.getcodec imports _multibytecodec."""
    dynload = tmp_path / "lib" / "lib-dynload"
    dynload.mkdir(parents=True)
    (dynload / f"_codecs_xx{EXT}").write_bytes(c_strings("_multi", "plain"))
    for name in ("_multi", "plain"):
        (dynload / f"{name}{EXT}").write_bytes(b"")
    stdlib = str(tmp_path / "lib")
    python = replace(PYTHON, stdlib=stdlib, dynload=str(dynload))

    def loaded(source: str) -> list[str]:
        site = lay_out(tmp_path, {"pkg.py": source})
        trees = (DirectoryFiles(str(site)), DirectoryFiles(str(dynload), {}), DirectoryFiles(stdlib, {}))
        return names(plan(["pkg"], World(python, trees, [stdlib, str(dynload), str(site)])))

    assert loaded("import _codecs_xx") == ["_codecs_xx"]
    used = "try:\n    __import__('_codecs_xx').getcodec('x')\nexcept LookupError:\n    pass\n"
    assert loaded(used) == ["_codecs_xx", "_multi"]


def test_a_table_with_unknown_names_is_not_empty(tmp_path: Path) -> None:
    """As anyio's, which reads its own source for what it would import: it imports nothing."""
    source = (
        "import ast\n"
        "def lazily():\n"
        "    table = {}\n"
        "    for node in ast.parse('...').body:\n"
        "        table[node.name] = node\n"
        "    if not table:\n        return False\n"
        "    __import__\n"
        "    return True\n"
        "if not lazily():\n    from . import _x\n"
    )
    files: Files = {"pkg/__init__.py": source, "pkg/_x+.so": b"", "ast.py": "from _ast import *", "_ast+.so": b""}
    assert "pkg._x" not in names(planned(tmp_path, files))
