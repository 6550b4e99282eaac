"""Python source: one module's digest, its rewriting for older parsers, and a plan that imports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.errors import SourceError
from abiclash.imports import plan_document
from abiclash.imports.files import Stamp
from abiclash.imports.newer_syntax import in_older_syntax
from abiclash.imports.plan import plan
from abiclash.imports.source import ModuleSource, read_module
from abiclash.imports.world import World
from tests.fuzz.target import Target
from tests.imports.site import EXT, PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping

SITE = "/site"
OTHERS = {
    "pkg/deep/__init__.py": b"from . import low\nfrom pkg import _native\ndef __getattr__(name): return low\n",
    "pkg/deep/low.py": b"import pkg, ctypes\nfunction = ctypes.CDLL\nclass A:\n    x = pkg\n",
    f"pkg/_native{EXT}": b"\x7fELF pkg._more\0pkg.deep\0",
    f"pkg/_more{EXT}": b"\x7fELF",
    "pkg/data.txt": b"import other\n",
    "other.py": b"import os\nos.environ['A'] = 'b'\n",
}


@dataclass
class MemoryFiles:
    """A site-packages that lies in memory."""

    files: Mapping[str, bytes]
    root: str = SITE
    _folders: dict[str, dict[str, bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.files:
            *folders, _ = path = name.split("/")
            for depth, part in enumerate(path):
                here = "/".join((SITE, *path[:depth]))
                self._folders.setdefault(here, {})[part] = depth < len(folders)

    def entries(self, directory: str) -> Mapping[str, bool]:
        return self._folders.get(directory, {})

    def read(self, path: str) -> bytes:
        try:
            return self.files[path.removeprefix(SITE + "/")]
        except KeyError:
            raise SourceError(f"{path}: there is no such file") from None

    def owner(self, path: str) -> str | None:
        return "pkg" if path.startswith(f"{SITE}/pkg/") else None

    def requires(self, owner: str) -> frozenset[str] | None:
        return frozenset(("other",)) if owner == "pkg" else None

    def stamp(self, path: str) -> Stamp:
        return Stamp("memory", path)


class Kept:
    """A store of documents in memory."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], bytes] = {}

    def get_document(self, kind: str, key: str) -> bytes | None:
        return self.documents.get((kind, key))

    def put_document(self, kind: str, key: str, data: bytes) -> None:
        self.documents[kind, key] = data


def run(raw: bytes) -> None:
    in_older_syntax(raw)
    source = read_module(raw, "pkg")
    if source.error is None:
        digest = ModuleSource.load(*source.dump())
        assert digest.environment == source.environment
    files = MemoryFiles({"pkg/__init__.py": raw, **OTHERS})
    found = plan(["pkg"], World(PYTHON, (files,), ["/usr/lib/python3.11", SITE]))
    cache = Kept()
    plan_document.keep(cache, "key", [found])
    (again,) = plan_document.find(cache, "key") or []
    assert (again.loads, again.not_analysed, again.endings) == (found.loads, found.not_analysed, found.endings)


TARGET = Target("source", run)
