"""Relocating new objects: their look-ups, unique symbols, undefined symbols and static TLS.

After glibc 2.36 elf/dl-reloc.c _dl_relocate_object and elf/dl-lookup.c _dl_lookup_symbol_x, do_lookup_unique.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import Reloc
from abiclash.glibc_versions import (
    DEFAULT_IS_FALLBACK,
    NODELETE_AFTER_SUCCESS,
    VERSIONS_MAY_BE_LOST,
    VERSIONS_PROMISED,
)
from abiclash.linker import closing
from abiclash.linker.definers import Definers
from abiclash.linker.link_map import LoadFailure
from abiclash.linker.load_checks import inconsistency
from abiclash.linker.lookup import NOT_FOUND, Matches, Rules, search_files
from abiclash.linker.tables import (
    NO_VERSIONS,
    Q_COPY,
    Q_PLT,
    Q_PROTECTED,
    Q_WEAK,
    STB_GNU_UNIQUE,
    UNDEFINED,
    UNIQUE,
    Queries,
)

if TYPE_CHECKING:
    from collections.abc import Container, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap, Scope
    from abiclash.linker.process import Process
    from abiclash.linker.world import World

DF_BIND_NOW, DF_1_NOW = 0x8, 0x1


@dataclass(slots=True)
class UniqueTable:
    """STB_GNU_UNIQUE: the one definition that serves each name, in the whole process. Sorted by key."""

    key: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    file: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    row: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))

    def copy(self) -> UniqueTable:
        """The arrays are never changed in place, so they can be shared."""
        return UniqueTable(self.key, self.file, self.row)

    def bind(
        self, key: NDArray[np.uint64], file: NDArray[np.int32], row: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Enter definitions in the order they were found; return what each look-up gets (do_lookup_unique)."""
        new, first = np.unique(key, return_index=True)
        if len(self.key):
            at = np.minimum(np.searchsorted(self.key, new), len(self.key) - 1)
            fresh = self.key[at] != new
            new, first = new[fresh], first[fresh]
        keys = np.concatenate([self.key, new])
        order = np.argsort(keys, kind="stable")
        self.key = keys[order]
        self.file = np.concatenate([self.file, file[first]])[order]
        self.row = np.concatenate([self.row, row[first]])[order]
        at = np.searchsorted(self.key, key)
        return self.file[at], self.row[at]

    def without(self, files: Container[int]) -> UniqueTable:
        """Return the table after objects are gone (_dl_close_worker)."""
        keep = np.array([file not in files for file in self.file.tolist()], dtype=np.bool_)
        return UniqueTable(self.key[keep], self.file[keep], self.row[keep])


@dataclass(frozen=True, slots=True)
class _Bound:
    """The bindings of one object. targets, rows: as in `LinkMap`; shared by processes, and never changed in place.

    undefined: the references, in order, that are strong and found nothing. bare: (reference, file) where a reference
    with a version met a definition in an object without any.
    """

    targets: NDArray[np.int32]
    rows: NDArray[np.int32]
    undefined: NDArray[np.intp]
    bare: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """What a scope gives to the references of one object, before the process's unique symbols have their say.

    unique: the references that met a unique definition. bare: as in `_Bound`. bound: by what the process keeps.
    """

    matches: Matches
    unique: NDArray[np.intp]
    bare: list[tuple[int, int]]
    bound: dict[Hashable, _Bound] = field(default_factory=dict)


