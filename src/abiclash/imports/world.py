"""What an import can find: modules on the search path, their digests, and what the interpreter is."""

from __future__ import annotations

import fnmatch
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from abiclash.errors import NotAnalysed, SourceError
from abiclash.imports.cext import read_names
from abiclash.imports.documents import Digests
from abiclash.imports.files import Files, Stamp
from abiclash.imports.source import ModuleSource, read_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Literal

    Kind = Literal["package", "module", "extension", "builtin", "namespace", "stdlib"]


_FROZEN = frozenset(("_frozen_importlib", "_frozen_importlib_external"))
"""Modules that are part of the interpreter and not in sys.builtin_module_names."""


@dataclass(frozen=True, slots=True)
class Python:
    """What a plan needs to know of the interpreter.

    version: (3, 11, 7). machine: of platform.machine(). suffixes: of extension modules, in the order that CPython tries
    them. builtins: sys.builtin_module_names. stdlib, dynload: directories, None where they are not at hand; then
    `extensions` (stdlib extension modules -> path) and `stdlib_imports` (module -> modules that its import imports)
    stand for them. library: ctypes.util.find_library (None: not found). implementation: CPython's cache tag follows.
    """

    version: tuple[int, int, int]
    suffixes: tuple[str, ...]
    builtins: frozenset[str]
    machine: str = "x86_64"
    stdlib: str | None = None
    dynload: str | None = None
    prefix: str = "/usr"
    executable: str = "/usr/bin/python3"
    extensions: Mapping[str, str] = field(default_factory=dict)
    stdlib_imports: Callable[[str], Sequence[str] | None] = lambda _name: None
    library: Callable[[str], str | None] = lambda _name: None


@dataclass(frozen=True, slots=True)
class Found:
    """Where a module is. search: directories of its submodules (packages). package: the owning distribution."""

    name: str
    kind: Kind
    path: str
    search: tuple[str, ...] | None = None


class ImportWorld(Protocol):
    """Everything that an import can see. `World` is the one implementation; its methods say what they return."""

    @property
    def python(self) -> Python: ...
    @property
    def path(self) -> list[str]: ...

    @property
    def absent(self) -> frozenset[str]: ...

    def find(self, name: str, search: Sequence[str] | None) -> Found | None: ...
    def top_names(self) -> frozenset[str]: ...
    def source(self, path: str) -> ModuleSource: ...
    def strings(self, path: str) -> tuple[str, ...]: ...
    def text(self, path: str) -> str | None: ...
    def owner(self, path: str) -> str | None: ...
    def requires(self, owner: str) -> frozenset[str] | None: ...
    def exists(self, path: str) -> bool | None: ...
    def listing(self, path: str) -> Mapping[str, bool]: ...
    def flush(self) -> None: ...


