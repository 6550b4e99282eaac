"""Relocating new objects: their look-ups, unique symbols, undefined symbols and static TLS.

After glibc 2.36 elf/dl-reloc.c _dl_relocate_object and elf/dl-lookup.c _dl_lookup_symbol_x, do_lookup_unique.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import groupby
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
from abiclash.linker.link_map import LoadFailure
from abiclash.linker.load_checks import inconsistency
from abiclash.linker.lookup import NOT_FOUND, Matches, Rules, ScopeIndex, search, search_files
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
class _LookedUp:
    """What the scope gives to the references of some objects, one after the other.

    pairs: (reference, file) where a reference with a version met a definition in an object without any.
    """

    queries: Queries
    matches: Matches
    pairs: list[tuple[int, int]]


class Relocator:
    """Binds the references of new objects. One for each world and C library, shared by forks of a process.

    dynamic_weak: LD_DYNAMIC_WEAK is set: a weak definition serves only where there is no strong one.
    """

    def __init__(self, world: World, libc_version: tuple[int, int], *, dynamic_weak: bool = False) -> None:
        self._world = world
        self._libc_version = libc_version
        self._rules = Rules(default_is_fallback=libc_version in DEFAULT_IS_FALLBACK)
        self._dynamic_weak = dynamic_weak
        self._global_files: tuple[int, ...] = ()
        self._global_index = ScopeIndex.empty()
        self._remembered: dict[Hashable, _LookedUp] = {}

    def run(self, process: Process, order: Sequence[LinkMap], *, lazy: bool) -> None:
        """Bind all references of `order` (dependencies first), object by object where the scopes differ.

        lazy: undefined PLT references do not fail the load (RTLD_LAZY without LD_BIND_NOW).
        Raises LoadFailure at the first reference that ld.so would give up at.
        """
        bare: dict[int, list[tuple[int, int]]] = {}
        for scope, links in groupby(order, key=lambda link: link.scope):
            self._bind(process, list(links), scope, bare)
        for place, link in enumerate(order):
            try:
                self._finish(process, link, bare[link.file], lazy=lazy)
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

    def _bind(
        self, process: Process, links: list[LinkMap], scope: list[Scope], bare: dict[int, list[tuple[int, int]]]
    ) -> None:
        """Look up the references of objects with one scope, all at once.

        bare: gets, for each object, its references with a version that met a definition in an object without any,
        and that object.
        """
        looked_up = self._looked_up(process, links, scope)
        merged, pairs = looked_up.queries, looked_up.pairs
        found = looked_up.matches
        matches = replace(found, file=found.file.copy(), row=found.row.copy())
        self._keep_unique(process, merged, matches)
        self._keep_protected(process, links, merged, matches, scope)
        start = 0
        for link in links:
            stop = start + len(link.facts.references.kind)
            link.global_seen = len(process.global_scope)
            link.targets, link.target_rows = matches.file[start:stop], matches.row[start:stop]
            own = pairs[bisect_left(pairs, (start, NOT_FOUND)) : bisect_left(pairs, (stop, NOT_FOUND))]
            bare[link.file] = [(reference - start, file) for reference, file in own]
            start = stop

    def _looked_up(self, process: Process, links: list[LinkMap], scope: list[Scope]) -> _LookedUp:
        """Look up the references of objects with one scope, once for each content of the scope.

        Most objects find the same scopes in every import order; unique symbols are the process's own matter.
        """
        files = tuple(link.file for link in links)
        key = (files, tuple(self._listed(process, part) for part in scope), process.executable)
        if key not in self._remembered:
            self._remembered[key] = self._look_up_all(process, files, scope)
        return self._remembered[key]

    @staticmethod
    def _listed(process: Process, part: Scope) -> tuple[bool, tuple[int, ...]]:
        """Return whether a scope part is the global scope, and its objects."""
        if part.owner is None:
            return True, tuple(process.global_scope)
        return False, (part.owner,) if part.alone else process.maps[part.owner].search_list or ()

    def _look_up_all(self, process: Process, files: Sequence[int], scope: list[Scope]) -> _LookedUp:
        queries = [self._world.table(file).queries for file in files]
        merged = Queries(
            np.concatenate([q.key for q in queries]),
            np.concatenate([q.version for q in queries]),
            np.concatenate([q.flags for q in queries]),
        )
        by_key = np.argsort(merged.key, kind="stable")
        matches = Matches.none(len(by_key))
        found, first = self._look_up(process, merged.take(by_key), scope)
        matches.enter(by_key, found)
        pairs = sorted({pair for each in (found, first) for pair in _without_versions(each, by_key, merged)})
        return _LookedUp(merged, matches, pairs)

    def _look_up(self, process: Process, queries: Queries, scope: list[Scope]) -> tuple[Matches, Matches]:
        """Find each query's definition, and the first that it met.

        They differ under LD_DYNAMIC_WEAK only: the definition is the first strong one, or else the first weak one.
        """
        first = self._search_scope(process, queries, scope, self._rules)
        if not self._dynamic_weak:
            return first, first
        matches = self._search_scope(process, queries, scope, replace(self._rules, strong_only=True))
        left = np.flatnonzero(matches.file == NOT_FOUND)
        matches.enter(left, first.take(left))
        return matches, first

    def _search_scope(self, process: Process, queries: Queries, scope: list[Scope], rules: Rules) -> Matches:
        """Walk l_scope: the first part with a match wins. What one part has shown to lack is not searched again."""
        matches = Matches.none(len(queries.key))
        left, pending = np.arange(len(queries.key)), queries
        executable = process.executable if process.executable is not None else NOT_FOUND
        searched: set[int] = set()
        for part in scope:
            if part.owner is None:
                listed = tuple(process.global_scope)
                found = search(self._global(listed), pending, rules, executable)
            else:
                listed = (part.owner,) if part.alone else process.maps[part.owner].search_list or ()
                fresh = [file for file in listed if file not in searched]
                found = search_files(self._world, fresh, pending, rules, executable)
            searched.update(listed)
            hit = found.file != NOT_FOUND
            matches.enter(left[hit], found.take(hit))
            left, pending = left[~hit], pending.take(~hit)
        return matches

    def _global(self, files: tuple[int, ...]) -> ScopeIndex:
        """Return the merged index of the global scope; it only grows at its end, unless another fork was here."""
        if files != self._global_files:
            known = len(self._global_files)
            if files[:known] != self._global_files:
                known, self._global_index = 0, ScopeIndex.empty()
            tables = [self._world.table(f).definitions for f in files[known:]]
            self._global_index = self._global_index.extended(tables, files[known:])
            self._global_files = files
        return self._global_index

    @staticmethod
    def _keep_unique(process: Process, queries: Queries, matches: Matches) -> None:
        """Send look-ups that met a unique definition to the one the process keeps."""
        unique = np.flatnonzero(((matches.flags & UNIQUE) != 0) & ((queries.flags & Q_COPY) == 0))
        if len(unique):
            key, file, row = queries.key[unique], matches.file[unique], matches.row[unique]
            matches.file[unique], matches.row[unique] = process.unique.bind(key, file, row)

    def _keep_protected(
        self, process: Process, links: list[LinkMap], queries: Queries, matches: Matches, scope: list[Scope]
    ) -> None:
        """A reference to an object's own protected definition stays there, whatever was found first.

        But for two cases, where the second look-up, of class PLT, ends at the object itself: an executable's PLT
        entry that stands for a function's address, which that look-up passes over, and a COPY relocation, whose
        first look-up passes over the executable.
        """
        own = np.repeat([link.file for link in links], [len(link.facts.references.kind) for link in links])
        row = np.concatenate([link.facts.references.symbol for link in links]).astype(np.int32)
        protected = (queries.flags & Q_PROTECTED) != 0
        away = np.flatnonzero(protected & (matches.file != NOT_FOUND) & (matches.file != own))
        entry = (queries.flags[away] & Q_PLT == 0) & (matches.flags[away] & UNDEFINED != 0)
        entry |= queries.flags[away] & Q_COPY != 0
        if entry.any():
            stubs = away[entry][np.argsort(queries.key[away[entry]], kind="stable")]
            calls = Queries(
                queries.key[stubs], queries.version[stubs], queries.flags[stubs] & ~np.uint8(Q_COPY) | np.uint8(Q_PLT)
            )
            again = self._look_up(process, calls, scope)[0].file
            away = np.setdiff1d(away, stubs[(again == NOT_FOUND) | (again == own[stubs])])
        matches.file[away], matches.row[away] = own[away], row[away]

    def _finish(self, process: Process, link: LinkMap, bare: list[tuple[int, int]], *, lazy: bool) -> None:
        """Stop where ld.so stops, in relocation order: undefined strong reference, static TLS, failed assertion."""
        if link.targets is None:
            return
        queries = self._world.table(link.file).queries
        undefined = (link.targets == NOT_FOUND) & ((queries.flags & Q_WEAK) == 0)
        kinds = link.facts.references.kind
        link.lazy = lazy and not link.facts.flags & DF_BIND_NOW and not link.facts.flags_1 & DF_1_NOW
        if link.lazy:
            undefined &= kinds != Reloc.PLT
            bare = [(reference, file) for reference, file in bare if kinds[reference] != Reloc.PLT]
        stop = int(np.argmax(undefined)) if undefined.any() else len(undefined)
        broken = self._broken_promise(process, link, bare)
        self._allocate_tls(process, link, min(stop, len(undefined) if broken is None else broken))
        if broken is not None and broken < stop:
            link.targets[broken:] = NOT_FOUND
            raise inconsistency(VERSIONS_PROMISED, self._libc_version, link)
        if stop < len(undefined):
            link.targets[stop:] = NOT_FOUND  # ld.so came no further
            raise self._undefined(link, stop, queries)

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

    @staticmethod
    def _allocate_tls(process: Process, link: LinkMap, stop: int) -> None:
        """Place the *defining* objects in the static block: TPOFF must, TLSDESC may (before reference `stop`).

        The object's own initial-exec variables come first: they need no symbol, and linkers sort by it.
        """
        tls = link.facts.tls
        if tls is not None and tls.static:
            process.tls.require(link)
        if link.targets is None:
            return
        kinds = link.facts.references.kind[:stop]
        for reference in np.flatnonzero((kinds == Reloc.TLS_IE) | (kinds == Reloc.TLS_DESC)).tolist():
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


def _without_versions(matches: Matches, place: NDArray[np.intp], queries: Queries) -> Iterator[tuple[int, int]]:
    """Yield (query, file) where a version was asked for and the file has none. place: index of each match's query."""
    met = np.flatnonzero((matches.flags & NO_VERSIONS != 0) & (queries.version[place] != 0))
    return zip(place[met].tolist(), matches.file[met].tolist(), strict=True)
