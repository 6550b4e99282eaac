"""A process as ld.so builds it: start-up, dlopen, scopes and bindings (glibc 2.36 elf/rtld.c, dl-open.c, dl-deps.c)."""

from __future__ import annotations

import copy
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from abiclash.glibc_versions import DEPTH_FIRST_SORT, FILTERS_OPENED, NODELETE_AFTER_SUCCESS, OPTIONAL_STATIC_TLS
from abiclash.linker import closing, load_checks
from abiclash.linker.dependencies import map_dependencies
from abiclash.linker.link_map import GLOBAL_SCOPE, LinkMap, LoadEvent, LoadFailure, MapType, Mode, Scope
from abiclash.linker.mapping import Answers, by_exact_name, map_object
from abiclash.linker.pinned import Pinned
from abiclash.linker.relocation import Relocator
from abiclash.linker.search_path import SearchSettings
from abiclash.linker.sort_maps import sort_to_relocate
from abiclash.linker.tls import StaticTls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from abiclash.linker.pinned import UniqueTable
    from abiclash.linker.tables import Definitions
    from abiclash.linker.world import World


class HostSettings(SearchSettings, Protocol):
    """What the linker must know of the host besides its files."""

    @property
    def libc(self) -> str: ...
    @property
    def machine(self) -> str: ...
    @property
    def static_tls_surplus(self) -> int: ...
    @property
    def tunables(self) -> Mapping[str, int]: ...
    @property
    def dynamic_weak(self) -> bool: ...


