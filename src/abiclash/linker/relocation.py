"""Relocating new objects: their look-ups, unique symbols, undefined symbols and static TLS.

After glibc 2.36 elf/dl-reloc.c _dl_relocate_object and elf/dl-lookup.c _dl_lookup_symbol_x, do_lookup_unique.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import Reloc
from abiclash.linker.link_map import LoadFailure
from abiclash.linker.lookup import NOT_FOUND, Matches, Rules, ScopeIndex, search, search_files
from abiclash.linker.tables import Q_COPY, Q_PROTECTED, Q_WEAK, UNIQUE, Queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap, Scope
    from abiclash.linker.process import Process
    from abiclash.linker.world import World


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


class Relocator:
    """Binds the references of new objects. One for each world and C library, shared by forks of a process."""

    def __init__(self, world: World, libc_version: tuple[int, int]) -> None:
        self._world = world
        self._rules = Rules(default_is_fallback=libc_version >= (2, 42))
        self._global_files: tuple[int, ...] = ()
        self._global_index = ScopeIndex.empty()

    def run(self, process: Process, order: Sequence[LinkMap], *, lazy: bool) -> None:
        """Bind all references of `order` (dependencies first), object by object where the scopes differ.

        lazy: undefined PLT references do not fail the load (RTLD_LAZY without LD_BIND_NOW).
        Raises LoadFailure at the first reference that ld.so would give up at.
        """
        for scope, links in groupby(order, key=lambda link: link.scope):
            self._bind(process, list(links), scope)
        for place, link in enumerate(order):
            try:
                self._finish(process, link, lazy=lazy)
            except LoadFailure:
                for later in order[place + 1 :]:
                    later.targets = later.target_rows = None
                raise

    def _bind(self, process: Process, links: list[LinkMap], scope: list[Scope]) -> None:
        """Look up the references of objects with one scope, all at once."""
        queries = [self._world.table(link.file).queries for link in links]
        merged = Queries(
            np.concatenate([q.key for q in queries]),
            np.concatenate([q.version for q in queries]),
            np.concatenate([q.flags for q in queries]),
        )
        by_key = np.argsort(merged.key, kind="stable")
        matches = Matches.none(len(by_key))
        matches.enter(by_key, self._search_scope(process, merged.take(by_key), scope))
        self._keep_unique(process, merged, matches)
        self._keep_protected(links, queries, matches)
        start = 0
        for link, part in zip(links, queries, strict=True):
            stop = start + len(part.key)
            link.global_seen = len(process.global_scope)
            link.targets, link.target_rows = matches.file[start:stop], matches.row[start:stop]
            start = stop

    def _search_scope(self, process: Process, queries: Queries, scope: list[Scope]) -> Matches:
        """Walk l_scope: the first part with a match wins. What one part has shown to lack is not searched again."""
        matches = Matches.none(len(queries.key))
        left, pending = np.arange(len(queries.key)), queries
        executable = process.executable if process.executable is not None else NOT_FOUND
        searched: set[int] = set()
        for part in scope:
            if part.owner is None:
                listed = tuple(process.global_scope)
                found = search(self._global(listed), pending, self._rules, executable)
            else:
                listed = (part.owner,) if part.alone else process.maps[part.owner].search_list or ()
                fresh = [file for file in listed if file not in searched]
                found = search_files(self._world, fresh, pending, self._rules, executable)
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

    @staticmethod
    def _keep_protected(links: list[LinkMap], parts: list[Queries], matches: Matches) -> None:
        """A reference to an object's own protected definition stays there, whatever was found first.

        Class 0 and COPY look-ups are repeated with the PLT class; both end at the object itself whenever
        anything at all is found elsewhere.
        """
        start = 0
        for link, part in zip(links, parts, strict=True):
            file = matches.file[start : start + len(part.key)]
            away = ((part.flags & Q_PROTECTED) != 0) & (file != NOT_FOUND) & (file != link.file)
            moved = np.flatnonzero(away)
            matches.file[start + moved] = link.file
            matches.row[start + moved] = link.facts.references.symbol[moved].astype(np.int32)
            start += len(part.key)

    def _finish(self, process: Process, link: LinkMap, *, lazy: bool) -> None:
        """Stop at the first undefined strong reference or exhausted static TLS, in relocation order."""
        if link.targets is None:
            return
        queries = self._world.table(link.file).queries
        undefined = (link.targets == NOT_FOUND) & ((queries.flags & Q_WEAK) == 0)
        kinds = link.facts.references.kind
        if lazy:
            undefined &= kinds != Reloc.PLT
        stop = np.flatnonzero(undefined)
        initial_exec = np.flatnonzero(kinds == Reloc.TLS_IE)
        if len(stop):
            initial_exec = initial_exec[initial_exec < stop[0]]
        self._allocate_tls(process, link, initial_exec)
        if len(stop):
            link.targets[stop[0] :] = NOT_FOUND  # ld.so came no further
            raise self._undefined(link, int(stop[0]), queries)

    @staticmethod
    def _allocate_tls(process: Process, link: LinkMap, references: NDArray[np.intp]) -> None:
        """TPOFF relocations place the *defining* object in the static block (CHECK_STATIC_TLS)."""
        if link.targets is not None and len(references):
            for file in dict.fromkeys(link.targets[references].tolist()):
                if file in process.maps:
                    process.tls.allocate(process.maps[file])
        tls = link.facts.tls
        if tls is not None and tls.static:
            process.tls.allocate(link)

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
