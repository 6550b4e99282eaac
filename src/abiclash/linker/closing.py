"""What leaves a process, and what that changes for the rest: glibc 2.36 elf/dl-close.c _dl_close_worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import Reloc
from abiclash.linker.link_map import GLOBAL_SCOPE, MapType, Scope
from abiclash.linker.lookup import NOT_FOUND
from abiclash.linker.sort_maps import sort_maps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process

DF_1_NODELETE = 0x8


def unused(process: Process, pending: Iterable[int] = ()) -> list[LinkMap]:
    """Return what nothing holds any more, in the order in which it is destroyed.

    pending: file ids of objects that are to stay, but only once a load has succeeded (l_nodelete_pending).
    """
    maps, passing = process.maps, frozenset(pending)
    unique = set(process.unique.file.tolist())
    waiting = [
        link
        for link in maps.values()
        if link.type is not MapType.LOADED or link.opens or (keeps(link, unique) and link.file not in passing)
    ]
    bound: dict[int, Sequence[int]] = {}
    used: set[int] = set()
    while waiting:
        link = waiting.pop()
        if link.file not in used:
            used.add(link.file)
            bound[link.file] = bound_to(process, link)
            held = (*(link.dependencies or ()), *bound[link.file])
            waiting += [maps[file] for file in held if file in maps and file not in used]
    rest = [link for link in maps.values() if link.file not in used]
    if len(rest) < 2:
        return rest
    bound |= {link.file: bound_to(process, link) for link in rest}
    order = sort_maps(
        list(maps),
        lambda file: maps[file].dependencies if file in maps else None,
        process.executable,
        dfs=process.depth_first,
        also=bound if any(bound.values()) else None,
        still=used,
    )
    return [maps[file] for file in order if file not in used]


def keeps(link: LinkMap, unique: set[int]) -> bool:
    """Tell whether an object is not to be unloaded. unique: files of the definitions in the table of unique symbols."""
    return link.nodelete or bool(link.facts.flags_1 & DF_1_NODELETE) or link.file in unique


def bound_to(process: Process, link: LinkMap) -> Sequence[int]:
    """Return l_reldeps: what came by dlopen and the object's relocations were bound to, in their order.

    Calls that were left to lazy binding do not count.
    """
    if link.targets is None:
        return ()
    targets = link.targets[link.facts.references.kind != Reloc.PLT] if link.lazy else link.targets
    files, first = np.unique(targets, return_index=True)
    own = {NOT_FOUND, link.file, *(link.dependencies or ())}
    return [
        file
        for file in files[np.argsort(first)].tolist()
        if file not in own and file in process.maps and process.maps[file].type is MapType.LOADED
    ]


def remove(process: Process, gone: Sequence[LinkMap]) -> None:
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