class Process:
    """Loaded objects, the global scope and every binding made so far, for one simulated process."""

    def __init__(self, world: World, host: HostSettings) -> None:
        self.world = world
        self.host = host
        self.maps: dict[int, LinkMap] = {}  # in load order, as _ns_loaded
        self.global_scope: list[int] = []
        self.executable: int | None = None
        self.answers = Answers()
        self.events: list[LoadEvent] = []
        self.closed: list[LinkMap] = []  # unloaded since
        self.pinned = Pinned(delayed=host.libc_version in NODELETE_AFTER_SUCCESS)
        optional = None
        if host.libc_version in OPTIONAL_STATIC_TLS:
            optional = host.tunables.get("rtld.optional_static_tls")
        self.tls = StaticTls(host.static_tls_surplus, host.machine, host.libc_version, optional)
        self._relocator = Relocator(world, host.libc_version, dynamic_weak=host.dynamic_weak)
        self.depth_first = host.libc_version in DEPTH_FIRST_SORT and host.tunables.get("rtld.dynamic_sort") != 1
        self.init_first: int | None = None  # GL(dl_initfirst)
        self.executable_stack = False
        self.ended = False

    # -- start-up ---------------------------------------------------------------------------------------------

    @classmethod
    def start(
        cls, world: World, host: HostSettings, executable: str, preload: Sequence[str] = (), *, bind_now: bool = False
    ) -> Self:
        """Load an executable with its dependencies, as the kernel and ld.so do (elf/rtld.c dl_main).

        bind_now: LD_BIND_NOW is set. Raises LoadFailure where the program cannot start.
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
        process.executable_stack = load_checks.starts_with_executable_stack(facts, executable, host)
        if facts.interp is not None:
            process._map_interpreter(facts.interp)
        map_dependencies(process, main, process._preload(preload, main))
        process.global_scope = list(main.search_list or ())
        for link in process.maps.values():
            link.is_global = link.file in process.global_scope
            symbolic = link is not main and link.facts.flags & load_checks.DF_SYMBOLIC
            link.scope = [Scope(link.file, alone=True), GLOBAL_SCOPE] if symbolic else [GLOBAL_SCOPE]
        process._check_versions(process.maps.values())
        order = [process.maps[dependency] for dependency in reversed(main.dependencies or ())]
        process.tls.lay_out_initial(process.maps.values())
        process._relocate(order, lazy=not bind_now)
        process.events.append(process._loaded(executable, Mode.NOW, file, tuple(process.maps), order))
        return process

    def _preload(self, names: Iterable[str], main: LinkMap) -> list[LinkMap]:
        """Map what LD_PRELOAD names; what cannot be mapped is left out (elf/rtld.c do_preload)."""
        known = set(self.maps)
        for name in names:
            with suppress(LoadFailure):
                map_object(self, name, main, MapType.LIBRARY)
        return [link for file, link in self.maps.items() if file not in known]

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
        """Open an object as dl_open_worker_begin does; what a failed load brought is gone again.

        caller: file id of the object that calls dlopen: its run path serves a name without a slash. An
        inconsistency ends the process: from then on nothing is loaded, and nothing is recorded.
        """
        if self.ended:
            return LoadEvent(name, mode, None)
        known, root = set(self.maps), None
        try:
            root = self._map_root(name, mode, caller)
            event = LoadEvent(name, mode, None) if root is None else self._complete(root, name, mode, known)
        except LoadFailure as failure:
            new = [link for file, link in self.maps.items() if file not in known]
            gone = closing.collect(self, root, forced=True) if root is not None else []
            self.ended = failure.kind == "inconsistency"
            destroyed = () if self.ended else tuple(link.file for link in gone)
            begun = tuple(link for link in new if link.targets is not None and link.file not in self.maps)
            event = LoadEvent(name, mode, None, failure=failure, discarded=begun, destroyed=destroyed)
        self.events.append(event)
        return event

    def _map_root(self, name: str, mode: Mode, caller: int | None) -> LinkMap | None:
        """Map what dlopen is asked for; None where RTLD_NOLOAD finds nothing."""
        if not mode & (Mode.LAZY | Mode.NOW):
            raise LoadFailure("bad-mode", name, "invalid mode for dlopen(): Invalid argument")
        requester = self.maps.get(caller) if caller is not None else None
        if requester is None and self.executable is not None:
            requester = self.maps[self.executable]
        return map_object(self, name, requester, MapType.LOADED, mode=mode, by_dlopen=True)

    def _complete(self, root: LinkMap, name: str, mode: Mode, known: set[int]) -> LoadEvent:
        """Load what an opened object needs, bind it, and let it be seen. known: what was there before."""
        if Mode.NODELETE in mode:
            self.pinned = self.pinned.mark([root.file], at_once=root.search_list is not None)
        if root.search_list is None:
            listed = map_dependencies(self, root, (), mode)
            self._check_versions(link for link in listed if link.file not in known)
            order = self._to_relocate(root)
            self._relocate(order, lazy=Mode.LAZY in mode and Mode.NOW not in mode)
            self.pinned = self.pinned.activated()
            own = Scope(root.file)
            for link in listed:
                if link.file in known and link.type is MapType.LOADED and own not in link.scope:
                    link.scope.append(own)
        else:
            order = []
        if Mode.GLOBAL in mode:
            self.promote(root.search_list or ())
        root.opens += 1
        new = tuple(islice(self.maps, len(known), None))  # at the end, unless a filter moved objects
        if not known.isdisjoint(new):
            new = tuple(file for file in self.maps if file not in known)
        return self._loaded(name, mode, root.file, new, order)

    def _to_relocate(self, root: LinkMap) -> list[LinkMap]:
        """Return what a dlopen relocates, in order."""
        files: Sequence[int] = root.dependencies or ()
        if self.host.libc_version not in FILTERS_OPENED:
            behind = islice(self.maps, list(self.maps).index(root.file), None)
            new = [file for file in behind if not self.maps[file].relocated]
            files = sort_to_relocate(new, lambda file: self.maps[file].dependencies)
        return [self.maps[file] for file in reversed(files) if not self.maps[file].relocated]

    def _loaded(self, name: str, mode: Mode, file: int, new: tuple[int, ...], order: Sequence[LinkMap]) -> LoadEvent:
        """Let the initialisers run: an object with DF_1_INITFIRST comes first, the last of several (_dl_init).

        A program's own initialisers are none of ld.so's business.
        """
        relocated = tuple(link.file for link in order)
        if not relocated:
            return LoadEvent(name, mode, file, new)
        first, self.init_first = self.init_first, None
        waiting = set(relocated) - {first, self.executable}
        rest = [each for each in reversed(self.maps[file].dependencies or ()) if each in waiting]
        return LoadEvent(name, mode, file, new, relocated, (*rest,) if first is None else (first, *rest))

    def promote(self, files: Iterable[int]) -> None:
        """Add objects to the end of the global scope (add_to_global_update)."""
        for file in files:
            link = self.maps[file]
            if not link.is_global:
                link.is_global = True
                self.global_scope.append(file)

    def dlclose(self, file: int) -> tuple[int, ...]:
        """Give back what one dlopen returned; return what is unloaded for it, in order (_dl_close).

        What was bound stays recorded.
        """
        link = self.maps[file]
        if not link.opens or file in self.pinned.active:
            return ()
        link.opens -= 1
        gone = closing.collect(self, link, forced=False) if not link.opens and link.type is MapType.LOADED else []
        self.closed += gone
        return tuple(link.file for link in gone)

    def unload(self, file: int) -> None:
        """Forget an object that is known to have been closed for good; what is bound to it stays recorded."""
        link = self.maps.get(file)
        if link is not None:
            closing.remove(self, [link])
            self.closed.append(link)

    # -- versions, relocation ---------------------------------------------------------------------------------

    def _check_versions(self, links: Iterable[LinkMap]) -> None:
        """Every needed version must exist in the library that verneed names (_dl_check_map_versions)."""
        for link in links:
            load_checks.require_versions(link, partial(by_exact_name, self), self.host.libc_version)

    def _relocate(self, order: Sequence[LinkMap], *, lazy: bool = False) -> None:
        """Relocate new objects, dependencies first, and record their bindings."""
        self._relocator.run(self, order, lazy=lazy)
        for link in order:
            link.relocated = True

    # -- copies -----------------------------------------------------------------------------------------------

    def fork(self) -> Self:
        """Return an independent copy: the state of "A alone" is the start of "A then B"."""
        other = copy.copy(self)
        other.maps = {file: copy.copy(link) for file, link in self.maps.items()}
        for link in other.maps.values():
            link.names = set(link.names)
            link.scope = list(link.scope)
        other.global_scope = list(self.global_scope)
        other.answers = self.answers.copy()
        other.events = list(self.events)
        other.closed = list(self.closed)
        other.tls = self.tls.copy()
        return other

    # -- answers ----------------------------------------------------------------------------------------------

    @property
    def unique(self) -> UniqueTable:
        """The definitions of unique symbols that serve the process."""
        return self.pinned.unique

    def definitions(self, file: int) -> Definitions:
        """Return what a look-up can find in an object, by this C library's rules."""
        return self.world.table(file).definitions

    def targets(self, file: int) -> NDArray[np.int32]:
        """Return the file ids that an object's references are bound to; empty where it is not loaded."""
        link = self.maps.get(file)
        if link is None or link.targets is None:
            return np.zeros(0, dtype=np.int32)
        return link.targets
