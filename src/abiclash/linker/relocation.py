"""Relocating new objects: unique, protected and undefined symbols, static TLS, and what each comes to depend on.

After glibc 2.36 elf/dl-reloc.c _dl_relocate_object and elf/dl-lookup.c _dl_lookup_symbol_x, add_dependency.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import Reloc
from abiclash.glibc_versions import VERSIONS_MAY_BE_LOST, VERSIONS_PROMISED
from abiclash.linker.link_map import LoadFailure, MapType
from abiclash.linker.load_checks import inconsistency
from abiclash.linker.lookup import NOT_FOUND, Matches
from abiclash.linker.scope_lookup import Bound, ScopeLookup, first_uses, listed
from abiclash.linker.tables import Q_COPY, Q_PLT, Q_PROTECTED, Q_WEAK, STB_GNU_UNIQUE, UNDEFINED, Queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.pinned import Pinned
    from abiclash.linker.process import Process
    from abiclash.linker.world import World

DF_BIND_NOW, DF_1_NOW = 0x8, 0x1


class Relocator:
    """Binds the references of new objects. One for each world and C library, shared by forks of a process.

    dynamic_weak: LD_DYNAMIC_WEAK is set: a weak definition serves only where there is no strong one.
    """

    def __init__(self, world: World, libc_version: tuple[int, int], *, dynamic_weak: bool = False) -> None:
        self._world = world
        self._libc_version = libc_version
        self._lookup = ScopeLookup(world, libc_version, dynamic_weak=dynamic_weak)
        self._tls: dict[int, NDArray[np.intp]] = {}

    def run(self, process: Process, order: Sequence[LinkMap], *, lazy: bool) -> None:
        """Bind all references of `order` (dependencies first), object by object where the scopes differ.

        lazy: undefined PLT references do not fail the load (RTLD_LAZY without LD_BIND_NOW).
        Raises LoadFailure at the first reference that ld.so would give up at.
        """
        before: list[Pinned] = []
        bound: list[Bound] = []
        for link in order:
            before.append(process.pinned)
            bound.append(self._bind(process, link))
        for place, link in enumerate(order):
            try:
                self._finish(process, link, bound[place], before[place], lazy=lazy)
            except LoadFailure:
                self._give_up(process, link, before[place])
                for later in order[place + 1 :]:
                    later.targets = later.target_rows = None
                raise

    def _give_up(self, process: Process, link: LinkMap, before: Pinned) -> None:
        """Leave in the process what ld.so did until it failed. before: the state when it began with the object.

        What had been bound to unique definitions of objects that stay is kept, though the object that asked will go.
        """
        process.pinned = before
        if link.targets is None or link.target_rows is None:
            return
        key = self._world.table(link.file).queries.key
        uses = first_uses(link.targets)
        link.held = _held(process, link, uses, before)
        for _, file in uses:
            at = np.flatnonzero(link.targets == file)
            at = at[process.maps[file].facts.symbols.info[link.target_rows[at]] >> 4 == STB_GNU_UNIQUE]
            process.pinned = process.pinned.bind(key[at], link.targets[at], link.target_rows[at])

    def _bind(self, process: Process, link: LinkMap) -> Bound:
        """Look up the references of an object."""
        scope = tuple((part.owner, part.alone, listed(process, part)) for part in link.scope)
        looked_up = self._lookup.all_of(process, link.file, [file for *_, files in scope for file in files], scope)
        found, unique = looked_up.matches, looked_up.unique
        queries = self._world.table(link.file).queries
        kept = None
        if len(unique):
            key = queries.key[unique]
            process.pinned = process.pinned.bind(key, found.file[unique], found.row[unique])
            kept = process.pinned.unique.of(key)
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
            uses = first_uses(matches.file)
            looked_up.bound[name] = Bound(matches.file.view(), matches.row, undefined, looked_up.bare, uses)
        bound = looked_up.bound[name]
        link.global_seen = len(process.global_scope)
        link.targets, link.target_rows = bound.targets, bound.rows
        return bound

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
            scope = [file for part in link.scope for file in listed(process, part)]
            again = self._lookup.targets(process, link.file, calls, scope)
            away = np.setdiff1d(away, stubs[(again == NOT_FOUND) | (again == link.file)])
        kept = replace(matches, file=matches.file.copy(), row=matches.row.copy())
        kept.file[away], kept.row[away] = link.file, link.facts.references.symbol[away]
        return kept

    def _finish(self, process: Process, link: LinkMap, bound: Bound, before: Pinned, *, lazy: bool) -> None:
        """Stop where ld.so stops, in relocation order: undefined strong reference, static TLS, failed assertion."""
        if link.targets is None:
            return
        kinds = link.facts.references.kind
        undefined, bare, uses = bound.undefined, bound.bare, bound.uses
        if lazy and not link.facts.flags & DF_BIND_NOW and not link.facts.flags_1 & DF_1_NOW:
            undefined = undefined[kinds[undefined] != Reloc.PLT]
            bare = [(reference, file) for reference, file in bare if kinds[reference] != Reloc.PLT]
            uses = first_uses(np.where(kinds == Reloc.PLT, NOT_FOUND, link.targets))
        stop = int(undefined[0]) if len(undefined) else len(kinds)
        broken = self._broken_promise(process, link, bare) if bare else None
        self._allocate_tls(process, link, min(stop, len(kinds) if broken is None else broken))
        if broken is not None and broken < stop:
            link.targets = _cut(link.targets, broken)
            raise inconsistency(VERSIONS_PROMISED, self._libc_version, link)
        if stop < len(kinds):
            link.targets = _cut(link.targets, stop)  # ld.so came no further
            raise self._undefined(link, stop, self._world.table(link.file).queries)
        link.held = _held(process, link, uses, before)

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
        if link.targets is None:
            return
        kinds = link.facts.references.kind
        if link.file not in self._tls:
            self._tls[link.file] = np.flatnonzero((kinds == Reloc.TLS_IE) | (kinds == Reloc.TLS_DESC))
        rows = self._tls[link.file]
        if tls is not None and tls.static:
            by_name = rows[(link.targets[rows] == link.file) & (kinds[rows] == Reloc.TLS_IE)]
            self._require_tls(process, link, link, int(by_name[0]) + 1 if len(by_name) else 0)
        for reference in rows[rows < stop].tolist() if len(rows) else ():
            target = process.maps.get(int(link.targets[reference]))
            if target is not None and kinds[reference] == Reloc.TLS_IE:
                self._require_tls(process, link, target, reference + 1)
            elif target is not None:
                process.tls.offer(target)

    @staticmethod
    def _require_tls(process: Process, link: LinkMap, target: LinkMap, bound: int) -> None:
        """Place the block of `target`. bound: how many references ld.so has bound by then."""
        try:
            process.tls.require(target)
        except LoadFailure:
            if link.targets is not None:
                link.targets = _cut(link.targets, bound)
            raise

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


def _held(process: Process, link: LinkMap, uses: Iterable[tuple[int, int]], before: Pinned) -> tuple[int, ...]:
    """Return l_reldeps: what came by dlopen, can be unloaded and is no dependency, in the order of the first uses.

    uses: (reference, file). before: what was pinned before the object was relocated; if the first use of a file is of
    a unique symbol, it is pinned since.
    """
    held = []
    for reference, file in uses:
        target = process.maps[file]
        if target is link or target.type is not MapType.LOADED or file in before or file in (link.dependencies or ()):
            continue
        symbol = 0 if link.target_rows is None else int(link.target_rows[reference])
        if target.facts.symbols.info[symbol] >> 4 != STB_GNU_UNIQUE:
            held.append(file)
    return tuple(held)
