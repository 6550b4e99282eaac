"""A site-packages made of text, seen by a CPython 3.11 on x86_64 Linux without a standard library."""

from __future__ import annotations

from pathlib import Path

from abiclash.imports.documents import Digests
from abiclash.imports.files import DirectoryFiles
from abiclash.imports.plan import LoadPlan, plan
from abiclash.imports.world import Python, World

Files = dict[str, str | bytes]
EXT = ".cpython-311-x86_64-linux-gnu.so"
STDLIB: dict[str, tuple[str, ...]] = dict.fromkeys(
    (
        "os", "os.path", "importlib", "importlib.util", "importlib.machinery", "importlib.metadata", "ctypes", "copy",
        "ctypes.util", "types", "typing", "glob", "pathlib", "pkgutil", "platform", "warnings", "functools", "re",
        "contextlib", "sysconfig", "logging", "itertools", "inspect",
    ),
    (),
)  # fmt: skip
"""What stands for the standard library: its modules import nothing, and `natives` knows those that matter."""


PYTHON = Python(
    version=(3, 11, 7),
    suffixes=(EXT, ".abi3.so", ".so"),
    builtins=frozenset(("sys", "builtins", "_imp", "posix", "marshal", "time")),
    stdlib_imports=STDLIB.get,
)


def programs(name: str) -> dict[str, str]:
    """Return the programs in cases/{name}.txt by their headings."""
    text = (Path(__file__).parent / "cases" / f"{name}.txt").read_text(encoding="utf-8")
    parts = [part.partition("\n") for part in text.replace("{EXT}", EXT).split("\n## ")[1:]]
    return {title: program for title, _, program in parts}


def lay_out(folder: Path, files: Files) -> Path:
    """Write files below folder/site-packages and return that. `.so` in a name stands for the version's suffix."""
    site = folder / "site-packages"
    for name, content in files.items():
        path = site / name.replace("+.so", EXT)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return site


def world_of(site: Path, python: Python = PYTHON, digests: Digests | None = None) -> World:
    root = str(site)
    return World(python, (DirectoryFiles(root),), ["/usr/lib/python3.11", root], digests or Digests())


def planned(folder: Path, files: Files, *modules: str, python: Python = PYTHON) -> LoadPlan:
    return plan(modules or ("pkg",), world_of(lay_out(folder, files), python))


def names(found: LoadPlan, *, possible: bool = False) -> list[str]:
    """Return the loads' module names (file names for other libraries), without the merely possible ones."""
    return [load.module or Path(load.path).name for load in found.loads if (load.certainty == "possible") == possible]
