"""The files a process could see: a wheel set laid out as site-packages, and the host beneath it.

A file is known by its id, an index that is equal in every process simulated in one world; ids make bindings of
different runs comparable by plain array comparison.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from abiclash.linker.tables import SymbolTable, VersionIds

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from abiclash.facts.model import ObjectFacts


class FileSource(Protocol):
    """A tree of files: a host, or the wheels of a scan."""

    def realpath(self, path: str) -> str | None:
        """Return the canonical path of an existing file, None where there is none."""

    def object(self, realpath: str) -> ObjectFacts | None:
        """Return the facts of an ELF file; None where the file is no readable ELF."""


@runtime_checkable
class KnowsIdentity(Protocol):
    """A source whose files can have several names without being symbolic links."""

    def identity(self, realpath: str) -> Hashable:
        """Return what equal files have in common: their device and inode."""


@runtime_checkable
class KnowsContent(Protocol):
    """A source that can show what its files begin with, be they readable ELF objects or not."""

    def head(self, realpath: str) -> bytes:
        """Return the first 64 bytes of a file."""


class WheelTree:
    """Wheels as they would lie installed under one site-packages directory."""

    def __init__(self, site_packages: str, objects: Iterable[ObjectFacts]) -> None:
        self.site_packages = posixpath.normpath(site_packages)
        self._objects = {posixpath.normpath(posixpath.join(self.site_packages, o.path)): o for o in objects}

    def realpath(self, path: str) -> str | None:
        """Wheels hold no links, so a lexical normal form is the canonical path."""
        normal = posixpath.normpath(path)
        return normal if normal in self._objects else None

    def object(self, realpath: str) -> ObjectFacts | None:
        return self._objects.get(realpath)


class Tables:
    """Prepared symbol tables, for several worlds in which the same facts come up again.

    rows: symbols and references of all tables beyond which they are forgotten.
    """

    def __init__(self, rows: int = 20_000_000) -> None:
        self.versions = VersionIds()
        self._limit = rows
        self._rows = 0
        self._known: dict[int, tuple[ObjectFacts, SymbolTable]] = {}  # the facts too, so that an id stays theirs

    def of(self, facts: ObjectFacts) -> SymbolTable:
        """Return the table of an object's facts."""
        known = self._known.get(id(facts))
        if known is None:
            if self._rows > self._limit:
                self._known.clear()
                self._rows = 0
            known = self._known[id(facts)] = facts, SymbolTable.of(facts, self.versions)
            self._rows += len(facts.symbols.key) + len(facts.references.symbol)
        return known[1]


class World:
    """Files by id, their facts and their prepared symbol tables.

    tables: prepared ones that it shares with other worlds.
    """

    def __init__(self, sources: Sequence[FileSource], tables: Tables | None = None) -> None:
        self._sources = tuple(sources)
        self._ids: dict[str, int] = {}
        self._identities: dict[Hashable, int] = {}
        self._found: dict[str, int | None] = {}
        self._tables: dict[int, SymbolTable] = {}
        self._heads: dict[int, bytes | None] = {}
        self.paths: list[str] = []
        self.facts: list[ObjectFacts | None] = []
        self._shared = tables
        self.versions = VersionIds() if tables is None else tables.versions

    def find(self, path: str) -> int | None:
        """Return the id of the file that `path` names, following links; None where there is no such file."""
        if path not in self._found:
            self._found[path] = self._look_up(path)
        return self._found[path]

    def why_absent(self, path: str) -> str:
        """Return what strerror() says of opening a path that `find` does not know."""
        above = posixpath.dirname(path)
        while above not in ("", "/"):
            if self.find(above) is not None:
                return "Not a directory"
            above = posixpath.dirname(above)
        return "No such file or directory"

    def _look_up(self, path: str) -> int | None:
        for source in self._sources:
            real = source.realpath(path)
            if real is not None:
                if real not in self._ids:
                    identity = (id(source), source.identity(real)) if isinstance(source, KnowsIdentity) else real
                    file = self._ids[real] = self._identities.setdefault(identity, len(self.paths))
                    if file == len(self.paths):
                        self.paths.append(real)
                        self.facts.append(source.object(real))
                return self._ids[real]
        return None

    def head(self, file: int) -> bytes | None:
        """Return the first bytes of a file, None where nothing but its facts was kept."""
        if file not in self._heads:
            self._heads[file] = self._read_head(self.paths[file])
        return self._heads[file]

    def _read_head(self, path: str) -> bytes | None:
        for source in self._sources:
            if source.realpath(path) is not None:
                return source.head(path) if isinstance(source, KnowsContent) else None
        return None

    def table(self, file: int) -> SymbolTable:
        """Return the symbol table that look-ups use, prepared once for each file."""
        if file not in self._tables:
            facts = self.facts[file]
            if facts is None:
                raise KeyError(self.paths[file])
            shared = self._shared
            self._tables[file] = SymbolTable.of(facts, self.versions) if shared is None else shared.of(facts)
        return self._tables[file]