@dataclass(slots=True)
class World:
    """Trees of files merged into one search path.

    trees: in order of their precedence for a path. path: sys.path without the program's own directory.
    modules_of: what the facts know of the dotted names in an extension module. absent: normalised names of required
    distributions that are not among the trees because they could not be read.
    """

    python: Python
    trees: tuple[Files, ...]
    path: list[str]
    digests: Digests = field(default_factory=Digests)
    modules_of: Callable[[str], tuple[str, ...] | None] = lambda _path: None
    absent: frozenset[str] = frozenset()
    not_analysed: dict[str, NotAnalysed] = field(default_factory=dict)
    _suffixes: tuple[tuple[str, Kind], ...] = ()
    _sources: dict[str, ModuleSource] = field(default_factory=dict)
    _strings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _top: dict[str, Found | None] = field(default_factory=dict)
    _tops: frozenset[str] = frozenset()
    unread: set[str] = field(default_factory=set)
    """Source files that could not be read: what is planned without them holds for this time only."""

    def __post_init__(self) -> None:
        extensions: list[tuple[str, Kind]] = [(suffix, "extension") for suffix in self.python.suffixes]
        self._suffixes = (*extensions, (".py", "module"))

    def find(self, name: str, search: Sequence[str] | None) -> Found | None:
        """Return where `name` is, as importlib's FileFinder searches (CPython Lib/importlib/_bootstrap_external.py).

        search: the parent package's __path__; None for a top-level module.
        """
        if search is None:
            if name not in self._top:
                self._top[name] = self._find_top(name)
            return self._top[name]
        return self._find_on(name, search)

    def missing(self) -> frozenset[str]:
        """Return the top-level modules that were looked for so far and are not there."""
        return frozenset(name for name, found in self._top.items() if found is None)

    def mentioned(self) -> frozenset[str]:
        """Return the first parts of all names among the strings of the extension modules that were asked about."""
        return frozenset(text.partition(".")[0] for names in self._strings.values() for text in names)

    def _find_top(self, name: str) -> Found | None:
        if name in self.python.builtins or name in _FROZEN:
            return Found(name, "builtin", "")
        return self._find_on(name, self.path)

    def _find_on(self, name: str, search: Sequence[str]) -> Found | None:
        tail = name.rpartition(".")[2]
        spaces = []
        for directory in search:
            found = self._find_in(name, tail, directory)
            if found is not None and found.kind != "namespace":
                return found
            if found is not None:
                spaces.append(found.path)
        if spaces:
            return Found(name, "namespace", spaces[0], tuple(spaces))
        return self._profile_module(name)

    def _find_in(self, name: str, tail: str, directory: str) -> Found | None:
        entries = self.listing(directory)
        is_directory = entries.get(tail)
        if is_directory:
            place = f"{directory}/{tail}"
            inside = self.listing(place)
            for suffix, kind in self._suffixes:
                if "__init__" + suffix in inside:
                    package: Kind = "package" if kind == "module" else kind
                    return Found(name, package, f"{place}/__init__{suffix}", (place,))
        for suffix, kind in self._suffixes:
            if entries.get(tail + suffix) is False:
                return Found(name, kind, f"{directory}/{tail}{suffix}")
        return Found(name, "namespace", f"{directory}/{tail}") if is_directory else None

    def _profile_module(self, name: str) -> Found | None:
        if self.python.stdlib is not None:
            return None
        if name in self.python.extensions:
            return Found(name, "extension", self.python.extensions[name])
        return Found(name, "stdlib", "", ()) if self.python.stdlib_imports(name) is not None else None

    def top_names(self) -> frozenset[str]:
        """Return every name that a top-level module may have: a quick test before `find`."""
        if not self._tops:
            entries = (entry.partition(".")[0] for place in self.path for entry in self.listing(place))
            self._tops = frozenset((*entries, *self.python.builtins, *self.python.extensions))
        return self._tops

    def source(self, path: str) -> ModuleSource:
        """Return the digest of a source file, from the documents where they know it."""
        source = self._sources.get(path)
        if source is None:
            source = self._sources[path] = self._digest(path)
        return source

    def _digest(self, path: str) -> ModuleSource:
        tree = self._tree(path)
        if tree is None:
            return ModuleSource(error="outside of every known tree")
        try:
            stamp = tree.stamp(path)
            source = self.digests.get(stamp)
            if source is None:
                source = read_module(tree.read(path), path)
                self.digests.put(stamp, source)
        except (SourceError, OSError) as error:
            self.unread.add(path)
            source = ModuleSource(error=str(error))
        return source

    def strings(self, path: str) -> tuple[str, ...]:
        """Return the names among an extension module's strings, in the form of `cext.read_names`.

        Read from the file itself, once; the facts' dotted names stand in for one that is too large or not at hand.
        """
        names = self._strings.get(path)
        if names is None:
            names = self._strings[path] = self._read_strings(path) or self.modules_of(path) or ()
        return names

    def _read_strings(self, path: str) -> tuple[str, ...]:
        tree = self._tree(path)
        if tree is None:
            return ()
        try:
            stamp = tree.stamp(path)
            kept = self.digests.get(stamp)
            if kept is None:
                kept = ModuleSource(body=["\n".join(read_names(tree.read(path)))])
                self.digests.put(Stamp(stamp.document, stamp.member, stamp.state), kept)
        except (SourceError, OSError):
            return ()
        return tuple(kept.body[0].split("\n"))

    def text(self, path: str) -> str | None:
        """Return the text of a file, None where it cannot be read. Kept in the documents like a digest."""
        tree = self._tree(path)
        if tree is None:
            return None
        try:
            stamp = tree.stamp(path)
            kept = self.digests.get(stamp)
            if kept is None:
                kept = ModuleSource(body=[tree.read(path).decode("utf-8", "replace")])
                self.digests.put(stamp, kept)
        except (SourceError, OSError):
            return None
        return str(kept.body[0])

    def owner(self, path: str) -> str | None:
        """Return the distribution that installs a file."""
        tree = self._tree(path)
        return tree.owner(path) if tree else None

    def requires(self, owner: str) -> frozenset[str] | None:
        """Return the distributions that one requires without extras, None where that is not known."""
        known = (tree.requires(owner) for tree in self.trees)
        return next((names for names in known if names is not None), None)

    def exists(self, path: str) -> bool | None:
        """Tell whether a path exists; None outside of every known tree."""
        path = posixpath.normpath(path)
        tree = self._tree(path)
        if tree is None:
            return None
        directory, name = posixpath.split(path)
        return path == tree.root or name in tree.entries(directory)

    def listing(self, path: str) -> Mapping[str, bool]:
        """Return the names in a directory of any tree, True for directories."""
        tree = self._tree(path)
        return tree.entries(path) if tree else {}

    def _tree(self, path: str) -> Files | None:
        for tree in self.trees:
            if path.startswith(tree.root) and (path == tree.root or path[len(tree.root)] == "/"):
                return tree
        return None

    def flush(self) -> None:
        """Keep the digests that were made."""
        self.digests.flush()


def glob(world: ImportWorld, pattern: str) -> list[str]:
    """Return the sorted paths that match an absolute glob pattern, `**` included, in the world's trees."""
    parts = pattern.split("/")
    fixed = 0
    while fixed < len(parts) - 1 and not any(sign in parts[fixed] for sign in "*?["):
        fixed += 1
    return sorted(_match(world, "/".join(parts[:fixed]), parts[fixed:], depth=12))


def _match(world: ImportWorld, directory: str, parts: list[str], depth: int) -> Iterable[str]:
    entries = world.listing(directory)
    head, rest = parts[0], parts[1:]
    if head == "**":
        yield from _match(world, directory, rest or ["*"], depth)
        if depth:
            for name, is_directory in entries.items():
                if is_directory:
                    yield from _match(world, f"{directory}/{name}", parts, depth - 1)
        return
    for name, is_directory in entries.items():
        if fnmatch.fnmatchcase(name, head):
            if not rest:
                yield f"{directory}/{name}"
            elif is_directory:
                yield from _match(world, f"{directory}/{name}", rest, depth)