class Relocator:
    """Binds the references of new objects. One for each world and C library, shared by forks of a process.

    dynamic_weak: LD_DYNAMIC_WEAK is set: a weak definition serves only where there is no strong one.
    """

    def __init__(self, world: World, libc_version: tuple[int, int], *, dynamic_weak: bool = False) -> None:
        self._world = world
        self._libc_version = libc_version
        self._rules = Rules(default_is_fallback=libc_version in DEFAULT_IS_FALLBACK)
        self._dynamic_weak = dynamic_weak
        self._definers = Definers(world)
        self._scopes: dict[Hashable, _LookedUp] = {}
        self._remembered: dict[Hashable, _LookedUp] = {}
        self._sorted: dict[int, tuple[NDArray[np.intp], Queries]] = {}
        self._tls: dict[int, NDArray[np.intp]] = {}

    def run(self, process: Process, order: Sequence[LinkMap], *, lazy: bool) -> None:
        """Bind all references of `order` (dependencies first), object by object where the scopes differ.

        lazy: undefined PLT references do not fail the load (RTLD_LAZY without LD_BIND_NOW).
        Raises LoadFailure at the first reference that ld.so would give up at.
        """
        bound = [self._bind(process, link) for link in order]
        for place, link in enumerate(order):
            try:
                self._finish(process, link, bound[place], lazy=lazy)
            except LoadFailure:
                for later in order[place + 1 :]:
                    later.targets = later.target_rows = None
                raise

    def undo(self, process: Process, new: Sequence[LinkMap], unique: UniqueTable) -> list[LinkMap]:
        """Leave in the process what a failed load has changed for good (_dl_close_worker, forced); return what goes.

        new: what the load had brought. unique: the table as it was before. What had been bound by then to unique
        definitions of objects that stay is kept, though the objects that asked are gone.
        """
        process.unique = unique
        for link in new:
            if link.targets is None or link.target_rows is None:
                continue
            key = self._world.table(link.file).queries.key
            for file in set(np.unique(link.targets).tolist()) - {NOT_FOUND}:
                at = np.flatnonzero(link.targets == file)
                at = at[process.maps[file].facts.symbols.info[link.target_rows[at]] >> 4 == STB_GNU_UNIQUE]
                process.unique.bind(key[at], link.targets[at], link.target_rows[at])
        passing = [link.file for link in new] if self._libc_version in NODELETE_AFTER_SUCCESS else []
        gone = closing.unused(process, passing)
        closing.remove(process, gone)
        process.unique = process.unique.without({link.file for link in gone})
        return gone

    def _bind(self, process: Process, link: LinkMap) -> _Bound:
        """Look up the references of an object."""
        scope = tuple((part.owner, part.alone, self._listed(process, part)) for part in link.scope)
        looked_up = self._looked_up(process, link.file, [file for *_, files in scope for file in files], scope)
        found, unique = looked_up.matches, looked_up.unique
        queries = self._world.table(link.file).queries
        kept = None
        if len(unique):
            kept = process.unique.bind(queries.key[unique], found.file[unique], found.row[unique])
        # Rules tell by an array what it was found in: other search lists, another array.
        own = tuple(part for part in scope if part[0] is not None)
        name = (own, b"" if kept is None else kept[0].tobytes() + kept[1].tobytes())
        if name not in looked_up.bound:
            matches = found
            if kept is not None:
                matches = replace(found, file=found.file.copy(), row=found.row.copy())
                matches.file[unique], matches.row[unique] = kept
            matches = self._keep_protected(process, link, queries, matches)
            undefined = np.flatnonzero((matches.file == NOT_FOUND) & ((queries.flags & Q_WEAK) == 0))
            looked_up.bound[name] = _Bound(matches.file.view(), matches.row, undefined, looked_up.bare)
        bound = looked_up.bound[name]
        link.global_seen = len(process.global_scope)
        link.targets, link.target_rows = bound.targets, bound.rows
        return bound

    def _looked_up(self, process: Process, file: int, scope: Sequence[int], name: Hashable) -> _LookedUp:
        """Look up the references of an object, once for each content of the scope that can matter for it.

        Most objects find the same scopes in every import order; unique symbols are the process's own matter.
        name: tells scopes of different content apart.
        """
        whole = (file, name, process.executable)
        if whole not in self._scopes:
            files = self._definers.among(file, scope)
            key = (file, files, process.executable)
            if key not in self._remembered:
                self._remembered[key] = self._look_up_all(process, file, files)
            self._scopes[whole] = self._remembered[key]
        return self._scopes[whole]

    @staticmethod
    def _listed(process: Process, part: Scope) -> tuple[int, ...]:
        """Return the objects of a scope part."""
        if part.owner is None:
            return tuple(process.global_scope)
        return (part.owner,) if part.alone else process.maps[part.owner].search_list or ()

    def _look_up_all(self, process: Process, file: int, scope: Sequence[int]) -> _LookedUp:
        queries = self._world.table(file).queries
        if file not in self._sorted:
            order = np.argsort(queries.key, kind="stable")
            self._sorted[file] = order, queries.take(order)
        by_key, ordered = self._sorted[file]
        matches = Matches.none(len(by_key))
        found, first = self._look_up(process, ordered, scope)
        matches.enter(by_key, found)
        parts = (found,) if first is found else (found, first)
        bare = sorted({pair for each in parts for pair in _without_versions(each, by_key, queries)})
        unique = np.flatnonzero(((matches.flags & UNIQUE) != 0) & ((queries.flags & Q_COPY) == 0))
        return _LookedUp(matches, unique, bare)

    def _look_up(self, process: Process, queries: Queries, scope: Sequence[int]) -> tuple[Matches, Matches]:
        """Find each query's definition, and the first that it met. queries: sorted by key. scope: files in order.

        They differ under LD_DYNAMIC_WEAK only: the definition is the first strong one, or else the first weak one.
        """
        executable = process.executable if process.executable is not None else NOT_FOUND
        first = search_files(process.definitions, scope, queries, self._rules, executable)
        if not self._dynamic_weak:
            return first, first
        strong = replace(self._rules, strong_only=True)
        matches = search_files(process.definitions, scope, queries, strong, executable)
        left = np.flatnonzero(matches.file == NOT_FOUND)
        matches.enter(left, first.take(left))
        return matches, first

    def _keep_protected(self, process: Process, link: LinkMap, queries: Queries, matches: Matches) -> Matches:
        """A reference to an object's own protected definition stays there, whatever was found first.

        But for two cases, where the second look-up, of class PLT, ends at the object itself: an executable's PLT
        entry that stands for a function's address, which that look-up passes over, and a COPY relocation, whose
        first look-up passes over the executable.
        """
        protected = np.flatnonzero(queries.flags & Q_PROTECTED)
        away = protected[(matches.file[protected] != NOT_FOUND) & (matches.file[protected] != link.file)]
        if not len(away):
            return matches
        entry = (queries.flags[away] & Q_PLT == 0) & (matches.flags[away] & UNDEFINED != 0)
        entry |= queries.flags[away] & Q_COPY != 0
        if entry.any():
            stubs = away[entry][np.argsort(queries.key[away[entry]], kind="stable")]
            calls = Queries(
                queries.key[stubs], queries.version[stubs], queries.flags[stubs] & ~np.uint8(Q_COPY) | np.uint8(Q_PLT)
            )
            scope = [file for part in link.scope for file in self._listed(process, part)]
            again = self._look_up(process, calls, self._definers.among(link.file, scope))[0].file
            away = np.setdiff1d(away, stubs[(again == NOT_FOUND) | (again == link.file)])
        kept = replace(matches, file=matches.file.copy(), row=matches.row.copy())
        kept.file[away], kept.row[away] = link.file, link.facts.references.symbol[away]
        return kept

    def _finish(self, process: Process, link: LinkMap, bound: _Bound, *, lazy: bool) -> None:
        """Stop where ld.so stops, in relocation order: undefined strong reference, static TLS, failed assertion."""
        if link.targets is None:
            return
        kinds = link.facts.references.kind
        undefined, bare = bound.undefined, bound.bare
        link.lazy = lazy and not link.facts.flags & DF_BIND_NOW and not link.facts.flags_1 & DF_1_NOW
        if link.lazy:
            undefined = undefined[kinds[undefined] != Reloc.PLT]
            bare = [(reference, file) for reference, file in bare if kinds[reference] != Reloc.PLT]
        stop = int(undefined[0]) if len(undefined) else len(kinds)
        broken = self._broken_promise(process, link, bare) if bare else None
        self._allocate_tls(process, link, min(stop, len(kinds) if broken is None else broken))
        if broken is not None and broken < stop:
            link.targets = _cut(link.targets, broken)
            raise inconsistency(VERSIONS_PROMISED, self._libc_version, link)
        if stop < len(kinds):
            link.targets = _cut(link.targets, stop)  # ld.so came no further
            raise self._undefined(link, stop, self._world.table(link.file).queries)

    def _broken_promise(self, process: Process, link: LinkMap, bare: list[tuple[int, int]]) -> int | None:
        """Return the first reference that finds its definition, without versions, in the very library that verneed
        names for it: check_match asserts that there is none.
        """
        if self._libc_version in VERSIONS_MAY_BE_LOST:
            return None
        named = {version.index & 0x7FFF: version.file for version in link.facts.versions}
        symbols, references = link.facts.symbols, link.facts.references
        for reference, file in bare:
            library = named.get(int(symbols.versym[references.symbol[reference]]) & 0x7FFF)
            target = process.maps[file]
            if library is not None and (library == target.name or library in target.names):
                return reference
        return None

    def _allocate_tls(self, process: Process, link: LinkMap, stop: int) -> None:
        """Place the *defining* objects in the static block: TPOFF must, TLSDESC may (before reference `stop`).

        The object's own initial-exec variables come first: they need no symbol, and linkers sort by it.
        """
        tls = link.facts.tls
        if tls is not None and tls.static:
            process.tls.require(link)
        if link.targets is None:
            return
        kinds = link.facts.references.kind
        if link.file not in self._tls:
            self._tls[link.file] = np.flatnonzero((kinds == Reloc.TLS_IE) | (kinds == Reloc.TLS_DESC))
        rows = self._tls[link.file]
        for reference in rows[rows < stop].tolist() if len(rows) else ():
            target = process.maps.get(int(link.targets[reference]))
            if target is not None and kinds[reference] == Reloc.TLS_IE:
                process.tls.require(target)
            elif target is not None:
                process.tls.offer(target)

    def _undefined(self, link: LinkMap, reference: int, queries: Queries) -> LoadFailure:
        version = self._world.versions.names[int(queries.version[reference])]
        return LoadFailure(
            "undefined-symbol",
            link.name,
            "undefined symbol",
            needed_by=link.file,
            version=version,
            key=int(queries.key[reference]),
        )


def _cut(targets: NDArray[np.int32], stop: int) -> NDArray[np.int32]:
    """Return what was bound before a reference; the rest is not."""
    cut = targets.copy()
    cut[stop:] = NOT_FOUND
    return cut


def _without_versions(matches: Matches, place: NDArray[np.intp], queries: Queries) -> Iterator[tuple[int, int]]:
    """Yield (query, file) where a version was asked for and the file has none. place: index of each match's query."""
    met = np.flatnonzero((matches.flags & NO_VERSIONS != 0) & (queries.version[place] != 0))
    return zip(place[met].tolist(), matches.file[met].tolist(), strict=True)
