"""A process as musl's dynamic linker builds it (musl 1.2 ldso/dynlink.c), behind the same interface as glibc's.

No versions, no unique symbols, no search list of its own for an object that was there before: one list of objects
whose symbols are visible to all, to which each dlopen adds what it opens, for the time of relocation or for good.
"""

from __future__ import annotations

import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from abiclash.facts.model import Reloc
from abiclash.linker.link_map import GLOBAL_SCOPE, LinkMap, LoadFailure, MapType, Mode, Scope
from abiclash.linker.lookup import NOT_FOUND, Matches, Rules, search_files
from abiclash.linker.process import LoadEvent, Process
from abiclash.linker.tables import NO_VERSIONS, Q_WEAK, SHN_UNDEF, STT_TLS, UNDEFINED, Definitions, Queries
from abiclash.names import name_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts, Symbols
    from abiclash.linker.process import HostSettings
    from abiclash.linker.world import World

_ITSELF = re.compile(r"lib(c|pthread|rt|m|dl|util|xnet)\.")
"""Names that mean the dynamic linker, which is the C library (load_library)."""
_OK_TYPES = [0, 1, 2, 5, 6]
_OK_BINDS = [1, 2, 10]
_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})")
_NO_FILE, _NO_EXEC = "No such file or directory", "Exec format error"
_ET_EXEC, _ET_DYN = 2, 3


@dataclass(frozen=True, slots=True)
class _Missing(Exception):  # noqa: N818 - a value of errno, caught at once
    errno: str


