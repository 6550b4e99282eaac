"""The search list of an opened object: glibc 2.36 elf/dl-deps.c _dl_map_object_deps."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from abiclash.glibc_versions import FILTERS_OPENED, OPENED_IS_FIRST
from abiclash.linker.link_map import LoadFailure, MapType, Mode
from abiclash.linker.load_checks import inconsistency
from abiclash.linker.mapping import map_object
from abiclash.linker.search_path import expand, origin_of
from abiclash.linker.sort_maps import sort_maps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process

    MapByName = Callable[[str, LinkMap], LinkMap | None]
    MapByFile = Callable[[int], LinkMap | None]
    MoveBefore = Callable[[LinkMap, LinkMap], None]


def map_dependencies(
    process: Process, root: LinkMap, preloads: Iterable[LinkMap], mode: Mode = Mode.NOW
) -> list[LinkMap]:
    """Build the search list of an opened object, sort its initialisation order, and return the list.

    Where a dependency cannot be loaded, the object keeps what was found before. Raises LoadFailure.
    """
    kind = MapType.LIBRARY if root.type is MapType.EXECUTABLE else MapType.LOADED

    def load(name: str, requester: LinkMap) -> LinkMap | None:
        path = expand(name, origin_of(requester.name), process.host) if "$" in name else name
        return map_object(process, path, requester, kind, mode=mode & Mode.DEEPBIND)

    def loaded(file: int) -> LinkMap | None:
        # Of `maps` as it is then: it is made anew when objects move. Where objects were closed, names decide again.
        return None if process.closed else process.maps.get(file)

    listed = [root, *preloads]
    try:
        _fill_search_list(listed, load, loaded, partial(_move_before, process))
    finally:
        files = [link.file for link in listed]
        root.search_list = tuple(files)
        if files[0] != root.file and process.host.libc_version not in FILTERS_OPENED:
            raise inconsistency(OPENED_IS_FIRST, process.host.libc_version, root)
        first = [root.file, *(file for file in files if file != root.file)]  # filtees come before it in the list
        order = sort_maps(
            first, lambda file: process.maps[file].dependencies, process.executable, dfs=process.depth_first
        )
        root.dependencies = tuple(order)
    return listed


def _move_before(process: Process, link: LinkMap, other: LinkMap) -> None:
    """Move an object in the list of all objects."""
    order = [file for file in process.maps if file != link.file]
    order.insert(order.index(other.file), link.file)
    process.maps = {file: process.maps[file] for file in order}
    process.answers.clear()


def _fill_search_list(listed: list[LinkMap], load: MapByName, loaded: MapByFile, move_before: MoveBefore) -> None:
    """Walk DT_NEEDED breadth-first, loading what is not there yet, and complete the list.

    listed: the object that is opened, and preloads; where a load fails it holds what was found before.
    load: returns the map for a name that an object needs, or raises LoadFailure. loaded: the map of a file, if any.
    Objects that DT_AUXILIARY and DT_FILTER name go before the object that names them, also in the list of all objects
    (move_before); a missing auxiliary is no failure. Each dependency that has no list of its own yet gets its direct
    dependencies recorded (l_initfini).
    """
    root = listed[0]
    files = {link.file for link in listed}
    done: set[int] = set()
    at = 0
    while at < len(listed):
        link = listed[at]
        if link.file in done:
            at += 1
            continue
        done.add(link.file)
        direct: list[int] = []
        for needed in _found_before(link, loaded) or (load(name, link) for name in link.facts.needed):
            if needed is not None:
                direct.append(needed.file)
                if needed.file not in files:
                    files.add(needed.file)
                    listed.append(needed)
        filtees = [load(name, link) for name in link.facts.filter]  # linkers write DT_FILTER before DT_AUXILIARY
        for name in link.facts.auxiliary:
            with suppress(LoadFailure):
                filtees.append(load(name, link))
        for filtee in filtees:
            if filtee is not None:
                files.add(filtee.file)
                if _insert_before(link, filtee, listed, direct):
                    move_before(filtee, link)
        link.direct = tuple(direct)
        if link.search_list is None and link.dependencies is None and link is not root:
            link.dependencies = (link.file, *direct)


def _found_before(link: LinkMap, loaded: MapByFile) -> list[LinkMap] | None:
    """Return what an object needs as it was found when the object was loaded: a name keeps its answer.

    None where that is not known, or where something of it has gone.
    """
    if len(link.direct) != len(link.facts.needed) or link.facts.filter or link.facts.auxiliary:
        return None
    found = [loaded(file) for file in link.direct]
    return None if None in found else found  # type: ignore[return-value]


def _insert_before(current: LinkMap, link: LinkMap, listed: list[LinkMap], direct: list[int]) -> bool:
    """Put a filtee before the object that names it, unless it stands earlier already; tell whether it moved."""
    direct.append(link.file)
    place = next(i for i, other in enumerate(listed) if other is current)
    if any(other is link for other in listed[: place + 1]):
        return False
    listed[:] = [other for other in listed if other is not link]
    listed.insert(place, link)
    return True
