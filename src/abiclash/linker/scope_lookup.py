"""What a scope gives to all references of an object, remembered: glibc 2.36 elf/dl-lookup.c _dl_lookup_symbol_x.

Most objects find the same scopes in every import order; unique symbols, protected ones and failures are the business
of `relocation`, for they depend on the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.glibc_versions import DEFAULT_IS_FALLBACK
from abiclash.linker.definers import Definers
from abiclash.linker.lookup import NOT_FOUND, Matches, Rules, search, search_files
from abiclash.linker.tables import NO_VERSIONS, Q_COPY, UNIQUE, WEAK, Queries

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from abiclash.linker.link_map import Scope
    from abiclash.linker.process import Process
    from abiclash.linker.world import World


@dataclass(frozen=True, slots=True)
class Bound:
    """The bindings of one object. targets, rows: as in `LinkMap`; shared by processes, and never changed in place.

    undefined: the references, in order, that are strong and found nothing. bare: (reference, file) where a reference
    with a version met a definition in an object without any. uses: (reference, file) of the first reference to each
    file, in order.
    """

    targets: NDArray[np.int32]
    rows: NDArray[np.int32]
    undefined: NDArray[np.intp]
    bare: list[tuple[int, int]]
    uses: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a scope gives to the references of one object, before the process's unique symbols have their say.

    unique: the references that met a unique definition. bare: as in `Bound`. bound: by what the process keeps.
    """

    matches: Matches
    unique: NDArray[np.intp]
    bare: list[tuple[int, int]]
    bound: dict[Hashable, Bound] = field(default_factory=dict)


class ScopeLookup:
    """Looks up in scopes. One for each world and C library, shared by forks of a process.

    dynamic_weak: LD_DYNAMIC_WEAK is set: a weak definition serves only where there is no strong one.
    """

    def __init__(self, world: World, libc_version: tuple[int, int], *, dynamic_weak: bool) -> None:
        self._world = world
        self._rules = Rules(default_is_fallback=libc_version in DEFAULT_IS_FALLBACK)
        self._dynamic_weak = dynamic_weak
        self._definers = Definers(world)
        self._scopes: dict[Hashable, LookedUp] = {}
        self._remembered: dict[Hashable, LookedUp] = {}
        self._sorted: dict[int, tuple[NDArray[np.intp], Queries]] = {}

    def all_of(self, process: Process, file: int, scope: Sequence[int], name: Hashable) -> LookedUp:
        """Look up the references of an object, once for each content of the scope that can matter for it.

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

    def targets(self, process: Process, file: int, queries: Queries, scope: Sequence[int]) -> NDArray[np.int32]:
        """Return the file where each of some queries of an object, sorted by key, finds its definition."""
        return self._look_up(process, queries, self._definers.among(file, scope))[0].file

    def _look_up_all(self, process: Process, file: int, scope: Sequence[int]) -> LookedUp:
        queries = self._world.table(file).queries
        if file not in self._sorted:
            order = np.argsort(queries.key, kind="stable")
            self._sorted[file] = order, queries.take(order)
        by_key, ordered = self._sorted[file]
        matches = Matches.none(len(by_key))
        found, met = self._look_up(process, ordered, scope)
        matches.enter(by_key, found)
        bare = sorted({pair for each in met for pair in _without_versions(each, by_key, queries)})
        unique = np.flatnonzero(((matches.flags & UNIQUE) != 0) & ((queries.flags & Q_COPY) == 0))
        return LookedUp(matches, unique, bare)

    def _look_up(self, process: Process, queries: Queries, scope: Sequence[int]) -> tuple[Matches, list[Matches]]:
        """Find each query's definition, and what it met on the way. queries: sorted by key. scope: files in order.

        Under LD_DYNAMIC_WEAK a look-up goes on behind weak definitions: the first strong one counts, or else the first.
        """
        executable = process.executable if process.executable is not None else NOT_FOUND
        if not self._dynamic_weak:
            matches = search_files(process.definitions, scope, queries, self._rules, executable)
            return matches, [matches]
        matches, met = Matches.none(len(queries.key)), []
        for file in scope:
            pending = np.flatnonzero((matches.file == NOT_FOUND) | (matches.flags & WEAK != 0))
            found = search(process.definitions(file), file, queries.take(pending), self._rules, executable)
            met.append(Matches.none(len(queries.key)))
            met[-1].enter(pending, found)
            better = (found.file != NOT_FOUND) & ((matches.file[pending] == NOT_FOUND) | (found.flags & WEAK == 0))
            matches.enter(pending[better], found.take(better))
        return matches, met


def listed(process: Process, part: Scope) -> tuple[int, ...]:
    """Return the objects of a scope part."""
    if part.owner is None:
        return tuple(process.global_scope)
    return (part.owner,) if part.alone else process.maps[part.owner].search_list or ()


def first_uses(targets: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return (reference, file) of the first reference to each file, in order. targets: as in `LinkMap`."""
    count = len(targets)
    first = np.full(int(targets.max(initial=NOT_FOUND)) + 2, count, dtype=np.intp)
    first[targets[::-1]] = np.arange(count - 1, -1, -1)  # of equal places the last assignment stays
    files = np.flatnonzero(first[:-1] < count)  # the last place is NOT_FOUND's
    return sorted(zip(first[files].tolist(), files.tolist(), strict=True))


def _without_versions(matches: Matches, place: NDArray[np.intp], queries: Queries) -> Iterator[tuple[int, int]]:
    """Yield (query, file) where a version was asked for and the file has none. place: index of each match's query."""
    met = np.flatnonzero((matches.flags & NO_VERSIONS != 0) & (queries.version[place] != 0))
    return zip(place[met].tolist(), matches.file[met].tolist(), strict=True)
