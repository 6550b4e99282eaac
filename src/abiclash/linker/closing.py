"""What leaves a process, and what that changes for the rest: glibc 2.36 elf/dl-close.c _dl_close_worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.glibc_versions import CLOSED_FIRST
from abiclash.linker.link_map import GLOBAL_SCOPE, MapType, Scope
from abiclash.linker.sort_maps import sort_maps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process


def collect(process: Process, closed: LinkMap, *, forced: bool) -> list[LinkMap]:
    """Unload what nothing holds any more; return it in the order in which it is destroyed.

    closed: the object that dlclose got, or (forced) that could not be opened.
    """
    gone = _unused(process, closed)
    remove(process, gone, forced=forced)
    return gone


def _unused(process: Process, closed: LinkMap) -> list[LinkMap]:
    maps = process.maps
    waiting = [
        link
        for link in maps.values()
        if link.type is not MapType.LOADED or link.opens or link.file in process.pinned.active
    ]
    used: set[int] = set()
    while waiting:
        link = waiting.pop()
        if link.file not in used:
            used.add(link.file)
            waiting += [maps[file] for file in (*(link.dependencies or ()), *_bound(link)) if file not in used]
    rest = [link for link in maps.values() if link.file not in used]
    if len(rest) < 2:
        return rest
    files = list(maps)
    if process.host.libc_version in CLOSED_FIRST:
        place = files.index(closed.file)
        files[0], files[place] = files[place], files[0]
    order = sort_maps(
        files,
        lambda file: maps[file].dependencies if file in maps else None,
        process.executable,
        dfs=process.depth_first,
        also={link.file: _bound(link) for link in maps.values()} if any(link.held for link in maps.values()) else None,
        still=used,
    )
    return [maps[file] for file in order if file not in used]


def _bound(link: LinkMap) -> Sequence[int]:
    """Return l_reldeps without what has become a dependency: an object that is opened later drops it from them."""
    return [file for file in link.held if file not in (link.dependencies or ())]


def remove(process: Process, gone: Sequence[LinkMap], *, forced: bool = True) -> None:
    """Take objects out of the process: out of scopes, names and the static TLS block."""
    files = {link.file for link in gone}
    for link in gone:
        del process.maps[link.file]
    for link in process.maps.values():
        if link.type is MapType.LOADED:
            _leave(link, files)
    if not files.isdisjoint(process.global_scope):
        for link in process.maps.values():  # what they saw of the global scope is told by its length
            link.global_seen -= sum(file in files for file in process.global_scope[: link.global_seen])
        process.global_scope = [file for file in process.global_scope if file not in files]
    process.tls.release(gone)
    process.pinned = process.pinned.without(files, forced=forced)
    if process.init_first in files:
        process.init_first = None
    process.answers.clear()


def _leave(link: LinkMap, files: set[int]) -> None:
    """Drop scope parts whose owner is gone; an object without a list of its own gets one in their place."""
    left = [part for part in link.scope if part == GLOBAL_SCOPE or part.owner not in files]
    if len(left) < len(link.scope) and link.search_list is None and link.dependencies is not None:
        first = next(place for place, part in enumerate(link.scope) if part not in left)
        left.insert(first, Scope(link.file))
        link.search_list = link.dependencies
    link.scope = left
    if link.loader in files:
        link.loader = None
