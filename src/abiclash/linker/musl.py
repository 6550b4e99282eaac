"""A process as musl's dynamic linker builds it (musl 1.2 ldso/dynlink.c), behind the same interface as glibc's.

No versions, no unique symbols, no search list of its own for an object that was there before: one list of objects
whose symbols are visible to all, to which each dlopen adds what it opens, for the time of relocation or for good.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

import numpy as np

from abiclash.facts.model import Reloc
from abiclash.linker.link_map import GLOBAL_SCOPE, LinkMap, LoadEvent, LoadFailure, MapType, Mode, Scope
from abiclash.linker.lookup import NOT_FOUND, Matches, Rules, search_files
from abiclash.linker.musl_mapping import Missing, load, load_dependencies, not_loaded
from abiclash.linker.musl_symbols import definitions_of
from abiclash.linker.process import Process
from abiclash.linker.tables import Q_WEAK, Definitions, Queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from abiclash.linker.process import HostSettings
    from abiclash.linker.world import World


class MuslProcess(Process):
    """Loaded objects and their bindings under musl. `global_scope` is the list of the visible objects.

    `LinkMap.names` holds the shortname, if there is one; `search_list` an object and its dependencies (deps).
    """

    def __init__(self, world: World, host: HostSettings) -> None:
        super().__init__(world, host)
        self.library: int | None = None  # ldso
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
        process.library = world.find(facts.interp)
        for name in preload:
            with suppress(Missing):  # load_preload
                load(process, name, None, MapType.LIBRARY)
        load_dependencies(process, main, MapType.LIBRARY)
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
            root = load(self, name, main, MapType.LOADED, noload=Mode.NOLOAD in mode)
        except Missing as missing:
            if Mode.NOLOAD in mode:
                form = "Library {object} is not already loaded"
                raise LoadFailure("not-loaded", name, missing.errno, form=form) from missing
            raise not_loaded(name, missing) from missing
        load_dependencies(self, root, MapType.LOADED)
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
            self._tables[file] = definitions_of(self.maps[file].facts.symbols)
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