class MuslProcess(Process):
    """Loaded objects and their bindings under musl. `global_scope` is the list of the visible objects.

    `LinkMap.names` holds the shortname, if there is one; `search_list` an object and its dependencies (deps).
    """

    def __init__(self, world: World, host: HostSettings) -> None:
        super().__init__(world, host)
        self._library: int | None = None  # ldso
        self._tables: dict[int, Definitions] = {}
        self._deferred: dict[int, NDArray[np.intp]] = {}  # references left over by RTLD_LAZY
        self._static: frozenset[int] = frozenset()  # those with TLS from the start

    @classmethod
    def start(
        cls, world: World, host: HostSettings, executable: str, preload: Sequence[str] = (), *, bind_now: bool = False
    ) -> Self:
        """Load an executable with its dependencies (__dls3). Raises LoadFailure where the program cannot start.

        bind_now: musl binds everything at the start anyway.
        """
        del bind_now
        process = cls(world, host)
        file = world.find(executable)
        facts = world.facts[file] if file is not None else None
        if file is None or facts is None or facts.interp is None:
            raise LoadFailure("bad-object", executable, "Not a valid dynamic program")
        process.executable = file
        main = process.maps[file] = LinkMap(file, facts, world.paths[file], MapType.EXECUTABLE, None)
        process._library = world.find(facts.interp)
        for name in preload:
            with suppress(_Missing):  # load_preload
                process._load(name, None, MapType.LIBRARY)
        process._load_dependencies(main, MapType.LIBRARY)
        for link in process.maps.values():
            link.scope = [GLOBAL_SCOPE]
        process.promote(process.maps)
        process._static = frozenset(f for f, link in process.maps.items() if link.facts.tls and link.facts.tls.size)
        order = [*(link for link in process.maps.values() if link is not main), main]
        process._relocate(order)
        process.events.append(
            LoadEvent(executable, Mode.NOW, file, tuple(process.maps), tuple(link.file for link in order))
        )
        return process

    def dlopen(self, name: str, mode: Mode = Mode.NOW, caller: int | None = None) -> LoadEvent:
        """Open an object; what a failed load brought is gone again. The caller does not matter: musl takes the program.

        RTLD_DEEPBIND is unknown to musl; without RTLD_LAZY everything is bound at once.
        """
        known, visible, deferred = dict(self.maps), list(self.global_scope), dict(self._deferred)
        try:
            event = self._open(name, mode, caller)
        except LoadFailure as failure:
            gone = tuple(link for file, link in self.maps.items() if file not in known)
            self.maps, self.global_scope, self._deferred = known, visible, deferred
            begun = tuple(link for link in gone if link.targets is not None)
            event = LoadEvent(name, mode, None, failure=failure, discarded=begun)
        self.events.append(event)
        return event

    def _open(self, name: str, mode: Mode, caller: int | None) -> LoadEvent:
        del caller
        known = set(self.maps)
        main = self.maps[self.executable] if self.executable is not None else None
        try:
            root = self._load(name, main, MapType.LOADED, noload=Mode.NOLOAD in mode)
        except _Missing as missing:
            if Mode.NOLOAD in mode:
                form = "Library {object} is not already loaded"
                raise LoadFailure("not-loaded", name, missing.errno, form=form) from missing
            raise _not_loaded(name, missing) from missing
        self._load_dependencies(root, MapType.LOADED)
        new = [link for file, link in self.maps.items() if file not in known]
        for link in new:
            link.scope = [GLOBAL_SCOPE, Scope(root.file)]
        self._relocate(new, lazy=Mode.LAZY in mode)
        if Mode.GLOBAL in mode:
            self.promote(root.search_list or ())
        self._retry()
        files = tuple(link.file for link in new)
        return LoadEvent(name, mode, root.file, files, files)

    def dlclose(self, file: int) -> tuple[int, ...]:
        """Unload nothing: musl's dlclose only says whether the handle is one."""
        del file
        return ()

    # -- names to objects -------------------------------------------------------------------------------------

    def _load(self, name: str, needed_by: LinkMap | None, kind: MapType, *, noload: bool = False) -> LinkMap:
        """load_library: the object that a name means. Raises _Missing with the reason."""
        main = self.maps[self.executable] if self.executable is not None else None
        library = self.world.paths[self._library] if self._library is not None else ""
        if _ITSELF.match(name) or name == library or (main is not None and name == main.facts.interp):
            return self._itself()
        if "/" in name:
            path = name
        else:
            for link in self.maps.values():
                if link is not main and name in link.names:
                    return link
            path = self._search(name, needed_by)
        file = self.world.find(path)
        if file is None:
            raise _Missing(self.world.why_absent(path))
        same = self.maps.get(file)
        if same is not None and same is not main:
            if path != name and not same.names:
                same.names.add(posixpath.basename(same.name))
            return same
        facts = self.world.facts[file]
        if noload or facts is None or facts.type not in (_ET_EXEC, _ET_DYN) or not facts.has_dynamic:
            raise _Missing(_NO_EXEC)
        if file == self._library or _is_c_library(facts):
            return self._itself()
        link = LinkMap(file, facts, path, kind, needed_by.file if needed_by is not None else None)
        if path != name:
            link.names.add(posixpath.basename(path))
        self.maps[file] = link
        return link

    def _itself(self) -> LinkMap:
        """Return the C library, which enters the list of objects when it is first asked for."""
        file = self._library
        facts = self.world.facts[file] if file is not None else None
        if file is None or facts is None:
            raise LoadFailure("missing-library", "musl's dynamic linker", _NO_FILE)
        if file not in self.maps:
            link = self.maps[file] = LinkMap(file, facts, self.world.paths[file], MapType.LIBRARY, None)
            link.search_list = (file,)
        return self.maps[file]

    def _search(self, name: str, needed_by: LinkMap | None) -> str:
        """Return the first file of that name along the paths (path_open); what is in it does not matter yet."""
        for directory in self._directories(needed_by):
            if directory and self.world.find(f"{directory}/{name}") is not None:
                return f"{directory}/{name}"
        raise _Missing(_NO_FILE)

    def _directories(self, needed_by: LinkMap | None) -> Iterator[str]:
        """LD_LIBRARY_PATH, the run paths from the requester up to the program, then the system's path."""
        yield from self.host.library_path
        link = needed_by
        while link is not None:
            yield from _run_path(link)
            above = link.loader
            link = self.maps.get(above) if above is not None else None
        yield from self.host.default_dirs

    def _load_dependencies(self, root: LinkMap, kind: MapType) -> None:
        """load_deps and extend_bfs_deps: everything new loads its own, in load order; then the root gets its list.

        What was preloaded counts as needed by the program.
        """
        if root.search_list is not None:
            return
        place = list(self.maps).index(root.file)
        while place < len(self.maps):
            link = list(self.maps.values())[place]
            place += 1
            if link.dependencies is None and link.search_list is None:
                direct = [file for file in self.maps if file != root.file] if link.type is MapType.EXECUTABLE else []
                direct += [self._need(name, link, kind) for name in link.facts.needed]
                link.direct = tuple(dict.fromkeys(direct))
                link.dependencies = (link.file, *link.direct)
        listed = [root.file, *(file for file in root.direct if file != root.file)]
        for file in listed:
            listed += [below for below in self.maps[file].direct if below not in listed]
        root.search_list = tuple(listed)

    def _need(self, name: str, needed_by: LinkMap, kind: MapType) -> int:
        try:
            return self._load(name, needed_by, kind).file
        except _Missing as missing:
            raise _not_loaded(name, missing, needed_by) from missing

    # -- relocation -------------------------------------------------------------------------------------------

    def _relocate(self, order: Sequence[LinkMap], *, lazy: bool = False) -> None:
        """reloc_all: bind objects in load order; the calls of each come first (DT_JMPREL)."""
        for link in order:
            queries = self.world.table(link.file).queries
            matches = self._find(queries, self._visible(link))
            link.global_seen = len(self.global_scope)
            link.targets, link.target_rows = matches.file, matches.row
            link.relocated = True
            self._finish(link, queries, lazy=lazy and not link.facts.flags & 8 and not link.facts.flags_1 & 1)

    def _visible(self, link: LinkMap) -> list[int]:
        """Return the list of visible objects, with what is being opened at its end."""
        files = dict.fromkeys(self.global_scope)
        for part in link.scope:
            if part.owner is not None:
                files |= dict.fromkeys(self.maps[part.owner].search_list or ())
        return list(files)

    def _find(self, queries: Queries, files: Iterable[int]) -> Matches:
        """find_sym for all references: the first object with the name, whatever version was asked for."""
        order = np.argsort(queries.key, kind="stable")
        plain = Queries(queries.key[order], np.zeros_like(queries.version), queries.flags[order])
        executable = self.executable if self.executable is not None else NOT_FOUND
        matches = Matches.none(len(order))
        matches.enter(order, search_files(self.definitions, files, plain, Rules(), executable))
        return matches

    def definitions(self, file: int) -> Definitions:
        if file not in self._tables:
            self._tables[file] = _definitions(self.maps[file].facts.symbols)
        return self._tables[file]

    def _finish(self, link: LinkMap, queries: Queries, *, lazy: bool) -> None:
        """Stop at the first undefined symbol, or initial-exec TLS of an object that came by dlopen."""
        if link.targets is None:
            return
        kinds = link.facts.references.kind
        undefined = (link.targets == NOT_FOUND) & ((queries.flags & Q_WEAK) == 0)
        if lazy:
            later = undefined & ((kinds == Reloc.PLT) | (kinds == Reloc.DATA))
            if later.any():
                self._deferred[link.file] = np.flatnonzero(later)
            undefined &= ~later
        dynamic = (kinds == Reloc.TLS_IE) & ~np.isin(link.targets, [NOT_FOUND, *self._static])
        stops = np.flatnonzero(undefined | dynamic)
        if not len(stops):
            tls = link.facts.tls
            if tls is not None and tls.static and tls.size and link.file not in self._static:
                raise self._dynamic_tls(link, None, link)
            return
        first = int(stops[np.argmin(kinds[stops] != Reloc.PLT)])
        key = int(queries.key[first])
        if dynamic[first]:
            raise self._dynamic_tls(link, key, self.maps[int(link.targets[first])])
        raise LoadFailure(
            "undefined-symbol",
            link.name,
            "symbol not found",
            needed_by=link.file,
            key=key,
            form="Error relocating {object}: {reason}",
            named="Error relocating {object}: {symbol}: {reason}",
        )

    @staticmethod
    def _dynamic_tls(link: LinkMap, key: int | None, target: LinkMap) -> LoadFailure:
        reason = f"initial-exec TLS resolves to dynamic definition in {target.name}"
        form, named = "Error relocating {object}: {reason}", "Error relocating {object}: {symbol}: {reason}"
        return LoadFailure("static-tls", link.name, reason, needed_by=link.file, key=key, form=form, named=named)

    def _retry(self) -> None:
        """redo_lazy_relocs: what RTLD_LAZY left over is looked up again among the visible objects."""
        for file, rows in list(self._deferred.items()):
            link = self.maps[file]
            found = self._find(self.world.table(file).queries.take(rows), self.global_scope)
            hit = found.file != NOT_FOUND
            if link.targets is None or link.target_rows is None or not hit.any():
                continue
            link.targets, link.target_rows = link.targets.copy(), link.target_rows.copy()
            link.targets[rows[hit]], link.target_rows[rows[hit]] = found.file[hit], found.row[hit]
            self._deferred[file] = rows[~hit]

    def fork(self) -> Self:
        """Return an independent copy; arrays are replaced, never changed."""
        other = super().fork()
        other._deferred = dict(self._deferred)  # noqa: SLF001 - its own class
        return other


