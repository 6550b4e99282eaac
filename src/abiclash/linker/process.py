"""A process as ld.so builds it: start-up, dlopen, scopes and bindings (glibc 2.36 elf/rtld.c, dl-open.c, dl-deps.c)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from abiclash.linker import load_checks
from abiclash.linker.link_map import GLOBAL_SCOPE, LinkMap, LoadFailure, MapType, Mode, Scope
from abiclash.linker.relocation import Relocator, UniqueTable
from abiclash.linker.search_path import SearchSettings, directories, expand, find_library, origin_of
from abiclash.linker.sort_maps import sort_maps
from abiclash.linker.tls import StaticTls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.linker.world import World


class HostSettings(SearchSettings, Protocol):
    """What the linker must know of the host besides its files."""

    libc_version: tuple[int, int]
    machine: str
    static_tls_surplus: int


@dataclass(frozen=True, slots=True)
class LoadEvent:
    """One dlopen as it was played. name: as asked for. file: what it opened, None where it failed.

    new: file ids that it brought, in load order. relocated: the same in relocation order. failure: why it failed.
    """

    name: str
    mode: Mode
    file: int | None
    new: tuple[int, ...] = ()
    relocated: tuple[int, ...] = ()
    failure: LoadFailure | None = None


class Process:
    """Loaded objects, the global scope and every binding made so far, for one simulated process."""

    def __init__(self, world: World, host: HostSettings) -> None:
        self.world = world
        self.host = host
        self.maps: dict[int, LinkMap] = {}  # in load order, as _ns_loaded
        self.global_scope: list[int] = []
        self.executable: int | None = None
        self.events: list[LoadEvent] = []
        self.unique = UniqueTable()
        self.tls = StaticTls(host.static_tls_surplus, host.machine)
        self._relocator = Relocator(world, host.libc_version)

    # -- start-up ---------------------------------------------------------------------------------------------

    @classmethod
    def start(cls, world: World, host: HostSettings, executable: str, preload: Sequence[str] = ()) -> Process:
        """Load an executable with its dependencies, as the kernel and ld.so do (elf/rtld.c dl_main).

        Raises LoadFailure where the program cannot start.
        """
        process = cls(world, host)
        file = world.find(executable)
        facts = world.facts[file] if file is not None else None
        if file is None or facts is None:
            raise LoadFailure("bad-object", executable, "cannot open shared object file: No such file or directory")
        main = LinkMap(file, facts, executable, MapType.EXECUTABLE, None, {executable})
        process.maps[file] = main
        process.executable = file
        main.scope = [GLOBAL_SCOPE]
        if facts.interp is not None:
            process._map_interpreter(facts.interp)
        preloaded = [process._map(name, main, MapType.LIBRARY) for name in preload]
        process._map_dependencies(main, preloaded)
        process.global_scope = list(main.search_list or ())
        for link in process.maps.values():
            link.is_global = link.file in process.global_scope
            link.scope = [GLOBAL_SCOPE]
        process._check_versions(process.maps.values())
        order = [process.maps[f] for f in reversed(main.dependencies or ())]
        process.tls.lay_out_initial(process.maps.values())
        process._relocate(order)
        process.events.append(
            LoadEvent(executable, Mode.NOW, file, tuple(process.maps), tuple(link.file for link in order))
        )
        return process

    def _map_interpreter(self, path: str) -> None:
        """The kernel maps ld.so itself; its map is found by PT_INTERP's path and by its soname."""
        file = self.world.find(path)
        facts = self.world.facts[file] if file is not None else None
        if file is None or facts is None:
            raise LoadFailure("missing-library", path, "cannot open shared object file: No such file or directory")
        link = LinkMap(file, facts, path, MapType.LIBRARY, None, {path})
        link.scope = [GLOBAL_SCOPE]
        self.maps[file] = link

    # -- dlopen -----------------------------------------------------------------------------------------------

    def dlopen(self, name: str, mode: Mode = Mode.NOW, caller: int | None = None) -> LoadEvent:
        """Open an object as dl_open_worker_begin does; a failed load leaves the process as it was.

        caller: file id of the object that calls dlopen: its run path serves a name without a slash.
        """
        before = self._snapshot()
        try:
            event = self._open(name, mode, caller)
        except LoadFailure as failure:
            self._restore(before)
            event = LoadEvent(name, mode, None, failure=failure)
        self.events.append(event)
        return event

    def _open(self, name: str, mode: Mode, caller: int | None) -> LoadEvent:
        known = set(self.maps)
        requester = self.maps.get(caller) if caller is not None else None
        if requester is None and self.executable is not None:
            requester = self.maps[self.executable]
        root = self._map(name, requester, MapType.LOADED, mode=mode, by_dlopen=True)
        if root is None:
            return LoadEvent(name, mode, None)
        if root.search_list is None:
            self._map_dependencies(root, (), mode)
            search_list = [self.maps[f] for f in root.search_list or ()]
            self._check_versions(link for link in search_list if link.file not in known)
            order = [self.maps[f] for f in reversed(root.dependencies or ()) if not self.maps[f].relocated]
            self._relocate(order, lazy=Mode.LAZY in mode and Mode.NOW not in mode)
            for link in search_list:
                if link.file in known and link.type is MapType.LOADED and Scope(root.file) not in link.scope:
                    link.scope.append(Scope(root.file))
        else:
            order = []
        if Mode.GLOBAL in mode:
            self.promote(root.search_list or ())
        new = tuple(f for f in self.maps if f not in known)
        return LoadEvent(name, mode, root.file, new, tuple(link.file for link in order))

    def promote(self, files: Iterable[int]) -> None:
        """Add objects to the end of the global scope (add_to_global_update)."""
        for file in files:
            link = self.maps[file]
            if not link.is_global:
                link.is_global = True
                self.global_scope.append(file)

    def unload(self, file: int) -> None:
        """Forget an object that was closed for good; what is bound to it stays recorded."""
        self.maps.pop(file, None)
        if file in self.global_scope:
            self.global_scope.remove(file)

    # -- names to objects -------------------------------------------------------------------------------------

    def _loaded(self, name: str) -> LinkMap | None:
        """Find an object by a name it was opened by or by its DT_SONAME (_dl_map_object)."""
        for link in self.maps.values():
            if name == link.name or name in link.names:
                return link
            if name == link.facts.soname:
                link.names.add(name)
                return link
        return None

    def _map(
        self,
        name: str,
        requester: LinkMap | None,
        kind: MapType,
        *,
        mode: Mode = Mode.NOW,
        by_dlopen: bool = False,
    ) -> LinkMap | None:
        """Return the map for a name, loading the file where no loaded object answers to it (_dl_map_object).

        Returns None only for RTLD_NOLOAD.
        """
        loaded = self._loaded(name)
        if loaded is not None:
            return loaded
        path, file = self._locate(name, requester)
        same = self.maps.get(file)
        if same is not None:  # another name of a loaded file (same device and inode)
            same.names.add(name)
            return same
        if Mode.NOLOAD in mode:
            return None
        facts = load_checks.loadable(self.world, file, name, self.host)
        link = LinkMap(file, facts, path, kind, None if by_dlopen or requester is None else requester.file, {name})
        self.maps[file] = link
        link.scope = self._first_scope(link, mode)
        return link

    def _locate(self, name: str, requester: LinkMap | None) -> tuple[str, int]:
        if "/" in name:
            origin = origin_of(requester.name) if requester is not None else "/"
            path = expand(name, origin, self.host)
            file = self.world.find(path)
            if file is not None:
                load_checks.require_class(self.world, file, name, self.host)
                return path, file
        else:
            places = directories(requester, list(self._chain(requester)), self.maps.get(self.executable or -1), self.host)
            other_class: list[int] = []

            def usable(candidate: int) -> bool:
                verdict = load_checks.fits(self.world, candidate, self.host)
                if verdict == "class":
                    other_class.append(candidate)
                return verdict == "fits"

            found = find_library(name, places, requester, self.world, self.host, usable)
            if found is not None:
                return found[0], found[1]
            if other_class:
                raise load_checks.wrong_class(self.world, other_class[0], name)
        raise LoadFailure(
            "missing-library",
            name,
            "cannot open shared object file: No such file or directory",
            needed_by=requester.file if requester is not None else None,
        )

    def _chain(self, link: LinkMap | None) -> Iterator[LinkMap]:
        """Walk l_loader upwards."""
        while link is not None:
            yield link
            link = self.maps.get(link.loader) if link.loader is not None else None

    def _first_scope(self, link: LinkMap, mode: Mode) -> list[Scope]:
        """l_scope of a new object (_dl_new_object, and DT_SYMBOLIC in _dl_map_object_from_fd)."""
        *_, top = self._chain(link)
        own = Scope(top.file)
        if top.type is not MapType.LOADED:
            return [GLOBAL_SCOPE]
        if Mode.DEEPBIND in mode:
            return [own, GLOBAL_SCOPE]
        scope = [GLOBAL_SCOPE, own]
        if link.facts.flags & load_checks.DF_SYMBOLIC:
            scope.insert(0, Scope(link.file, alone=True))
        return scope

    # -- dependencies -----------------------------------------------------------------------------------------

    def _map_dependencies(self, root: LinkMap, preloads: Iterable[LinkMap | None], mode: Mode = Mode.NOW) -> None:
        """Build the search list breadth-first and sort the initialisation order (_dl_map_object_deps)."""
        queue = [root, *(link for link in preloads if link is not None)]
        kind = MapType.LIBRARY if root.type is MapType.EXECUTABLE else MapType.LOADED
        listed = {link.file for link in queue}
        done = 0
        while done < len(queue):
            link = queue[done]
            done += 1
            direct: list[int] = []
            for name in link.facts.needed:
                dependency = self._map(expand(name, origin_of(link.name), self.host), link, kind, mode=mode & ~Mode.NOLOAD)
                if dependency is None:
                    continue
                direct.append(dependency.file)
                if dependency.file not in listed:
                    listed.add(dependency.file)
                    queue.append(dependency)
            done += self._map_filters(link, queue, done - 1, listed, direct, kind)
            if link.search_list is None and link.dependencies is None and link is not root:
                link.dependencies = (link.file, *direct)
        files = [link.file for link in queue]
        root.search_list = tuple(files)
        dfs = self.host.libc_version >= (2, 35)
        root.dependencies = None
        root.dependencies = tuple(
            sort_maps(files, lambda f: self.maps[f].dependencies, self.executable, dfs=dfs)
        )

    def _map_filters(
        self, link: LinkMap, queue: list[LinkMap], at: int, listed: set[int], direct: list[int], kind: MapType
    ) -> int:
        """Put DT_FILTER and DT_AUXILIARY objects before the object that names them; return how many were inserted."""
        inserted = 0
        for name, optional in [(n, True) for n in link.facts.auxiliary] + [(n, False) for n in link.facts.filter]:
            try:
                filtee = self._map(expand(name, origin_of(link.name), self.host), link, kind)
            except LoadFailure:
                if optional:
                    continue
                raise
            if filtee is None:
                continue
            direct.append(filtee.file)
            place = next((i for i, other in enumerate(queue) if other is filtee), None)
            if place is not None and place <= at + inserted:
                continue
            if place is not None:
                queue.pop(place)
            listed.add(filtee.file)
            queue.insert(at + inserted, filtee)
            inserted += 1
        return 0 if not inserted else self._walk_filtees(queue, at, inserted, listed, kind)

    def _walk_filtees(self, queue: list[LinkMap], at: int, inserted: int, listed: set[int], kind: MapType) -> int:
        """Dependencies of inserted objects join the end of the list, as the walk resumes at the inserted ones."""
        for link in queue[at : at + inserted]:
            direct: list[int] = []
            for name in link.facts.needed:
                dependency = self._map(expand(name, origin_of(link.name), self.host), link, kind)
                if dependency is None:
                    continue
                direct.append(dependency.file)
                if dependency.file not in listed:
                    listed.add(dependency.file)
                    queue.append(dependency)
            if link.search_list is None and link.dependencies is None:
                link.dependencies = (link.file, *direct)
        return inserted

    # -- versions, relocation ---------------------------------------------------------------------------------

    def _check_versions(self, links: Iterable[LinkMap]) -> None:
        """Every needed version must exist in the library that verneed names (_dl_check_map_versions)."""
        for link in links:
            load_checks.require_versions(link, self._by_exact_name)

    def _by_exact_name(self, name: str) -> LinkMap | None:
        """find_needed of elf/dl-version.c: by the names an object was asked for, in load order."""
        for link in self.maps.values():
            if name == link.name or name in link.names:
                return link
        return None

    def _relocate(self, order: Sequence[LinkMap], *, lazy: bool = False) -> None:
        """Relocate new objects, dependencies first, and record their bindings."""
        self._relocator.run(self, order, lazy=lazy)
        for link in order:
            link.relocated = True

    # -- copies -----------------------------------------------------------------------------------------------

    def fork(self) -> Process:
        """Return an independent copy: the state of "A alone" is the start of "A then B"."""
        other = copy.copy(self)
        other._restore(self._snapshot())  # noqa: SLF001
        other.events = list(self.events)
        return other

    def _snapshot(self) -> tuple[dict[int, LinkMap], list[int], UniqueTable, StaticTls]:
        maps = {file: copy.copy(link) for file, link in self.maps.items()}
        for link in maps.values():
            link.names = set(link.names)
            link.scope = list(link.scope)
        return maps, list(self.global_scope), self.unique.copy(), self.tls.copy()

    def _restore(self, state: tuple[dict[int, LinkMap], list[int], UniqueTable, StaticTls]) -> None:
        self.maps, self.global_scope, self.unique, self.tls = state

    # -- answers ----------------------------------------------------------------------------------------------

    def targets(self, file: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """Return the file ids that an object's references are bound to; empty where it is not loaded."""
        link = self.maps.get(file)
        if link is None or link.targets is None:
            return np.zeros(0, dtype=np.int32)
        return link.targets