def _definitions(symbols: Symbols) -> Definitions:
    """Return what find_sym can find in an object: the first entry of each name that is no hidden version.

    First by index, as in DT_GNU_HASH. A lone DT_HASH has an order of its own, and undefined entries: these are taken
    to come last.
    """
    visible = symbols.hashed & (symbols.versym & np.uint16(0x8000) == 0)
    rows = np.flatnonzero(visible & ((symbols.shndx != SHN_UNDEF) | (symbols.value != 0)))
    key = symbols.key[rows]
    rows = rows[np.concatenate([np.ones(min(len(key), 1), dtype=np.bool_), key[1:] != key[:-1]])]
    kind, bind = symbols.info[rows] & np.uint8(15), symbols.info[rows] >> np.uint8(4)
    undefined = symbols.shndx[rows] == SHN_UNDEF
    fit = np.isin(kind, _OK_TYPES) & np.isin(bind, _OK_BINDS) & ~(undefined & (kind == STT_TLS))
    fit &= (symbols.value[rows] != 0) | (kind == STT_TLS)
    rows, undefined = rows[fit], undefined[fit]
    flags = np.where(undefined, np.uint8(NO_VERSIONS | UNDEFINED), np.uint8(NO_VERSIONS))
    row = rows.astype(np.int32)
    return Definitions(symbols.key[rows], row, np.zeros(len(row), dtype=np.int32), flags)


def _is_c_library(facts: ObjectFacts) -> bool:
    """Tell another C library by two symbols that it defines, as load_library does."""
    names = (b"__libc_start_main", b"stdin")
    length = np.array([len(name) for name in names], dtype=np.int64)
    keys = name_keys(b"".join(names), np.cumsum(length) - length, length)
    return bool(np.isin(keys, _definitions(facts.symbols).key).all())


def _run_path(link: LinkMap) -> list[str]:
    """Return the directories of DT_RUNPATH, or else DT_RPATH (fixup_rpath); no other token than $ORIGIN is known."""
    value = link.facts.runpath if link.facts.runpath is not None else link.facts.rpath
    if value is None:
        return []
    text = _ORIGIN.sub(lambda _: posixpath.dirname(link.name), value)
    return [] if "$" in _ORIGIN.sub("", value) else re.split("[:\n]", text)


def _not_loaded(name: str, missing: _Missing, needed_by: LinkMap | None = None) -> LoadFailure:
    """Return the failure of a dlopen, or of what needs a library."""
    kind = "bad-object" if missing.errno == _NO_EXEC else "missing-library"
    by = f" (needed by {needed_by.name})" if needed_by is not None else ""
    return LoadFailure(
        kind,
        name,
        f"{missing.errno}{by}",
        needed_by=needed_by.file if needed_by is not None else None,
        form="Error loading shared library {object}: {reason}",
    )
